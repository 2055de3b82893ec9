"""A worker in a process of its own, for tests that kill it: `URL WORKER FILE COMMAND [DEAD…]`.

Each step's body adds a line to FILE when it begins and one when it ends.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from cinefab.core.canonical import Json
from cinefab.core.ids import WorkerId
from cinefab.engine.durable import Durable, step
from cinefab.engine.system_database import system_url_for

STEP_S = 0.4


def build(url: str, worker: str, file: Path) -> Durable:
    durable = Durable(
        system_url=system_url_for(url), worker=WorkerId(worker), application_version="1"
    )

    def say(line: str) -> None:
        with file.open("a") as out:
            out.write(f"{worker} {line}\n")

    async def work(number: int, length_s: float) -> Json:
        say(f"begin {number}")
        await asyncio.sleep(length_s)
        say(f"end {number}")
        return {"number": number, "by": worker}

    async def chain(argument: str) -> Json:
        results = [await step(f"step-{i}", lambda i=i: work(i, STEP_S)) for i in range(5)]
        return {"argument": argument, "by": [result["by"] for result in results]}

    async def fan(argument: str) -> Json:
        # Their order of finishing is not the order in which they begin.
        lengths_s = {0: 0.3, 1: 0.05, 2: 1.5, 3: 0.15, 4: 1.5}

        async def one(i: int) -> Json:
            first = await step(f"first-{i}", lambda: work(i, lengths_s[i]))
            second = await step(f"second-{i}", lambda: work(10 + i, 0.0))
            return [first["by"], second["by"]]

        return await asyncio.gather(*(one(i) for i in range(5)))

    durable.workflow("chain", chain)
    durable.workflow("fan", fan)
    return durable


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    url, worker, file, command, *dead = sys.argv[1:]
    durable = build(url, worker, Path(file))
    durable.launch()
    if command == "adopt":
        durable.adopt([WorkerId(each) for each in dead])
    else:
        durable.start(command, "job-1", "an argument")
    tell("ready")
    tell(str(durable.result("job-1", timeout_s=30)))
    durable.close()


if __name__ == "__main__":
    main()

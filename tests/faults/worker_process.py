"""A whole worker in a process of its own: `URL WORKER FILE COMMAND`; it beats, adopts and works.

`begin` starts the job, `help` only takes over from the dead, `help-and-die` dies between claiming
a dead worker and adopting its work.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

from cinefab.core.canonical import Json
from cinefab.core.clock import SystemClock
from cinefab.core.ids import WorkerId
from cinefab.engine.durable import Durable, Status, step
from cinefab.engine.heartbeat import Heartbeat
from cinefab.engine.system_database import system_url_for
from cinefab.store.database import Database

JOB = "job-1"


def main() -> None:
    url, worker, file, command = sys.argv[1:]
    db = Database(url)
    durable = Durable(
        system_url=system_url_for(url), worker=WorkerId(worker), application_version="1"
    )

    def say(line: str) -> None:
        with Path(file).open("a") as out:
            out.write(f"{worker} {line}\n")

    async def work(number: int) -> Json:
        say(f"begin {number}")
        await asyncio.sleep(0.3)
        return worker

    async def chain(argument: str) -> Json:
        return [await step(f"step-{i}", lambda i=i: work(i)) for i in range(5)]

    def take_over(dead: WorkerId) -> None:
        say(f"found {dead}")
        if command == "help-and-die":
            os._exit(1)
        durable.adopt([dead])

    def stop() -> None:
        say("lost")
        os._exit(2)

    durable.workflow("chain", chain)
    durable.launch()
    beat = Heartbeat(
        db,
        WorkerId(worker),
        clock=SystemClock(),
        on_dead=take_over,
        on_lost=stop,
        beat_s=0.1,
        silence_s=0.8,
    )
    beat.start()
    if command == "begin":
        durable.start("chain", JOB, "")
    say("ready")
    while durable.status(JOB) is not Status.DONE:
        threading.Event().wait(0.05)
    say(f"result {durable.result(JOB)}")
    beat.close()
    durable.close()
    db.close()


if __name__ == "__main__":
    main()

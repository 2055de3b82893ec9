"""A worker that takes cards in a process of its own: `URL WORKER FILE ROUNDS`.

Each time that it has its devices it adds a line to FILE for each of them when it begins and one
when it ends. With 0 rounds it takes two and holds them until it is killed.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from cinefab.core.clock import SystemClock
from cinefab.core.device import Device, DeviceNeed
from cinefab.core.ids import WorkerId
from cinefab.schedule.holds import SharedDevices
from cinefab.store.database import Database

CARDS = tuple(
    Device(name=f"card-{number}", device_class="cuda", memory_bytes=8 << 30, index=number)
    for number in range(4)
)


def shared(db: Database, worker: str) -> SharedDevices:
    return SharedDevices(
        db,
        machine="here",
        worker=WorkerId(worker),
        clock=SystemClock(),
        devices=lambda name: CARDS if name == "cuda" else (),
    )


def a_gang(count: int) -> list[DeviceNeed]:
    return [DeviceNeed(device_class="cuda", memory_mb=5_000, count=count)]


def main() -> None:
    url, worker, file, rounds = sys.argv[1:5]
    devices = shared(Database(url), worker)
    chance = random.Random(worker)
    counts = [chance.choice([1, 1, 2, 3, 4]) for _ in range(int(rounds))] or [2]
    for count in counts:
        ticket = devices.ask(a_gang(count))
        while (placed := devices.try_take(ticket)) is None:
            time.sleep(0.01)
        say(file, "+", placed.devices)
        if rounds == "0":
            time.sleep(60)
        say(file, "-", placed.devices)
        devices.give_back(ticket)


def say(file: str, what: str, names: tuple[str, ...]) -> None:
    with Path(file).open("a") as out:
        out.write(f"{what} {' '.join(names)}\n")


if __name__ == "__main__":
    main()

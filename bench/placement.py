"""How many placements a second one core decides: a model among a thousand devices, gangs in a queue.

    .venv/bin/python bench/placement.py

In CPU-seconds, so that a busy machine changes nothing. The devices are of four kinds; half of them are
in use, at random from a seed. Queues hold gangs and singles, as `schedule.placement.grants` decides
them for a waiting worker. The same queue in the database is what a worker pays for each look.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cinefab.core.clock import SystemClock
from cinefab.core.device import Device, DeviceNeed
from cinefab.core.ids import WorkerId
from cinefab.schedule.holds import SharedDevices
from cinefab.schedule.placement import Fleet, Use, Wish, find_placement, grants
from cinefab.store.database import Database
from cinefab.store.migrate import migrate

KINDS = (("cpu-core", 64, 16), ("a10", 24, 1), ("a100", 80, 1), ("h100", 80, 1))


def main() -> None:
    chance = random.Random(7)
    devices = tuple(a_device(number) for number in range(1_000))
    fleet = Fleet(devices=devices)
    for device in chance.sample(devices, 500):
        use = Use(places=1, memory_bytes=chance.randrange(1 << 30, 20 << 30))
        fleet = Fleet(devices=devices, used={**fleet.used, device.name: use})
    needs = [a_need(chance) for _ in range(200)]

    show("placements of one model among 1,000 devices", per_second(fleet, needs))
    wishes = [Wish(ticket=n, needs=(need,)) for n, need in enumerate(needs[:100])]
    took_s = cpu_seconds(lambda: grants(wishes, fleet, lasting={}), 5)
    show("wishes decided of a queue of 100 among 1,000 devices", len(wishes) / took_s)
    with tempfile.TemporaryDirectory() as folder:
        show("devices taken and given back of 8, in SQLite", taken_per_second(Path(folder)))


def a_device(number: int) -> Device:
    name, gib, places = KINDS[number % len(KINDS)]
    return Device(
        name=f"{name}-{number}",
        device_class=name,
        memory_bytes=gib << 30,
        places=places,
        index=number,
    )


def a_need(chance: random.Random) -> DeviceNeed:
    name, gib, _ = chance.choice(KINDS)
    return DeviceNeed(
        device_class=name,
        memory_mb=chance.randrange(512, gib << 10),
        count=chance.choice([1, 1, 1, 2, 4, 8]),
    )


def per_second(fleet: Fleet, needs: list[DeviceNeed]) -> float:
    took_s = cpu_seconds(lambda: [find_placement([need], fleet) for need in needs], 5)
    return len(needs) / took_s


def taken_per_second(folder: Path) -> float:
    db = Database(f"sqlite:///{folder / 'bench.db'}")
    migrate(db)
    cards = tuple(
        Device(name=f"card-{n}", device_class="h100", memory_bytes=80 << 30) for n in range(8)
    )
    shared = SharedDevices(
        db,
        machine="here",
        worker=WorkerId("bench"),
        clock=SystemClock(),
        devices=lambda _name: cards,
    )
    need = [DeviceNeed(device_class="h100", memory_mb=40_000, count=2)]

    def once() -> None:
        ticket = shared.ask(need)
        assert shared.try_take(ticket) is not None
        shared.give_back(ticket)

    once()
    took_s = cpu_seconds(lambda: [once() for _ in range(100)], 1)
    db.close()
    return 100 / took_s


def cpu_seconds(work: Callable[[], object], times: int) -> float:
    """Return the least CPU time that `work` took of several times."""
    took = []
    for _ in range(times):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


def show(what: str, rate: float) -> None:
    print(f"{rate:>12,.0f} a CPU-second  {what}")


if __name__ == "__main__":
    main()

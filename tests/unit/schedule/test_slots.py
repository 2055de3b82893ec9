"""Places are counted by device class, and a class without a device is said so."""

from __future__ import annotations

import asyncio

import pytest

from cinefab.core.errors import Unavailable
from cinefab.schedule.slots import Slots


async def most_at_once(slots: Slots, device_class: str, *, tasks: int) -> int:
    running = most = 0

    async def work() -> None:
        nonlocal running, most
        async with slots.take(device_class):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(work() for _ in range(tasks)))
    return most


@pytest.mark.parametrize(("device_class", "most"), [("cpu-core", 2), ("service", 5), ("gpu", 1)])
def test_as_many_run_at_once_as_a_class_has_places(device_class: str, most: int) -> None:
    slots = Slots({"cpu-core": 2, "service": 5}, others=1)

    assert asyncio.run(most_at_once(slots, device_class, tasks=9)) == most
    assert slots.count(device_class) == most


def test_one_class_does_not_wait_for_another() -> None:
    slots = Slots({"cpu-core": 1}, others=1)

    async def both() -> None:
        async with slots.take("cpu-core"), asyncio.timeout(5), slots.take("service"):
            pass

    asyncio.run(both())


@pytest.mark.parametrize("slots", [Slots({"cpu-core": 1}), Slots({"gpu": 0}, others=1)])
def test_a_device_that_is_not_here_is_refused(slots: Slots) -> None:
    with pytest.raises(Unavailable, match="'gpu'"):
        asyncio.run(most_at_once(slots, "gpu", tasks=1))


def test_a_gang_is_not_overtaken_and_has_all_of_its_places_at_once() -> None:
    slots = Slots({"gpu": 3})
    seen: list[str] = []

    async def work(name: str, places: int) -> None:
        async with slots.take("gpu", places):
            seen.append(name)
            await asyncio.sleep(0.01)

    async def all_of_them() -> None:
        singles = [work(f"before {number}", 1) for number in range(3)]
        later = [work(f"after {number}", 1) for number in range(6)]
        await asyncio.gather(*singles, work("gang", 3), *later)

    asyncio.run(all_of_them())

    assert seen[3] == "gang"
    assert len(seen) == 10


def test_who_stops_waiting_lets_the_next_one_through() -> None:
    slots = Slots({"gpu": 2})

    async def give_up_a_gang() -> None:
        async with slots.take("gpu"):
            gang = asyncio.ensure_future(hold("gpu", 2))
            await asyncio.sleep(0)
            single = asyncio.ensure_future(hold("gpu", 1))
            await asyncio.sleep(0)
            gang.cancel()
            await asyncio.wait_for(single, 5)
        await asyncio.wait_for(hold("gpu", 2), 5)

    async def hold(device_class: str, places: int) -> None:
        async with slots.take(device_class, places):
            pass

    asyncio.run(give_up_a_gang())


def test_more_places_than_there_are_is_refused_at_once() -> None:
    async def too_many() -> None:
        async with Slots({"gpu": 2}).take("gpu", 3):
            pass

    with pytest.raises(Unavailable, match="3 device"):
        asyncio.run(too_many())

"""A need is met whole on devices that hold it, or refused with what each device lacks."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinefab.core.device import MIB, Device, DeviceNeed
from cinefab.core.errors import FitsNowhere
from cinefab.engine.wire import decode_error, encode_error
from cinefab.schedule.placement import (
    Fleet,
    Placement,
    Use,
    Wish,
    find_placement,
    grants,
    require_fit,
)


def a_need(device_class: str = "cuda", *, mb: int = 1000, count: int = 1) -> DeviceNeed:
    return DeviceNeed(device_class=device_class, memory_mb=mb, count=count)


def a_device(name: str, *, mb: int | None = 2000, of: str = "cuda", places: int = 1) -> Device:
    size = None if mb is None else mb * MIB
    return Device(name=name, device_class=of, memory_bytes=size, places=places)


def test_the_smallest_device_that_will_do_is_taken() -> None:
    fleet = Fleet(devices=(a_device("large", mb=9000), a_device("small"), a_device("tiny", mb=1)))

    placed = find_placement([a_need()], fleet)

    assert placed is not None
    assert placed.devices == ("small",)


def test_the_first_need_that_can_be_met_is_met() -> None:
    fleet = Fleet(devices=(a_device("host", of="cpu-core", places=2),))

    placed = find_placement([a_need("cuda"), a_need("cpu-core", count=2)], fleet)

    assert placed is not None
    assert (placed.device_class, placed.devices) == ("cpu-core", ("host", "host"))


def test_a_gang_has_all_of_its_devices_or_none() -> None:
    devices = tuple(a_device(f"card-{number}") for number in range(4))
    half = Fleet(devices=devices, used={"card-0": Use(places=1), "card-2": Use(places=1)})

    assert find_placement([a_need(count=3)], half) is None
    placed = find_placement([a_need(count=2)], half)
    assert placed is not None
    assert set(placed.devices) == {"card-1", "card-3"}


def test_memory_that_is_in_use_is_not_given_twice() -> None:
    fleet = Fleet(devices=(a_device("host", mb=2500, places=8),))
    first = find_placement([a_need(count=2)], fleet)

    assert first is not None
    assert find_placement([a_need()], fleet.with_use(first)) is None
    assert find_placement([a_need(mb=500)], fleet.with_use(first)) is not None


def test_a_model_that_fits_nowhere_is_told_of_every_device_why() -> None:
    devices = (
        a_device("host", of="cpu-core", mb=64_000),
        a_device("card-0", mb=24 * 1024),
        a_device("card-1", mb=81_559),
        a_device("card-2", mb=81_559, places=0),
    )

    with pytest.raises(FitsNowhere) as refused:
        require_fit("wan@1", [a_need(mb=40_960, count=2)], devices)

    assert refused.value.misfits == {
        "host": "it is a cpu-core",
        "card-0": "it has 24 GiB, not 40 GiB",
        "card-1": "it stands for 1 of the 2 that are wanted at once",
        "card-2": "nothing may run there",
    }
    assert "wan@1" in str(refused.value)
    assert "2 x cuda with 40 GiB" in str(refused.value)
    again = decode_error(encode_error(refused.value, attempted="place it"))
    assert isinstance(again, FitsNowhere)
    assert again.misfits == refused.value.misfits


needs = st.builds(
    a_need, st.sampled_from(["cuda", "cpu-core"]), mb=st.integers(1, 6), count=st.integers(1, 4)
)
fleets = st.lists(
    st.builds(
        a_device,
        st.just("?"),
        mb=st.none() | st.integers(1, 12),
        of=st.sampled_from(["cuda", "cpu-core"]),
        places=st.integers(0, 3),
    ),
    max_size=6,
).map(
    lambda some: Fleet(
        devices=tuple(
            Device(
                name=f"d{number}",
                device_class=each.device_class,
                memory_bytes=each.memory_bytes,
                places=each.places,
            )
            for number, each in enumerate(some)
        )
    )
)


@settings(deadline=None, max_examples=60)
@given(fleets, st.lists(needs, max_size=12))
def test_no_device_is_ever_given_more_than_it_has(fleet: Fleet, wanted: list[DeviceNeed]) -> None:
    by_name = {each.name: each for each in fleet.devices}
    taken: Counter[str] = Counter()
    memory: Counter[str] = Counter()

    for need in wanted:
        placed = find_placement([need], fleet)
        if placed is None:
            continue
        fleet = fleet.with_use(placed)
        assert len(placed.devices) == need.count
        for name in placed.devices:
            assert by_name[name].device_class == need.device_class
            taken[name] += 1
            memory[name] += need.memory_bytes

    for name, device in by_name.items():
        assert taken[name] <= device.places
        assert device.memory_bytes is None or memory[name] <= device.memory_bytes


def a_wish(ticket: int, *, count: int = 1, mb: int = 1000) -> Wish:
    return Wish(ticket=ticket, needs=(a_need(mb=mb, count=count),))


def test_singles_that_ask_later_do_not_take_what_a_gang_waits_for() -> None:
    devices = tuple(a_device(f"card-{number}") for number in range(3))
    one_busy = Fleet(devices=devices, used={"card-0": Use(places=1)})

    found = grants([a_wish(1, count=3), a_wish(2), a_wish(3)], one_busy, lasting={})

    assert found == {}


def test_who_could_not_use_a_device_keeps_nobody_from_it() -> None:
    devices = (a_device("large", mb=9000), a_device("small"))
    busy = Fleet(devices=devices, used={"large": Use(places=1, memory_bytes=1)})

    found = grants([a_wish(1, mb=8000), a_wish(2)], busy, lasting={})

    assert found[2].devices == ("small",)


def test_a_wish_that_can_never_be_met_beside_the_pinned_holds_up_nobody() -> None:
    pinned = {"card-0": Use(places=1)}
    fleet = Fleet(devices=(a_device("card-0"), a_device("card-1")), used=pinned)

    found = grants([a_wish(1, count=2), a_wish(2)], fleet, lasting=pinned)

    assert found[2].devices == ("card-1",)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=14), st.randoms(use_true_random=False))
def test_everybody_is_served_in_turn_however_work_ends(counts: list[int], chance: Random) -> None:
    devices = tuple(a_device(f"card-{number}") for number in range(4))
    waiting = [a_wish(ticket, count=count) for ticket, count in enumerate(counts)]
    running: dict[int, Placement] = {}
    served: list[int] = []

    for _ in range(4 * len(counts)):
        fleet = Fleet(devices=devices)
        for placed in running.values():
            fleet = fleet.with_use(placed)
        granted = grants(waiting, fleet, lasting={})
        running |= granted
        served += granted
        waiting = [wish for wish in waiting if wish.ticket not in granted]
        if running:
            running.pop(chance.choice(sorted(running)))

    # All of these could use every card, so nobody is overtaken, and nobody waits for ever.
    assert served == list(range(len(counts)))

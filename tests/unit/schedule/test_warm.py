"""Who goes so that a model can come: the least recently used, never one in use, never a pinned one."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from cinefab.schedule.warm import Resident, Room, overdue, to_make_room


def a_resident(
    key: int, *, mb: int = 10, used_us: int = 0, busy: bool = False, pinned: bool = False
) -> Resident:
    memory: Mapping[str, int] = {"host": mb}
    return Resident(key=key, memory_bytes=memory, used_us=used_us, is_busy=busy, is_pinned=pinned)


def test_the_least_recently_used_goes_first_and_no_more_than_must() -> None:
    residents = [a_resident(1, used_us=30), a_resident(2, used_us=10), a_resident(3, used_us=20)]

    assert to_make_room(residents, {"host": 10}, Room(memory_bytes={"host": 40})) == ()
    assert to_make_room(residents, {"host": 15}, Room(memory_bytes={"host": 40})) == (2,)
    assert to_make_room(residents, {"host": 30}, Room(memory_bytes={"host": 40})) == (2, 3)


def test_what_is_in_use_or_pinned_never_goes() -> None:
    residents = [a_resident(1, busy=True), a_resident(2, pinned=True), a_resident(3)]
    room = Room(memory_bytes={"host": 35})

    assert to_make_room(residents, {"host": 15}, room) == (3,)
    assert to_make_room(residents, {"host": 16}, room) is None


def test_no_more_stay_than_may() -> None:
    residents = [a_resident(1, used_us=2), a_resident(2, used_us=1), a_resident(3, pinned=True)]

    assert to_make_room(residents, {}, Room(most=3)) == ()
    assert to_make_room(residents, {}, Room(most=2)) == (2,)


def test_who_stood_idle_for_too_long_is_overdue() -> None:
    residents = [
        a_resident(1, used_us=0),
        a_resident(2, used_us=2_000_000),
        a_resident(3, busy=True),
        a_resident(4, pinned=True),
    ]

    assert overdue(residents, now_us=3_000_000, idle_s=2) == (1,)


residents_of_any_kind = st.lists(
    st.tuples(st.integers(1, 20), st.integers(0, 9), st.booleans(), st.booleans()), max_size=6
).map(
    lambda some: [
        a_resident(key, mb=mb, used_us=used, busy=busy, pinned=pinned)
        for key, (mb, used, busy, pinned) in enumerate(some)
    ]
)


@settings(deadline=None, max_examples=80)
@given(residents_of_any_kind, st.integers(1, 30), st.integers(1, 40))
def test_room_is_made_whenever_those_that_may_go_have_it(
    residents: list[Resident], wanted: int, limit: int
) -> None:
    leaving = to_make_room(residents, {"host": wanted}, Room(memory_bytes={"host": limit}))

    fixed = sum(each.memory_bytes["host"] for each in residents if not each.may_go)
    assert (leaving is None) == (fixed + wanted > limit)
    gone = [each for each in residents if each.key in (leaving or ())]
    assert all(each.may_go for each in gone)
    if leaving is not None:
        left = sum(each.memory_bytes["host"] for each in residents if each not in gone)
        assert left + wanted <= limit

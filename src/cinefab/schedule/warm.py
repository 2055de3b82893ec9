"""Which models stay loaded: what may be ended to make room, and what is ended for standing idle.

A model that is loaded is a resident of its devices' memory. The least recently used goes first;
one that is in use, or pinned, never goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class ColdStart(StrEnum):
    """What becomes of interactive work whose model is not warm."""

    WAIT = "wait"
    REFUSE = "refuse"
    LOAD = "load"


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmPolicy:
    """What the settings say of warm models.

    `models` are loaded ahead and pinned. Others stay for `idle_s` after their last work, `most` of
    them, within `memory_bytes` of this machine (None: all of it). Interactive work goes to warm
    models alone: what `interactive` says happens where there is none, and `wait_s` is its limit.
    """

    models: tuple[str, ...] = ()
    idle_s: float = 600
    most: int = 8
    memory_bytes: int | None = None
    interactive: ColdStart = ColdStart.WAIT
    wait_s: float = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A model that is loaded, or being loaded: what of each device's memory it has."""

    key: int
    memory_bytes: Mapping[str, int]
    used_us: int
    is_busy: bool
    is_pinned: bool = False

    @property
    def may_go(self) -> bool:
        """Whether it can be ended for somebody else."""
        return not (self.is_busy or self.is_pinned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What residents share: memory by device (None: nobody counts it), and how many they may be."""

    memory_bytes: Mapping[str, int | None] = field(default_factory=dict)
    most: int = 8


def to_make_room(
    residents: Sequence[Resident], wanted: Mapping[str, int], room: Room
) -> tuple[int, ...] | None:
    """Return who goes so that one more can come that wants so much; None if it cannot come now.

    Pinned residents count for memory and not for how many there may be.
    """
    staying = {each.key: each for each in residents}
    gone: list[int] = []
    candidates = sorted((r for r in residents if r.may_go), key=lambda each: each.used_us)
    while not _fits(list(staying.values()), wanted, room):
        short = _short(list(staying.values()), wanted, room)
        # Of those that may go only such as free what is missing.
        leaving = next(
            (each for each in candidates if not short or short & each.memory_bytes.keys()), None
        )
        if leaving is None:
            return None
        candidates.remove(leaving)
        del staying[leaving.key]
        gone.append(leaving.key)
    return tuple(gone)


def overdue(residents: Sequence[Resident], *, now_us: int, idle_s: float) -> tuple[int, ...]:
    """Return those that have stood idle for longer than they may."""
    limit_us = round(idle_s * 1_000_000)
    return tuple(each.key for each in residents if each.may_go and now_us - each.used_us > limit_us)


def _fits(residents: Sequence[Resident], wanted: Mapping[str, int], room: Room) -> bool:
    few = sum(1 for each in residents if not each.is_pinned) < room.most
    return few and not _short(residents, wanted, room)


def _short(residents: Sequence[Resident], wanted: Mapping[str, int], room: Room) -> frozenset[str]:
    """Return the devices whose memory does not do."""
    found = set()
    for device, more in wanted.items():
        limit = room.memory_bytes.get(device)
        taken = sum(each.memory_bytes.get(device, 0) for each in residents)
        if limit is not None and taken + more > limit:
            found.add(device)
    return frozenset(found)

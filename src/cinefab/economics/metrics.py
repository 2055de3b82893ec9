"""The factory's metrics: exact arithmetic on figures that the ledger has already proved.

Shares are `Fraction`s (None where there is nothing to divide by), so that two reports of the
same figures never differ in a last digit; `as_bp` rounds one for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from cinefab.core.stage import TimeClass
from cinefab.core.units import WHOLE_BP, BasisPoints, DeviceUs, Uusd

_SECONDS_PER_MINUTE: Final = 60
_NOT_PRODUCTIVE: Final = frozenset({TimeClass.DOWN, TimeClass.IDLE, TimeClass.LOAD})

Time = Mapping[TimeClass, DeviceUs]
"""Leased time by what it went into, in microseconds; a class that is missing counts as 0."""


def cost_per_delivered_minute_uusd(
    cost: Uusd | None, *, delivered_frames: int, fps: Fraction
) -> Uusd | None:
    """Return µUSD for a minute of delivered film, rounded half up.

    None when the cost is unknown or nothing was delivered: neither has a price of zero.
    """
    per_second = cost_per_second(cost, frames=delivered_frames, fps=fps)
    if per_second is None:
        return None
    return Uusd(_half_up(per_second * _SECONDS_PER_MINUTE))


def cost_per_second(cost: Uusd | None, *, frames: int, fps: Fraction) -> Fraction | None:
    """Return the exact µUSD for a second of film; None when unknown or when there is no film."""
    assert frames >= 0, "a film is not negative"
    assert fps > 0, "time passes"
    if cost is None or frames == 0:
        return None
    return Fraction(cost) * fps / frames


def first_pass_yield(*, accepted_without_rework: int, started: int) -> Fraction | None:
    """Return the share of started items that were accepted as they first came out."""
    assert 0 <= accepted_without_rework <= started, "what was accepted had been started"
    return _share(accepted_without_rework, started)


def availability(time: Time) -> Fraction | None:
    """Return the share of the leased time in which the device was up."""
    return _share(_leased(time) - _in(time, TimeClass.DOWN), _leased(time))


def utilisation(time: Time) -> Fraction | None:
    """Return the share of the leased time in which the device was up and had work."""
    busy = _leased(time) - _in(time, TimeClass.DOWN) - _in(time, TimeClass.IDLE)
    return _share(busy, _leased(time))


def performance(time: Time, *, ideal_finished_us: DeviceUs) -> Fraction | None:
    """Return what the finished items would ideally take, over the productive time."""
    return _share(ideal_finished_us, productive_us(time))


def quality(*, ideal_accepted_us: DeviceUs, ideal_finished_us: DeviceUs) -> Fraction | None:
    """Return the share of the finished work, by ideal time, that was accepted."""
    assert ideal_accepted_us <= ideal_finished_us, "what was accepted had been finished"
    return _share(ideal_accepted_us, ideal_finished_us)


def net_oee(time: Time, *, ideal_accepted_us: DeviceUs) -> Fraction | None:
    """Return what the accepted items would ideally take, over all the leased time."""
    return _share(ideal_accepted_us, _leased(time))


def rate_of(time_class: TimeClass, time: Time) -> Fraction | None:
    """Return a class's share of the productive time: of scrap, rework, speculation, …."""
    assert time_class not in _NOT_PRODUCTIVE, f"{time_class} is no part of the productive time"
    return _share(_in(time, time_class), productive_us(time))


def productive_us(time: Time) -> DeviceUs:
    """Return the leased time without what was down, idle or loading."""
    lost = sum(_in(time, time_class) for time_class in _NOT_PRODUCTIVE)
    return DeviceUs(_leased(time) - lost)


def as_bp(share: Fraction | None) -> BasisPoints | None:
    """Return a share in basis points, rounded half up; None stays unknown."""
    return None if share is None else BasisPoints(_half_up(share * WHOLE_BP))


def _share(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole else None


def _leased(time: Time) -> int:
    return sum(time.values())


def _in(time: Time, time_class: TimeClass) -> int:
    return time.get(time_class, DeviceUs(0))


def _half_up(exact: Fraction) -> int:
    return (exact + Fraction(1, 2)).__floor__()

"""Units: money in whole micro-dollars, device time in whole microseconds, shares in basis points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NewType

Uusd = NewType("Uusd", int)
"""Micro-dollars: 1 USD is 1,000,000."""

DeviceUs = NewType("DeviceUs", int)
"""Microseconds of one device."""

BasisPoints = NewType("BasisPoints", int)
"""Hundredths of a per cent: a whole is 10,000."""

WHOLE_BP: Final = BasisPoints(10_000)
NO_TIME: Final = DeviceUs(0)
US_PER_S: Final = 1_000_000
UUSD_PER_USD: Final = 1_000_000


def price_of(device_us: DeviceUs, *, nusd_per_s: int) -> Uusd:
    """Return what `device_us` costs at a price in nano-dollars a second, rounded up to 1 µUSD.

    Rounding is always up, so that work which was done never costs nothing; a stage's charge is
    therefore at most 1 µUSD above its exact price.
    """
    assert device_us >= 0, "time is not negative"
    assert nusd_per_s >= 0, "prices are not negative"
    return Uusd(-(-device_us * nusd_per_s // (US_PER_S * 1000)))


def price_between(since_us: DeviceUs, device_us: DeviceUs, *, nusd_per_s: int) -> Uusd:
    """Return what the `device_us` from `since_us` on cost in a longer stretch of time.

    Stretches that follow each other cost together what the whole does, to the µUSD.
    """
    until = price_of(DeviceUs(since_us + device_us), nusd_per_s=nusd_per_s)
    return Uusd(until - price_of(since_us, nusd_per_s=nusd_per_s))


def largest_remainder(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Split `total` in proportion to `weights` so that the parts sum to `total` exactly.

    Each part is the floor of its exact share; what is left over goes, one unit each, to the
    largest remainders, the earlier part first where two are equal. Raises `ValueError` when the
    weights are negative or sum to zero while there is something to split.
    """
    whole = sum(weights)
    if any(weight < 0 for weight in weights) or (whole == 0 and total != 0):
        raise ValueError(f"cannot split {total} by weights {list(weights)}")
    if whole == 0:
        return tuple(0 for _ in weights)
    parts = [total * weight // whole for weight in weights]
    remainders = [(total * weight) % whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-remainders[i], i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return tuple(parts)

"""What a device costs: whole nano-dollars a second, from the dollars an hour that people write.

A device class that is not in the book is unpriced: its time is counted, its cost is unknown,
and nothing ever takes unknown for zero. The class `service` is somebody else's machine: waiting for
it is no device time that anybody pays for, so its time costs nothing unless a price is set, and what
it costs is its bill; without one that is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

import sqlalchemy as sa

from cinefab.core.stage import SERVICE
from cinefab.economics.errors import PriceInvalid
from cinefab.economics.tables import price

_USD_PER_HOUR_MAX: Final = 1_000_000
_NUSD_PER_USD: Final = 1_000_000_000
_S_PER_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Prices by device class, in nano-dollars a second."""

    nusd_per_s: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_usd_per_hour(cls, prices: Mapping[str, str]) -> PriceBook:
        """Read prices such as `{"cpu": "0.045"}`; raise `PriceInvalid` for what is no price."""
        return cls({name: _nusd_per_s(name, text) for name, text in prices.items()})

    def find(self, device_class: str) -> int | None:
        """Return the price in nano-dollars a second, or None where there is none."""
        return self.nusd_per_s.get(device_class, 0 if device_class == SERVICE else None)

    def is_billed(self, device_class: str) -> bool:
        """Say whether what runs there costs what somebody asks for it, and not its time."""
        return device_class == SERVICE and SERVICE not in self.nusd_per_s

    def find_ahead(self, device_class: str) -> int | None:
        """Return what estimates take for the price of its time; None where that says nothing."""
        return None if self.is_billed(device_class) else self.find(device_class)


def record_prices(connection: sa.Connection, prices: PriceBook, *, now_us: int) -> int:
    """Add what changed since the last call to the history; return how many prices changed.

    A class that was priced before and is not in `prices` ends with a price of None. Two callers
    at once may write the same price twice, which says nothing false.
    """
    known = _last_prices(connection)
    changed = [
        (name, prices.nusd_per_s.get(name))
        for name in sorted({*known, *prices.nusd_per_s})
        if known.get(name) != prices.nusd_per_s.get(name)
    ]
    if changed:
        rows = [
            {"device_class": name, "nusd_per_s": nusd, "valid_from_us": now_us}
            for name, nusd in changed
        ]
        connection.execute(price.insert(), rows)
    return len(changed)


def _last_prices(connection: sa.Connection) -> dict[str, int | None]:
    last = sa.select(sa.func.max(price.c.id)).group_by(price.c.device_class)
    query = sa.select(price.c.device_class, price.c.nusd_per_s).where(price.c.id.in_(last))
    return {row.device_class: row.nusd_per_s for row in connection.execute(query)}


def _nusd_per_s(device_class: str, text: str) -> int:
    try:
        usd_per_hour = Decimal(text.strip())
    except InvalidOperation:
        usd_per_hour = Decimal("NaN")
    # NaN compares with nothing, so the test for finiteness comes first.
    if not usd_per_hour.is_finite() or not 0 <= usd_per_hour <= _USD_PER_HOUR_MAX:
        raise PriceInvalid(
            attempted=f"read the price of device class {device_class!r}",
            found=f"{text!r} is not an amount of dollars an hour",
            remedy=f"Write it plainly, from 0 to {_USD_PER_HOUR_MAX}, such as 0.045.",
        )
    # Half a nano-dollar a second is 1.8 µUSD an hour: the most that a price is rounded by.
    exact = Fraction(usd_per_hour) * _NUSD_PER_USD / _S_PER_HOUR
    return int(exact + Fraction(1, 2))

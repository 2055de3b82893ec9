"""What a service asks for a run, as its table or a price book says it; unknown stays unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from cinefab.core.units import Uusd
from cinefab.generate.run import Basis, Bill


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """In µUSD for each run, and for each second that it shows; None where nobody knows."""

    per_run: int | None = None
    per_second: int | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Prices:
        """Return the prices that a table says."""
        return cls(
            per_run=settings.get("price_uusd_per_run"),
            per_second=settings.get("price_uusd_per_second"),
        )

    @property
    def are_known(self) -> bool:
        """Whether there is any price."""
        return self.per_run is not None or self.per_second is not None

    def bill(
        self, told_uusd: int | None, *, seconds: Fraction | None, supplier: str, reference: str
    ) -> Bill:
        """Return the bill for a run: what was told goes before what the price book says.

        `seconds` are those of what it made, None of a picture.
        """
        amount, basis = self._amount(told_uusd, seconds)
        return Bill(amount_uusd=amount, basis=basis, supplier=supplier, reference=reference)

    def _amount(self, told_uusd: int | None, seconds: Fraction | None) -> tuple[Uusd | None, Basis]:
        if told_uusd is not None:
            return Uusd(told_uusd), "answer"
        timed: int | None = None
        if self.per_second is not None and seconds is not None:
            timed = int(-(-self.per_second * seconds // 1))
        if self.per_run is None and timed is None:
            return None, "unknown"
        return Uusd((self.per_run or 0) + (timed or 0)), "price-book"

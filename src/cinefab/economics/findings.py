"""What a check of the ledger says when something does not add up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that does not add up: the rule, the row, what it should say and what it says."""

    rule: str
    row: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.row}: wanted {self.wanted}, found {self.found}"


def as_usd(amount: int) -> str:
    """Return µUSD as dollars with all six places, exactly."""
    sign = "-" if amount < 0 else ""
    dollars, rest = divmod(abs(amount), 1_000_000)
    return f"{sign}{dollars}.{rest:06d} USD"

"""Where each check draws its line: defaults that suit a studio's films, and settings by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The figures at which a check remarks something; whole numbers with their unit in the name.

    They are part of what findings are kept under: findings under others are not reused.
    """

    black_ms_max: int = 2000
    """Black that nobody orders; a film that is shorter is refused when it is nothing else."""

    black_level_max: int = 24
    """The brightest square of a black frame; 16 is black itself."""

    freeze_ms_max: int = 2000
    """One picture standing still, whatever its grain does."""

    def as_dict(self) -> dict[str, int]:
        """Return the thresholds by name."""
        return asdict(self)


DEFAULTS: Final = Thresholds()
"""Lines that nobody moved."""


def thresholds_from(named: Mapping[str, int]) -> Thresholds:
    """Return the defaults but for those in `named`; raise `ValueError` naming what is unknown."""
    known = DEFAULTS.as_dict()
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no threshold; there are {', '.join(known)}")
    return Thresholds(**named)

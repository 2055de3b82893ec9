"""The rungs of a stream: which sizes a film is offered in, largest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cinefab.core.brief import Size

_SIDES: Final = (1080, 720, 480, 360, 240, 144)
_RUNGS_MAX: Final = 4
_STEP_MAX: Final = 0.85
"""A rung nearer than this to the one above it is not worth its bytes."""


def rungs_of(size: Size, wanted: Sequence[int] = ()) -> tuple[Size, ...]:
    """Return the sizes of a film's rungs, by their shorter sides or by the film's own size.

    Without `wanted`: the film's size and at most three common ones below it. Proportions are
    kept to the nearest even pixel, and nothing is made larger than the film.
    """
    shorter = min(size.width, size.height)
    sides = list(wanted)
    if not sides:
        sides = [shorter]
        for side in _SIDES:
            if len(sides) < _RUNGS_MAX and side < sides[-1] * _STEP_MAX:
                sides.append(side)
    assert all(side <= shorter for side in sides), "a rung is never larger than the film"
    return tuple(_at(size, side) for side in sides)


def rung_name(size: Size) -> str:
    """Return what people call a rung: its shorter side, as in 720p."""
    return f"{min(size.width, size.height)}p"


def _at(size: Size, side: int) -> Size:
    shorter = min(size.width, size.height)
    if side == shorter:
        return size
    longer = max(2, round(max(size.width, size.height) * side / shorter / 2) * 2)
    return Size(longer, side) if size.width >= size.height else Size(side, longer)

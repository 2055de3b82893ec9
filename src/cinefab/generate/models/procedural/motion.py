"""How things move: moments and eases, as pure functions of time.

A shot's progress is 0 at its first frame and 1 at its last; it goes on below and above under the
transitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_PROGRESS_MIN: Final = -0.6
_PROGRESS_MAX: Final = 1.6


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame of a shot: its number, the seconds since the shot's start, its progress."""

    frame: int
    seconds: float
    progress: float


def moment_of(frame: int, *, shot_frames: int, fps: Fraction) -> Moment:
    """Return the moment of `frame`, counted from the shot's start, below zero before it."""
    progress = frame / max(1, shot_frames - 1)
    return Moment(frame, float(frame / fps), min(max(progress, _PROGRESS_MIN), _PROGRESS_MAX))


def arrive(seconds: float, *, start: float, length: float) -> float:
    """Return 0 before `start`, 1 from `start + length` on, and a fast start, soft landing between.

    The curve is the quartic ease-out: what arrives is nearly there after half of its time.
    """
    share = min(max((seconds - start) / length, 0.0), 1.0)
    return 1 - (1 - share) ** 4


def glide(seconds: float, *, start: float, length: float) -> float:
    """Return 0 before `start`, 1 after `start + length`, soft at both ends."""
    share = min(max((seconds - start) / length, 0.0), 1.0)
    return share * share * share * (share * (share * 6 - 15) + 10)

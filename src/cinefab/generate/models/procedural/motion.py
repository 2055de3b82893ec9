"""How things move: eases, and the camera, as pure functions of time.

A shot's progress is 0 at its first frame and 1 at its last; it goes on below and above under the
transitions, and the camera never stands still there.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from cinefab.core.brief import Camera

_PROGRESS_MIN: Final = -0.6
_PROGRESS_MAX: Final = 1.6


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame of a shot: its number, the seconds since the shot's start, its progress."""

    frame: int
    seconds: float
    progress: float


@dataclass(frozen=True, slots=True)
class View:
    """What the camera does to a layer at depth 1: zoom, and a shift in shares of the frame."""

    zoom: float
    right: float
    down: float

    def at_depth(self, depth: float) -> View:
        """Return the view of a layer further away (below 1) or nearer (above 1)."""
        zoom = 1 + (self.zoom - 1) * depth
        return View(zoom, self.right * depth, self.down * depth)


def moment_of(frame: int, *, shot_frames: int, fps: Fraction) -> Moment:
    """Return the moment of `frame`, counted from the shot's start, below zero before it."""
    progress = frame / max(1, shot_frames - 1)
    return Moment(frame, float(frame / fps), min(max(progress, _PROGRESS_MIN), _PROGRESS_MAX))


def view_of(camera: Camera, progress: float) -> View:
    """Return the camera's view: a move that begins and ends softly and never stops."""
    x = _soft(progress)
    back = 1 - x
    match camera:
        case Camera.PUSH_IN:
            return View(1 + 0.13 * x, 0.0, -0.012 * x)
        case Camera.PULL_OUT:
            return View(1 + 0.13 * back, 0.0, -0.012 * back)
        case Camera.PAN_LEFT:
            return View(1.03, 0.045 * (2 * x - 1), 0.0)
        case Camera.PAN_RIGHT:
            return View(1.03, 0.045 * (1 - 2 * x), 0.0)
        case Camera.TILT_UP:
            return View(1.03, 0.0, 0.05 * (2 * x - 1))
        case Camera.TILT_DOWN:
            return View(1.03, 0.0, 0.05 * (1 - 2 * x))
        case Camera.AUTO | Camera.DRIFT:
            return View(1 + 0.055 * x, 0.022 * (1 - 2 * x), 0.010 * (2 * x - 1))


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


def _soft(progress: float) -> float:
    # Mostly even, so that the move goes on at its own pace under both transitions.
    inside = min(max(progress, 0.0), 1.0)
    return 0.7 * progress + 0.3 * inside * inside * (3 - 2 * inside)

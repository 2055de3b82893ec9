"""The camera as a pure function of a shot's progress: 0 at its first frame, 1 at its last.

Progress goes on below and above under the transitions, and the camera never stands still there.
"""

from __future__ import annotations

from dataclasses import dataclass

from cinefab.core.brief import Camera


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


def _soft(progress: float) -> float:
    # Mostly even, so that the move goes on at its own pace under both transitions.
    inside = min(max(progress, 0.0), 1.0)
    return 0.7 * progress + 0.3 * inside * inside * (3 - 2 * inside)

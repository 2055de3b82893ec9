"""A steadier camera: how it moved is followed from frame to frame, smoothed, and made up for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.assemble.effect import EffectCard, EffectWork
from cinefab.core.effect import EffectNeed
from cinefab.media.frames import Frame, Plane, empty_frame, planes

REACH: Final = 15
"""Frames on each side that a steady path is made of."""
_WIDTH_MAX: Final = 640
_CORNERS_MAX: Final = 240
_CORNERS_MIN: Final = 12
_WEIGHTS: Final = np.exp(-0.5 * (np.arange(-REACH, REACH + 1) / (REACH / 2.0)) ** 2)

CARD: Final = EffectCard(
    name="stabilise",
    version="1",
    settings_schema={
        "title": "Stabilise",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "strength": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 1,
                "description": "Write a number from 0, nothing, to 1, as steady as can be",
            },
            "margin": {
                "type": "number",
                "minimum": 0.01,
                "maximum": 0.15,
                "default": 0.05,
                "description": "Write the share of each side that may be cut off, 0.01 to 0.15",
            },
        },
    },
    neutral={"strength": 0},
)

Path = NDArray[np.float64]
"""Shift in x and y as shares of the picture's width, turn in radians, growth as a logarithm."""


class Stabilise:
    """Follows corners between neighbouring frames and smooths the path over half a second or so.

    The picture is enlarged a little, once and for all, so that its edges stay outside.
    """

    @property
    def card(self) -> EffectCard:
        """What this effect says of itself."""
        return CARD

    def need(self, settings: Mapping[str, Any], /) -> EffectNeed:
        """Return what it asks of its frames: many neighbours."""
        reach = REACH if settings.get("strength", 1) else 0
        return EffectNeed(before=reach, after=reach, cost_us_per_megapixel=20_000)

    def apply(self, frames: Iterator[Frame], work: EffectWork, /) -> Iterator[Frame]:
        """Yield every frame where a steady camera would have seen it; with strength 0, as it is."""
        strength = float(work.settings.get("strength", 1))
        if strength == 0:
            yield from frames
            return
        margin = float(work.settings.get("margin", 0.05))
        comes, wanted = work.comes, work.wanted
        seen = _Camera(first=comes.first)
        waiting: deque[Frame] = deque()
        upto = comes.first
        for own in range(wanted.first, wanted.first + wanted.frames):
            while upto < min(comes.extent_end, own + REACH + 1):
                frame = next(frames).copy()
                seen.follow(planes(frame)[0])
                if upto >= wanted.first:
                    waiting.append(frame)
                upto += 1
            seen.forget(own - REACH)
            shift = seen.away_from_steady(own) * strength
            yield _drawn(waiting.popleft(), shift, margin)


@dataclass(slots=True)
class _Camera:
    """The way the camera went, step by step; what lies further back than asked is forgotten."""

    first: int
    _steps: deque[Path] | None = None
    _last: Plane | None = None

    def follow(self, luma: Plane) -> None:
        """Take the next frame in."""
        steps = self._steps if self._steps is not None else deque[Path]()
        self._steps = steps
        small = _small(luma)
        if self._last is not None:
            steps.append(_step(self._last, small))
        self._last = small

    def forget(self, before: int) -> None:
        """Drop the steps from frames before that one."""
        while self.first < before:
            assert self._steps is not None, "frames were followed"
            self._steps.popleft()
            self.first += 1

    def away_from_steady(self, own: int) -> Path:
        """Return how far the steady path is from where the camera was at frame `own`.

        The steady path is a straight line through the neighbourhood, near frames counting most:
        a pan that is even stays what it is, up to the ends of its shot.
        """
        assert self._steps is not None, "frames were followed"
        steps = np.array(self._steps).reshape(-1, 4)
        path = np.vstack([np.zeros((1, 4)), np.cumsum(steps, axis=0)])
        at = np.arange(self.first, self.first + len(path)) - own
        near = np.abs(at) <= REACH
        at, path = at[near], path[near]
        weights = _WEIGHTS[at + REACH]
        mean_at = float(np.average(at, weights=weights))
        mean = np.average(path, axis=0, weights=weights)
        spread = float(np.average((at - mean_at) ** 2, weights=weights))
        slope = np.zeros(4)
        if spread > 0:
            turned = (at - mean_at)[:, None] * (path - mean)
            slope = np.average(turned, axis=0, weights=weights) / spread
        steady = mean - slope * mean_at
        away: Path = steady - path[int(np.flatnonzero(at == 0)[0])]
        return away


def _small(luma: Plane) -> Plane:
    height, width = luma.shape
    scale = min(1.0, _WIDTH_MAX / width)
    size = (round(width * scale), round(height * scale))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)


def _step(before: Plane, after: Plane) -> Path:
    """Return how the picture moved from one frame to the next; nothing, where it cannot be told."""
    still: Path = np.zeros(4)
    cv2.setNumThreads(1)  # what is found is not to depend on how many there are
    corners = cv2.goodFeaturesToTrack(before, _CORNERS_MAX, 0.01, max(4, before.shape[1] // 40))
    if np.size(corners) < 2 * _CORNERS_MIN:
        return still
    found, tracked, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, corners.copy())
    back, tracked_back, _ = cv2.calcOpticalFlowPyrLK(after, before, found, found.copy())
    missed = np.linalg.norm((back - corners).reshape(-1, 2), axis=1)
    kept = (tracked.ravel() == 1) & (tracked_back.ravel() == 1) & (missed < 0.7)
    if kept.sum() < _CORNERS_MIN:
        return still
    height, width = before.shape
    centre = np.array([width / 2, height / 2], np.float32)
    old = corners.reshape(-1, 2)[kept] - centre
    new = found.reshape(-1, 2)[kept] - centre
    matrix, _ = cv2.estimateAffinePartial2D(old, new, ransacReprojThreshold=1.5)
    if matrix is None:
        return still
    (a, _, x), (b, _, y) = np.asarray(matrix, np.float64)
    return np.array([x / width, y / width, np.arctan2(b, a), np.log(np.hypot(a, b))])


def _drawn(frame: Frame, shift: Path, margin: float) -> Frame:
    luma, blue, red = planes(frame)
    height, width = luma.shape
    zoom = 1 / (1 - 2 * margin)
    turn = float(np.clip(shift[2], -margin, margin))
    grow = float(np.clip(shift[3], -margin / 2, margin / 2))
    # A turned or smaller picture has less room at its edges to be shifted by.
    scale = zoom * float(np.exp(grow))
    needed_x = width * abs(np.cos(turn)) + height * abs(np.sin(turn))
    needed_y = height * abs(np.cos(turn)) + width * abs(np.sin(turn))
    room_x = max(0.0, (width * scale - needed_x) / 2)
    room_y = max(0.0, (height * scale - needed_y) / 2)
    x = float(np.clip(shift[0] * width * scale, -room_x, room_x))
    y = float(np.clip(shift[1] * width * scale, -room_y, room_y))
    out = empty_frame(width, height)
    for number, (plane, drawn) in enumerate(zip((luma, blue, red), planes(out), strict=True)):
        share = 0.5 if number else 1.0
        centre = ((plane.shape[1] - 1) / 2, (plane.shape[0] - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, -np.degrees(turn), scale)
        matrix[0, 2] += x * share
        matrix[1, 2] += y * share
        warped = cv2.warpAffine(
            plane,
            matrix,
            (plane.shape[1], plane.shape[0]),
            flags=cv2.INTER_LINEAR if number else cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        drawn[...] = np.clip(warped, 16, 240 if number else 235)
    return out

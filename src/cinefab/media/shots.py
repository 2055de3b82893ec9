"""Where a film's shots begin: found by how much each picture differs from those before it.

A cut is a leap that lasts; a dissolve, a wipe or a dip is as large a change within a second, with
quiet before and after. Movement of the camera and of things changes where colours are, but hardly
how much there is of each, so both are looked at: a coarse picture and a histogram.
"""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.core.brief import Size
from cinefab.media.frames import Frame

_GRID: Final = (24, 14)
_LUMA_BINS: Final = 32
_CHROMA_BINS: Final = 24
_SAMPLES_A_SIDE: Final = 96
_WINDOW_S: Final = Fraction(3, 4)
_LASTING: Final = 3

# A histogram's distance is 0 to 1, a grid's is in levels; `_LEVELS` of one weigh like 1 of the
# other. Drawn from films of this studio: moves stay below 0.12 a frame, cuts are above 0.35.
_LEVELS: Final = 60.0
_CUT_MIN: Final = 0.30
_CUT_OVER_OTHERS: Final = 2.2
_GRADUAL_MIN: Final = 0.55
_GRADUAL_HISTOGRAM_MIN: Final = 0.16
_QUIET_SHARE: Final = 0.6
_SHOTS_MAX: Final = 1_000

_Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundShot:
    """A shot: its first frame and its length, how it begins, and the frame that stands for it.

    `begins` is `start`, `cut` or `gradual`; of a gradual change the middle is the beginning.
    """

    first: int
    frames: int
    begins: str
    telling: int


class ShotFinder:
    """Looks at a film's frames one after another; what it keeps is four numbers a frame."""

    def __init__(self, size: Size, fps: Fraction) -> None:
        self._size = size
        self._window = max(2, round(fps * _WINDOW_S))
        self._recent: deque[tuple[_Floats, _Floats]] = deque(maxlen=self._window + 1)
        self._step = array("f")
        self._lasting = array("f")
        self._far = array("f")
        self._far_histogram = array("f")

    def add(self, frame: Frame, *, again: bool = False) -> None:
        """Look at the next frame, I420; `again` says that it is the one before."""
        if again and self._recent:
            self._recent.append(self._recent[-1])
        else:
            self._recent.append(_signature(frame, self._size))
        recent = self._recent
        self._step.append(sum(_distance(recent[-1], recent[-2])) if len(recent) > 1 else 0.0)
        lasting = min(_LASTING, len(recent) - 1)
        self._lasting.append(sum(_distance(recent[-1], recent[-1 - lasting])))
        histogram, grid = _distance(recent[-1], recent[0])
        self._far.append(histogram + grid)
        self._far_histogram.append(histogram)

    def finish(self) -> tuple[FoundShot, ...]:
        """Return the shots, in order; at least one for a film that has frames."""
        count = len(self._step)
        if not count:
            return ()
        cuts = self._cuts()
        begins = {0: "start"} | dict.fromkeys(self._graduals(cuts), "gradual")
        begins |= dict.fromkeys(cuts, "cut")
        firsts = sorted(begins)[:_SHOTS_MAX]
        ends = [*firsts[1:], count]
        return tuple(
            FoundShot(
                first=first,
                frames=end - first,
                begins=begins[first],
                telling=first + (end - first) // 2,
            )
            for first, end in zip(firsts, ends, strict=True)
        )

    def _cuts(self) -> list[int]:
        step = np.asarray(self._step)
        lasting = np.asarray(self._lasting)
        found = []
        for at in np.flatnonzero(step > _CUT_MIN).tolist():
            around = step[max(1, at - 5) : at + 6].copy()
            around[at - max(1, at - 5)] = 0
            stands_out = step[at] > _CUT_OVER_OTHERS * max(around, default=0)
            after = min(at + _LASTING - 1, len(step) - 1)
            # A flash is over when a few frames have passed; a cut is not.
            if at and stands_out and lasting[after] > 0.6 * step[at]:
                found.append(at)
        return found

    def _graduals(self, cuts: list[int]) -> list[int]:
        far = np.asarray(self._far).copy()
        tone = np.asarray(self._far_histogram)
        window = self._window
        # What lies across a cut is the cut's.
        for at in cuts:
            far[at : at + window] = 0
        found: list[int] = []
        for end in np.argsort(-far, kind="stable").tolist():
            if far[end] < _GRADUAL_MIN:
                break
            start = end - window
            if start < 0 or tone[end] < _GRADUAL_HISTOGRAM_MIN:
                continue
            before = far[start] if start >= window else 0
            after = far[end + window] if end + window < len(far) else 0
            middle = self._middle(start, end)
            if max(before, after) > _QUIET_SHARE * far[end]:
                continue
            if all(abs(middle - other) > window for other in (*found, *cuts)):
                found.append(middle)
        return found

    def _middle(self, start: int, end: int) -> int:
        """Return the frame by which half of the change between two frames has happened."""
        steps = np.cumsum(self._step[start + 1 : end + 1])
        return start + 1 + int(np.searchsorted(steps, steps[-1] / 2))


def _signature(frame: Frame, size: Size) -> tuple[_Floats, _Floats]:
    """Return a frame's histogram and its coarse picture, luma and both chromas."""
    luma = frame[: size.height]
    chroma = np.ascontiguousarray(frame[size.height :]).reshape(
        2, size.height // 2, size.width // 2
    )
    skip = max(1, min(size.width, size.height) // _SAMPLES_A_SIDE)
    planes = (luma[::skip, ::skip], *(each[:: -(-skip // 2), :: -(-skip // 2)] for each in chroma))
    bins = (_LUMA_BINS, _CHROMA_BINS, _CHROMA_BINS)
    histogram = np.concatenate(
        [_histogram(plane, count) for plane, count in zip(planes, bins, strict=True)]
    )
    grid = np.stack(
        [cv2.resize(plane, _GRID, interpolation=cv2.INTER_AREA) for plane in planes]
    ).astype(np.float32)
    return histogram, grid


def _histogram(plane: NDArray[np.uint8], bins: int) -> _Floats:
    counts = np.bincount(plane.reshape(-1), minlength=256).astype(np.float32)
    # Smoothed, so that a level's drift over a bin's edge is no change.
    smooth = np.convolve(counts / counts.sum(), np.full(9, 1 / 9, np.float32), "same")
    edges = np.arange(bins) * 256 // bins
    return np.add.reduceat(smooth, edges).astype(np.float32)


def _distance(one: tuple[_Floats, _Floats], other: tuple[_Floats, _Floats]) -> tuple[float, float]:
    """Return how far two pictures are in their colours, and in where these are."""
    histogram = float(np.abs(one[0] - other[0]).sum()) / 6
    grid = float(np.abs(one[1] - other[1]).mean(axis=(1, 2)).sum())
    return histogram, grid / _LEVELS

"""Is the cut what was ordered: its shape, every frame of it, and a picture that lives?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np

from cinefab.core.errors import ContractMismatch
from cinefab.core.verdict import CheckFinding, Remark
from cinefab.media.decode import Probe, decode_luma, probe
from cinefab.media.frames import Mask
from cinefab.review.check import CutUnderReview

_DEAD_S_MAX: Final = 2
"""Seconds of black, or of one picture standing still, that nobody orders."""

# Luma is averaged over squares of this many pixels, which grain and codec noise cannot move.
_SQUARE: Final = 8
_BLACK_LUMA_MAX: Final = 24  # 16 is black; the darkest scene has something brighter in it
_STANDING_DIFFERENCE_MAX: Final = 2  # a keyframe may shift a square by a level or two


class AsOrdered:
    """Compares a cut with its order, and decodes all of it.

    Refuses another size, rate, length or number of frames, a frame that cannot be decoded, two
    seconds of black (or a shorter film that is nothing else), and a picture that stands still
    for two seconds.
    """

    name = "as_ordered"
    version = "1"

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Decode `cut` once and say what differs; about 0.05 s of CPU a second at 720p.

        Raises `StorageUnavailable` when the file cannot be read.
        """
        try:
            shape = probe(cut.path)
        except ContractMismatch as error:
            return self._finding([Remark(text=error.found, frame=0)], decoded=0)
        problems = list(_differences(cut, shape))
        watch = _Watch(dead_frames=int(_DEAD_S_MAX * cut.fps), film_frames=shape.frames)
        problems += _play(cut, watch, frames=shape.frames)
        problems += watch.problems
        return self._finding(problems, decoded=watch.frames)

    def _finding(self, problems: list[Remark], *, decoded: int) -> CheckFinding:
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={"frames_decoded": decoded},
        )


def _differences(cut: CutUnderReview, shape: Probe) -> Iterator[Remark]:
    if shape.size != cut.size:
        yield Remark(text=f"its pictures are {shape.size}, ordered were {cut.size}")
    if shape.fps != cut.fps:
        yield Remark(text=f"it runs at {shape.fps} frames a second, ordered were {cut.fps}")
    if shape.frames != cut.frames:
        text = f"it has {shape.frames} frames, ordered were {cut.frames}"
        yield Remark(text=text, frame=min(shape.frames, cut.frames))
    elif shape.duration_s != cut.frames / cut.fps:
        wanted_s = float(cut.frames / cut.fps)
        yield Remark(text=f"it lasts {float(shape.duration_s):.3f} s instead of {wanted_s:.3f} s")


def _play(cut: CutUnderReview, watch: _Watch, *, frames: int) -> Iterator[Remark]:
    try:
        for luma in decode_luma(cut.path):
            watch.see(luma)
    except ContractMismatch as error:
        yield Remark(text=error.found, frame=watch.frames)
    else:
        if watch.frames != frames:
            text = f"only {watch.frames} of its {frames} frames can be decoded"
            yield Remark(text=text, frame=watch.frames)


class _Watch:
    """Sees a film frame by frame and remarks the first dead stretch of each kind."""

    def __init__(self, *, dead_frames: int, film_frames: int) -> None:
        self.frames = 0
        self.problems: list[Remark] = []
        self._black_max = min(dead_frames, film_frames)
        self._standing_max = dead_frames
        self._lit = -1  # the last frame that was not black
        self._anchor: tuple[int, Mask] | None = None

    def see(self, luma: Mask) -> None:
        """Take in the next frame's luma, shape (height, width)."""
        now = self.frames
        squares = _averages(luma)
        if squares.max() > _BLACK_LUMA_MAX:
            self._lit = now
        elif now - self._lit == self._black_max:
            self._remark("black", since=self._lit + 1)
        if self._anchor is None or not _alike(squares, self._anchor[1]):
            self._anchor = now, squares
        elif now - self._anchor[0] + 1 == self._standing_max:
            self._remark("one picture standing still", since=self._anchor[0])
        self.frames += 1

    def _remark(self, what: str, *, since: int) -> None:
        text = f"it shows {what} for {self.frames - since + 1} frames or more"
        self.problems.append(Remark(text=text, frame=since))


def _averages(luma: Mask) -> Mask:
    height, width = luma.shape
    small = max(1, width // _SQUARE), max(1, height // _SQUARE)
    averages: Mask = cv2.resize(luma, small, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return averages


def _alike(one: Mask, other: Mask) -> bool:
    return int(cv2.absdiff(one, other).max()) <= _STANDING_DIFFERENCE_MAX

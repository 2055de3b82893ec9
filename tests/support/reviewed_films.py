"""Small films that a test draws, and a cut of them as checks are handed it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cinefab.core.brief import Size
from cinefab.core.verdict import CheckFinding, Refused
from cinefab.media.encode import FINAL, encode
from cinefab.media.inspect import FilmInspection, inspect_film
from cinefab.media.join import join
from cinefab.review.check import CutUnderReview, conclude
from cinefab.review.figures import Ordered, join_footage
from cinefab.review.proof import differences

Frame = NDArray[np.uint8]
Scene = tuple[Callable[[int], Frame], int]

SIZE = Size(160, 90)
FPS = Fraction(24)


def alive(index: int) -> Frame:
    """A ramp that moves on by a pixel each frame."""
    frame = np.full((SIZE.height * 3 // 2, SIZE.width), 128, np.uint8)
    frame[: SIZE.height] = np.roll(np.linspace(40, 200, SIZE.width), index)
    return frame


def black(index: int) -> Frame:
    """Black with grain in it."""
    grain = np.random.default_rng(index).integers(16, 20, (SIZE.height, SIZE.width))
    frame = np.full((SIZE.height * 3 // 2, SIZE.width), 128, np.uint8)
    frame[: SIZE.height] = grain
    return frame


def standing(index: int) -> Frame:
    """One picture whose grain lives."""
    grain = np.random.default_rng(index).integers(-3, 4, (SIZE.height, SIZE.width))
    frame = alive(0)
    frame[: SIZE.height] += grain.astype(np.uint8)
    return frame


def a_piece(path: Path, *scenes: Scene) -> tuple[FilmInspection, Ordered]:
    """Encode scenes, each a drawing and a count of frames, and look at them."""
    frames = [draw(index) for draw, count in scenes for index in range(count)]
    encode(frames, path, size=SIZE, fps=FPS, settings=FINAL)
    return inspect_film(path), Ordered(shots=(0,), frames=len(frames))


def a_cut(path: Path, *scenes: Scene) -> CutUnderReview:
    """Return a film of one piece, as ordered."""
    return a_cut_of(path, [a_piece(path, *scenes)])


def a_joined_cut(folder: Path, *pieces: Sequence[Scene]) -> CutUnderReview:
    """Return a film that is joined from pieces, as ordered."""
    paths = [folder / f"piece-{place}.mp4" for place in range(len(pieces))]
    seen = [a_piece(path, *scenes) for path, scenes in zip(paths, pieces, strict=True)]
    join(paths, folder / "cut.mp4", fps=FPS)
    return a_cut_of(folder / "cut.mp4", seen)


def a_cut_of(path: Path, pieces: Sequence[tuple[FilmInspection, Ordered]]) -> CutUnderReview:
    """Return the film at `path` with the footage that its pieces come to."""
    footage = join_footage(pieces, fps=FPS)
    return CutUnderReview(
        path=path,
        size=SIZE,
        fps=FPS,
        frames=sum(ordered.frames for _, ordered in pieces),
        footage=footage,
        differences=differences(path, footage),
    )


def ordered_otherwise(cut: CutUnderReview, **fields: object) -> CutUnderReview:
    """Return `cut` as if something else had been ordered of it."""
    return replace(cut, **fields)  # type: ignore[arg-type]


def refusal(finding: CheckFinding) -> Refused:
    """Return the refusal that a finding comes to; it must be one."""
    verdict = conclude([finding])
    assert isinstance(verdict, Refused)
    return verdict

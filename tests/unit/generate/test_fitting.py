"""A model's own frames in the film's size and rate."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cinefab.core.brief import Size
from cinefab.core.errors import ContractMismatch
from cinefab.generate.backend import TakeRequest
from cinefab.generate.fitting import fitted, moved, native_frames
from cinefab.media.fitting import to_frame
from cinefab.media.frames import Rgb
from cinefab.media.still import to_rgb

ASKED = TakeRequest(
    input={"camera": "push-in"},
    seed=1,
    size=Size(64, 48),
    fps=Fraction(24),
    first_frame=0,
    frames=24,
    shot_frames=24,
    references={},
    masks={},
    files={},
)


def grey(level: int) -> Rgb:
    return np.full((24, 32, 3), level, np.uint8)


def test_each_native_frame_is_shown_until_the_next_is_due() -> None:
    count = native_frames(ASKED, Fraction(8))
    frames = list(fitted((grey(20 * n) for n in range(count)), Fraction(8), ASKED))

    assert count == 8
    levels = [int(to_rgb(frame)[24, 32, 1]) for frame in frames]
    assert levels == pytest.approx([20 * (n // 3) for n in range(24)], abs=2)


def test_more_native_frames_than_the_film_has_are_thinned() -> None:
    count = native_frames(ASKED, Fraction(60))
    frames = list(fitted((grey(n) for n in range(count)), Fraction(60), ASKED))

    assert len(frames) == 24
    assert int(to_rgb(frames[-1])[0, 0, 0]) == pytest.approx(int(23 * 60 / 24), abs=2)


def test_too_few_native_frames_are_said() -> None:
    with pytest.raises(ContractMismatch, match="3 frames where 8 are needed"):
        list(fitted((grey(n) for n in range(3)), Fraction(8), ASKED))


def test_a_wide_picture_is_cut_at_its_sides_not_squeezed() -> None:
    wide = np.zeros((24, 96, 3), np.uint8)
    wide[:, 32:64] = 255

    (frame,) = fitted(iter([wide]), Fraction(24), replace(ASKED, frames=1))

    assert to_rgb(frame).min() > 240


def test_a_still_moves_as_its_camera_does_and_never_shows_beyond_its_edge() -> None:
    still = np.zeros((96, 128, 3), np.uint8)
    still[:] = np.linspace(30, 220, 128).astype(np.uint8)[None, :, None]

    frames = list(moved(still, ASKED))

    assert len(frames) == 24
    first, last = (to_rgb(frames[n])[24].astype(int)[:, 0] for n in (0, -1))
    assert first[-1] - first[0] > last[-1] - last[0] > 100
    assert min(first.min(), last.min()) >= 28


@pytest.mark.parametrize("colour", [(200, 40, 90), (0, 0, 0), (255, 255, 255), (10, 250, 30)])
def test_colours_are_kept(colour: tuple[int, int, int], tmp_path: Path) -> None:
    frame = to_frame(np.full((48, 64, 3), colour, np.uint8))

    assert np.abs(to_rgb(frame).astype(int) - colour).max() <= 2

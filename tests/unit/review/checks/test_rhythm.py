"""Motion that halts or leaps is refused at its frame; motion that is even is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from reviewed_films import SIZE, Frame, a_cut, alive, refusal

from cinefab.review.checks.flicker import Flicker
from cinefab.review.checks.rhythm import Rhythm


def moving(place: float) -> Frame:
    """A picture with a pattern that moves on by two pixels each frame."""
    frame = alive(0)
    x = np.arange(SIZE.width)[None, :] + 2 * place
    y = np.arange(SIZE.height)[:, None]
    frame[: SIZE.height] = 120 + 50 * np.sin(x / 7) * np.cos(y / 9) + 20 * np.sin(x / 23)
    return frame


def shown(places: Sequence[float], tmp_path: Path) -> object:
    """Return a film that shows these places of the motion, one a frame."""
    return a_cut(tmp_path / "cut.mp4", (lambda index: moving(places[index]), len(places)))


def test_even_motion_passes(tmp_path: Path) -> None:
    assert Rhythm().examine(shown(list(range(48)), tmp_path)).problems == ()  # type: ignore[arg-type]


@pytest.mark.parametrize("at", [14, 31])
def test_frames_that_are_shown_again_are_named_by_the_first(at: int, tmp_path: Path) -> None:
    places = [min(n, at - 1) if n < at + 4 else n for n in range(48)]

    refused = refusal(Rhythm().examine(shown(places, tmp_path)))  # type: ignore[arg-type]

    assert refused.frame == at
    assert "shown 5 times" in refused.reason


@pytest.mark.parametrize("at", [14, 31])
def test_frames_that_are_missing_are_named_where_the_motion_skips(at: int, tmp_path: Path) -> None:
    places = [n / 4 if n < at else (n + 6) / 4 for n in range(48)]

    refused = refusal(Rhythm().examine(shown(places, tmp_path)))  # type: ignore[arg-type]

    assert refused.frame == at
    assert "frames are missing" in refused.reason


def lit(levels: list[int], tmp_path: Path) -> object:
    def draw(index: int) -> Frame:
        frame = moving(index)
        frame[: SIZE.height] = np.clip(frame[: SIZE.height].astype(int) + levels[index], 0, 255)
        return frame

    return a_cut(tmp_path / "cut.mp4", (draw, len(levels)))


def test_light_that_goes_up_and_down_is_refused_where_it_begins(tmp_path: Path) -> None:
    steady, flickering = [0] * 20, [0, 14] * 8

    refused = refusal(Flicker().examine(lit(steady + flickering, tmp_path)))  # type: ignore[arg-type]

    assert refused.frame in (20, 21)


def test_light_that_goes_one_way_or_there_and_back_once_passes(tmp_path: Path) -> None:
    there_and_back = [*range(0, 40, 2), *range(40, 0, -2)]

    assert Flicker().examine(lit(there_and_back, tmp_path)).problems == ()  # type: ignore[arg-type]

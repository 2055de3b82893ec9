"""The first check: a cut is what was ordered, whole and alive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cinefab.core.brief import Size
from cinefab.core.errors import StorageUnavailable
from cinefab.core.verdict import CheckFinding, Refused
from cinefab.media.encode import FINAL, encode
from cinefab.review.check import CutUnderReview, conclude
from cinefab.review.checks.as_ordered import AsOrdered

Frame = NDArray[np.uint8]

SIZE = Size(160, 90)
FPS = Fraction(24)


def alive(index: int) -> Frame:
    frame = np.full((SIZE.height * 3 // 2, SIZE.width), 128, np.uint8)
    frame[: SIZE.height] = np.roll(np.linspace(40, 200, SIZE.width), index)
    return frame


def black(index: int) -> Frame:
    grain = np.random.default_rng(index).integers(16, 20, (SIZE.height, SIZE.width))
    frame = np.full((SIZE.height * 3 // 2, SIZE.width), 128, np.uint8)
    frame[: SIZE.height] = grain
    return frame


def standing(index: int) -> Frame:
    grain = np.random.default_rng(index).integers(-3, 4, (SIZE.height, SIZE.width))
    frame = alive(0)
    frame[: SIZE.height] += grain.astype(np.uint8)
    return frame


def a_cut(path: Path, *scenes: tuple[Callable[[int], Frame], int]) -> CutUnderReview:
    frames = [draw(index) for draw, count in scenes for index in range(count)]
    encode(frames, path, size=SIZE, fps=FPS, settings=FINAL)
    return CutUnderReview(path=path, size=SIZE, fps=FPS, frames=len(frames))


def refusal(finding: CheckFinding) -> Refused:
    verdict = conclude([finding])
    assert isinstance(verdict, Refused)
    return verdict


def test_a_cut_as_ordered_has_no_problems(tmp_path: Path) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (alive, 60))

    finding = AsOrdered().examine(cut)

    assert finding.problems == ()
    assert finding.figures == {"frames_decoded": 60}


@pytest.mark.parametrize("count", [1, 2, 24])
def test_a_film_too_short_to_move_may_stand_still(tmp_path: Path, count: int) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (standing, count))

    assert AsOrdered().examine(cut).problems == ()


def test_another_length_is_refused_from_the_first_frame_that_is_missing(tmp_path: Path) -> None:
    cut = replace(a_cut(tmp_path / "cut.mp4", (alive, 20)), frames=24)

    refused = refusal(AsOrdered().examine(cut))

    assert refused.reason == "it has 20 frames, ordered were 24"
    assert refused.frame == 20


def test_another_size_or_rate_is_refused(tmp_path: Path) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (alive, 5))

    small = refusal(AsOrdered().examine(replace(cut, size=Size(1280, 720))))
    slow = refusal(AsOrdered().examine(replace(cut, fps=Fraction(25))))

    assert small.reason == "its pictures are 160x90, ordered were 1280x720"
    assert slow.reason == "it runs at 24 frames a second, ordered were 25"


def test_two_seconds_of_black_are_refused_from_their_first_frame(tmp_path: Path) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (alive, 10), (black, 48), (alive, 5))

    refused = refusal(AsOrdered().examine(cut))

    assert refused.frame == 10
    assert "black" in refused.reason


def test_a_pause_in_black_passes_but_a_film_of_nothing_else_does_not(tmp_path: Path) -> None:
    pause = a_cut(tmp_path / "pause.mp4", (alive, 10), (black, 40), (alive, 5))
    nothing = a_cut(tmp_path / "nothing.mp4", (black, 10))

    assert AsOrdered().examine(pause).problems == ()
    assert refusal(AsOrdered().examine(nothing)).frame == 0


def test_a_picture_that_stands_still_is_refused_whatever_its_grain(tmp_path: Path) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (alive, 30), (standing, 60))

    refused = refusal(AsOrdered().examine(cut))

    assert refused.frame == 30
    assert "standing still" in refused.reason


def test_one_word_that_moves_is_life_enough(tmp_path: Path) -> None:
    def captioned(index: int) -> Frame:
        frame = alive(0)
        frame[70:80, 10 + index // 2 : 26 + index // 2] = 235
        return frame

    cut = a_cut(tmp_path / "cut.mp4", (captioned, 60))

    assert AsOrdered().examine(cut).problems == ()


def test_a_damaged_picture_is_refused_and_named(tmp_path: Path) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (alive, 60))
    film = bytearray(cut.path.read_bytes())
    pictures = film.index(b"mdat")
    damage = (pictures + film.index(b"moov")) // 2
    film[damage : damage + 20] = bytes(20)
    cut.path.write_bytes(film)

    refused = refusal(AsOrdered().examine(cut))

    assert refused.frame is not None
    assert 0 < refused.frame < 60
    assert "not the H.264" in refused.reason


def test_a_file_that_is_no_film_is_a_finding_and_a_missing_one_is_not(tmp_path: Path) -> None:
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(b"not a film" * 100)
    cut = CutUnderReview(path=noise, size=SIZE, fps=FPS, frames=10)

    finding = AsOrdered().examine(cut)

    assert finding.problems
    with pytest.raises(StorageUnavailable):
        AsOrdered().examine(replace(cut, path=tmp_path / "missing.mp4"))

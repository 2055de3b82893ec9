"""A picture that stands still is refused, one that lives is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from reviewed_films import Frame, a_cut, a_joined_cut, alive, black, refusal, standing

from cinefab.review.checks.freeze import Freeze


@pytest.mark.parametrize("count", [1, 2, 24])
def test_a_film_too_short_to_move_may_stand_still(tmp_path: Path, count: int) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (standing, count))

    assert Freeze().examine(cut).problems == ()


def test_a_picture_that_stands_still_is_refused_whatever_its_grain(tmp_path: Path) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (alive, 30), (standing, 60))

    refused = refusal(Freeze().examine(cut))

    assert refused.frame == 30
    assert "standing still for 60 frames" in refused.reason


def test_a_picture_that_stands_on_across_pieces_is_one_picture(tmp_path: Path) -> None:
    cut = a_joined_cut(tmp_path, [(alive, 20), (standing, 30)], [(standing, 20), (black, 9)])

    refused = refusal(Freeze().examine(cut))

    assert refused.frame == 20
    assert "for 50 frames" in refused.reason


def test_two_pictures_that_stand_one_after_the_other_are_two(tmp_path: Path) -> None:
    def other(index: int) -> Frame:
        frame = standing(index)
        frame[:40] = 200
        return frame

    cut = a_joined_cut(tmp_path, [(standing, 40)], [(other, 40)])

    assert Freeze().examine(cut).problems == ()


def test_one_word_that_moves_is_life_enough(tmp_path: Path) -> None:
    def captioned(index: int) -> Frame:
        frame = alive(0)
        frame[70:80, 10 + index // 2 : 26 + index // 2] = 235
        return frame

    cut = a_cut(tmp_path / "cut.mp4", (captioned, 60))

    assert Freeze().examine(cut).problems == ()

"""Black that lasts is refused; a pause is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reviewed_films import a_cut, a_joined_cut, alive, black, refusal

from cinefab.review.checks.black import Black
from cinefab.review.thresholds import Thresholds


def test_two_seconds_of_black_are_refused_from_their_first_frame(tmp_path: Path) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (alive, 10), (black, 48), (alive, 5))

    refused = refusal(Black().examine(cut))

    assert refused.frame == 10
    assert refused.reason == "it shows black for 48 frames"


def test_black_is_counted_across_pieces(tmp_path: Path) -> None:
    cut = a_joined_cut(tmp_path, [(alive, 10), (black, 30)], [(black, 18), (alive, 5)])

    assert refusal(Black().examine(cut)).frame == 10


def test_a_pause_in_black_passes_but_a_film_of_nothing_else_does_not(tmp_path: Path) -> None:
    pause = a_joined_cut(tmp_path, [(alive, 10)], [(black, 40)], [(alive, 5)])
    nothing = a_cut(tmp_path / "nothing.mp4", (black, 10))

    assert Black().examine(pause).problems == ()
    assert refusal(Black().examine(nothing)).frame == 0


def test_black_that_comes_at_a_stroke_inside_a_shot_is_refused_however_short(
    tmp_path: Path,
) -> None:
    flash = a_cut(tmp_path / "flash.mp4", (alive, 10), (black, 1), (alive, 10))
    lenient = replace(flash, thresholds=Thresholds(black_flash_frames_max=2))

    refused = refusal(Black().examine(flash))

    assert refused.frame == 10
    assert "from one frame to the next" in refused.reason
    assert Black().examine(lenient).problems == ()


def test_how_long_a_pause_may_be_is_a_setting(tmp_path: Path) -> None:
    cut = a_joined_cut(tmp_path, [(alive, 10)], [(black, 12)], [(alive, 5)])
    strict = replace(cut, thresholds=Thresholds(black_ms_max=500))

    assert Black().examine(cut).problems == ()
    assert refusal(Black().examine(strict)).frame == 10

"""Words that come and go over a picture as ordered are no leap of its light, and hide none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reviewed_films import SIZE, Frame, a_cut_of, a_piece, alive

from cinefab.core.verdict import Refused
from cinefab.review.check import Check, CutUnderReview, conclude
from cinefab.review.checks.blur import Blur
from cinefab.review.checks.clipping import Clipping
from cinefab.review.checks.rhythm import Rhythm

CHECKS: tuple[Check, ...] = (Blur(), Clipping(), Rhythm())
COMES, GOES = 30, 60


def captioned(index: int) -> Frame:
    frame = alive(index // 2)
    frame[: SIZE.height] = frame[: SIZE.height] // 2 + 90
    if COMES <= index < GOES:
        frame[SIZE.height * 3 // 4 : SIZE.height - 4, 20:140] = 40
        frame[SIZE.height * 3 // 4 + 4 : SIZE.height - 8 : 3, 30:130:3] = 235
    return frame


def darkened(index: int) -> Frame:
    frame = captioned(index)
    if index >= 45:
        frame[: SIZE.height] -= 30
    return frame


def refused(cut: CutUnderReview) -> dict[str, Refused]:
    verdicts = {check.name: conclude([check.examine(cut)]) for check in CHECKS}
    return {name: each for name, each in verdicts.items() if isinstance(each, Refused)}


def a_cut(path: Path, draw: object, *changes: int) -> CutUnderReview:
    seen, ordered = a_piece(path, (draw, 90))  # type: ignore[arg-type]
    return a_cut_of(path, [(seen, replace(ordered, changes=changes))])


def test_words_that_nobody_ordered_are_a_leap_and_ordered_ones_are_none(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"

    unordered = refused(a_cut(path, captioned))
    as_ordered = refused(a_cut(path, captioned, COMES, GOES))

    assert "clipping" in unordered
    assert as_ordered == {}


def test_a_leap_while_words_are_there_is_still_found(tmp_path: Path) -> None:
    found = refused(a_cut(tmp_path / "cut.mp4", darkened, COMES, GOES))

    assert found["clipping"].frame == 45


def test_changes_beyond_the_piece_divide_nothing(tmp_path: Path) -> None:
    cut = a_cut(tmp_path / "cut.mp4", captioned, -5, 0, COMES, 90, 400)

    (stretch,) = cut.footage.stretches

    assert list(cut.footage.unchanged(stretch)) == [range(COMES), range(COMES, 90)]

"""A film is held against another, frame by frame: the same, a blurred one, a wrong one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from reviewed_films import SIZE, Frame, a_cut, alive, black, refusal

from cinefab.core.brief import Size
from cinefab.core.verdict import CheckFinding
from cinefab.jobs.reviewing import LIKENESS
from cinefab.media.encode import FINAL, encode
from cinefab.media.likeness import ALIKE_HUNDREDTHS, likeness
from cinefab.review.check import Compared, CutUnderReview
from cinefab.review.checks.likeness import Likeness


def lively(index: int) -> Frame:
    """Edges and texture that move: what a blur takes away."""
    chance = np.random.default_rng(7)
    texture = np.kron(
        chance.integers(40, 200, (SIZE.height // 5, SIZE.width // 5)), np.ones((5, 5))
    )
    frame = np.full((SIZE.height * 3 // 2, SIZE.width), 128, np.uint8)
    frame[: SIZE.height] = np.roll(texture, index, axis=1)
    return frame


def blurred(index: int) -> Frame:
    """The same, out of focus."""
    frame = lively(index)
    frame[: SIZE.height] = cv2.GaussianBlur(frame[: SIZE.height], (0, 0), 3)
    return frame


def as_large_again(index: int) -> Frame:
    """The same at twice the size."""
    picture = cv2.resize(
        lively(index)[: SIZE.height], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC
    )
    return np.concatenate((picture, np.full((SIZE.height, SIZE.width * 2), 128, np.uint8)))


def compared(cut: CutUnderReview, reference: Path, *, every: int = 1) -> CheckFinding:
    """Ask the check, as a brief does with `at_least: 32`."""
    against = Compared(name="before", path=reference, every=every, at_least_db=32)
    return Likeness().examine(replace(cut, compared=against))


def test_a_film_is_entirely_like_itself_in_every_frame_that_is_compared(tmp_path: Path) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (lively, 12))

    finding = compared(cut, cut.path, every=5)

    assert finding.problems == ()
    assert finding.figures == {
        "lowest_hundredths_db": ALIKE_HUNDREDTHS,
        "mean_hundredths_db": ALIKE_HUNDREDTHS,
        "frames_compared": 3,
    }


def test_a_blurred_stretch_is_refused_at_its_worst_frame(tmp_path: Path) -> None:
    reference = a_cut(tmp_path / "reference.mp4", (lively, 12))
    draw = [lively, lively, blurred, lively, lively, lively, lively, blurred, *[lively] * 4]
    draw[7] = black  # worse than a blur
    frames = [each(index) for index, each in enumerate(draw)]
    encode(frames, tmp_path / "cut.mp4", size=SIZE, fps=reference.fps, settings=FINAL)
    cut = replace(reference, path=tmp_path / "cut.mp4")

    scores = dict(likeness(cut.path, reference.path, every=1))
    finding = compared(cut, reference.path)

    assert sorted(sorted(scores, key=lambda frame: scores[frame])[:2]) == [2, 7]
    assert scores[2] < 3_200
    assert min(score for frame, score in scores.items() if frame not in (2, 7)) > 3_200
    assert refusal(finding).frame == 7
    assert "unlike the reference before" in refusal(finding).reason
    assert finding.figures["lowest_hundredths_db"] == scores[7]


@pytest.mark.parametrize(("every", "refused"), [(1, True), (4, True), (3, False), (5, False)])
def test_only_every_nth_frame_is_compared(tmp_path: Path, every: int, refused: bool) -> None:
    reference = a_cut(tmp_path / "reference.mp4", (lively, 12))
    frames = [black(8) if index == 8 else lively(index) for index in range(12)]
    encode(frames, tmp_path / "cut.mp4", size=SIZE, fps=reference.fps, settings=FINAL)

    finding = compared(replace(reference, path=tmp_path / "cut.mp4"), reference.path, every=every)

    assert [problem.frame for problem in finding.problems] == ([8] if refused else [])
    assert finding.figures["frames_compared"] == len(range(0, 12, every))
    numbers = [number for number, _ in likeness(reference.path, reference.path, every=every)]
    assert numbers == list(range(0, 12, every))


def test_a_reference_of_another_size_is_scaled(tmp_path: Path) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (lively, 6))
    large = [as_large_again(index) for index in range(6)]
    size = Size(SIZE.width * 2, SIZE.height * 2)
    encode(large, tmp_path / "large.mp4", size=size, fps=cut.fps, settings=FINAL)

    finding = compared(cut, tmp_path / "large.mp4")

    assert finding.problems == ()
    assert finding.figures["frames_compared"] == 6


def test_other_proportions_rates_and_lengths_are_findings_that_say_so(tmp_path: Path) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (alive, 6))
    frames = [alive(index) for index in range(6)]
    encode(frames, tmp_path / "rate.mp4", size=SIZE, fps=cut.fps * 2, settings=FINAL)
    encode(frames[:5], tmp_path / "length.mp4", size=SIZE, fps=cut.fps, settings=FINAL)
    narrow = [np.ascontiguousarray(frame[:, :80]) for frame in frames]
    encode(narrow, tmp_path / "narrow.mp4", size=Size(80, 90), fps=cut.fps, settings=FINAL)
    (tmp_path / "broken.mp4").write_bytes(b"no film")

    found = {
        name: refusal(compared(cut, tmp_path / f"{name}.mp4")).reason
        for name in ("rate", "length", "narrow", "broken")
    }

    assert found["rate"] == "it has 24 frames a second, the reference before has 48"
    assert found["length"] == "it has 6 frames, the reference before has 5"
    assert "the reference before has 80x90, which are other proportions" in found["narrow"]
    assert "cannot be compared" in found["broken"]


def test_the_review_asks_this_check_by_its_name_and_version() -> None:
    module, _, name = LIKENESS.entry.partition(":")

    assert (module, name) == (Likeness.__module__, Likeness.__name__)
    assert (LIKENESS.name, LIKENESS.version) == (Likeness.name, Likeness.version)

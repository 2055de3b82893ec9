"""The clip model gives the frames of its video, fitted, from any place and at any rate."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cinefab.core.brief import Size
from cinefab.generate.backend import TakeRequest
from cinefab.generate.models.clip import Clip
from cinefab.media.decode import decode, decode_from
from cinefab.media.encode import MEZZANINE, encode
from cinefab.media.frames import Frame, planes

SIZE, FPS, COUNT = Size(160, 96), Fraction(30), 150


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video whose frames tell their number by their brightness."""
    path = tmp_path_factory.mktemp("clip") / "pan.mp4"

    def frames() -> Iterator[Frame]:
        for i in range(COUNT):
            frame = np.full((144, 160), 30 + i, np.uint8)
            frame[96:] = 128
            frame[:48, :80] = 235 - i  # the upper left quarter
            yield frame

    encode(frames(), path, size=SIZE, fps=FPS, settings=MEZZANINE)
    return path


def shown(
    video: Path,
    *,
    first: int,
    frames: int,
    size: Size = SIZE,
    rate: Fraction = FPS,
    start_ms: int = 0,
    speed: str = "1/1",
    fit: str = "cover",
) -> list[Frame]:
    request = TakeRequest(
        input={
            "references": ["pan"],
            "clip": {
                "start_ms": start_ms,
                "speed": speed,
                "fit": fit,
                "fps": "30/1",
                "frames": COUNT,
            },
        },
        seed=0,
        size=size,
        fps=rate,
        first_frame=first,
        frames=frames,
        shot_frames=frames,
        references={"pan": video},
        masks={},
        files={},
    )
    return [frame.copy() for frame in Clip().frames(request)]


def numbers(frames: list[Frame]) -> list[int]:
    return [round(float(planes(frame)[0][-8:, -8:].mean())) - 30 for frame in frames]


def test_a_film_is_read_from_any_place_without_what_lies_before(video: Path) -> None:
    whole = list(decode(video))

    for first in (0, 1, 47, 48, 49, 149):
        sought = list(decode_from(video, first))

        assert len(sought) == COUNT - first
        assert np.array_equal(sought[0], whole[first])


@pytest.mark.parametrize("first", [0, 17, 60])
def test_at_the_same_rate_it_is_cut_to_the_frame(video: Path, first: int) -> None:
    frames = shown(video, first=first, frames=20, start_ms=1000)

    assert numbers(frames) == list(range(30 + first, 50 + first))


def test_another_rate_shows_the_nearest_frames(video: Path) -> None:
    assert numbers(shown(video, first=0, frames=9, rate=Fraction(24))) == [
        0, 1, 3, 4, 5, 6, 8, 9, 10,
    ]  # fmt: skip
    assert numbers(shown(video, first=0, frames=6, rate=Fraction(60))) == [0, 1, 1, 2, 2, 3]


def test_speed_is_how_fast_it_goes_by(video: Path) -> None:
    assert numbers(shown(video, first=0, frames=4, speed="2/1")) == [0, 2, 4, 6]
    assert numbers(shown(video, first=0, frames=4, speed="1/2")) == [0, 1, 1, 2]


def test_under_a_transition_beyond_its_ends_the_nearest_frame_stands(video: Path) -> None:
    assert numbers(shown(video, first=-3, frames=5)) == [0, 0, 0, 0, 1]
    assert numbers(shown(video, first=148, frames=4)) == [148, 149, 149, 149]


def test_parts_that_are_made_apart_are_the_frames_of_the_whole(video: Path) -> None:
    whole = shown(video, first=-2, frames=60, rate=Fraction(25), start_ms=333, speed="3/2")

    parts = [
        *shown(video, first=-2, frames=31, rate=Fraction(25), start_ms=333, speed="3/2"),
        *shown(video, first=29, frames=29, rate=Fraction(25), start_ms=333, speed="3/2"),
    ]

    assert np.array_equal(np.array(whole), np.array(parts))


def test_cover_cuts_the_edges_off_and_contain_shows_the_whole(video: Path) -> None:
    (covered,) = shown(video, first=0, frames=1, size=Size(96, 96), fit="cover")
    (contained,) = shown(video, first=0, frames=1, size=Size(96, 96), fit="contain")

    luma = planes(covered)[0]
    assert luma[10, 20] > 200  # the bright quarter reaches to the middle of both
    assert luma[10, 60] < 60
    assert luma.min() > 25
    luma, blue, red = planes(contained)
    assert luma[5, 48] == luma[-5, 48] == 16
    assert blue[2, 20] == red[2, 20] == 128
    assert luma[25, 20] > 200
    assert luma[60, 60] < 60

"""Shots are found where they begin, and moves, flashes and grain are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cinefab.core.brief import Size
from cinefab.media.frames import Frame
from cinefab.media.shots import FoundShot, ShotFinder

SIZE = Size(320, 180)
FPS = Fraction(24)
PHOTO = Path(__file__).parents[3] / "examples" / "coffee.png"

Picture = NDArray[np.uint8]
Move = Callable[[float], Picture]


@cache
def photo() -> Picture:
    return np.asarray(cv2.imread(str(PHOTO)), np.uint8)


def over_the_photo(*, zoom: tuple[float, float], x: tuple[float, float], hue: int = 0) -> Move:
    """Move over the photograph: from zoom to zoom, from place to place."""

    def at(share: float) -> Picture:
        height, width = photo().shape[:2]
        scale = zoom[0] + (zoom[1] - zoom[0]) * share
        wide = width / scale
        tall = wide * SIZE.height / SIZE.width
        left = (x[0] + (x[1] - x[0]) * share) * (width - wide)
        top = (height - tall) / 2
        matrix = np.array([[SIZE.width / wide, 0, 0], [0, SIZE.height / tall, 0]], np.float64)
        matrix[:, 2] = -left * matrix[0, 0], -top * matrix[1, 1]
        view = cv2.warpAffine(photo(), matrix, (SIZE.width, SIZE.height), flags=cv2.INTER_LINEAR)
        if hue:
            view = view[:, :, [(hue + n) % 3 for n in range(3)]]
        return np.ascontiguousarray(view)

    return at


CUP = over_the_photo(zoom=(1.0, 1.3), x=(0.5, 0.5))
SPOON = over_the_photo(zoom=(2.2, 2.4), x=(0.9, 1.0))
BLUE = over_the_photo(zoom=(1.2, 1.0), x=(0.2, 0.6), hue=2)


def frames(move: Move, count: int) -> Iterator[Picture]:
    for number in range(count):
        yield move(number / count)


def dissolve(one: Move, other: Move, *, each: int, over: int) -> list[Picture]:
    first, second = list(frames(one, each)), list(frames(other, each))
    mixed = []
    for number in range(over):
        share = (number + 1) / (over + 1)
        a, b = first[-over + number], second[number]
        mixed.append(np.round(a * (1 - share) + b * share).astype(np.uint8))
    return [*first[:-over], *mixed, *second[over:]]


def found(pictures: Iterator[Picture] | list[Picture]) -> tuple[FoundShot, ...]:
    finder = ShotFinder(SIZE, FPS)
    for picture in pictures:
        yuv: Frame = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
        finder.add(yuv)
    return finder.finish()


def test_cuts_are_found_to_the_frame() -> None:
    pictures = [*frames(CUP, 40), *frames(SPOON, 30), *frames(BLUE, 50), *frames(CUP, 20)]

    shots = found(pictures)

    assert [shot.first for shot in shots] == [0, 40, 70, 120]
    assert [shot.begins for shot in shots] == ["start", "cut", "cut", "cut"]
    assert sum(shot.frames for shot in shots) == 140
    assert all(shot.first <= shot.telling < shot.first + shot.frames for shot in shots)


@pytest.mark.parametrize("over", [6, 12, 18])
def test_a_dissolve_is_found_near_its_middle(over: int) -> None:
    shots = found(dissolve(CUP, BLUE, each=48, over=over))

    assert [shot.begins for shot in shots] == ["start", "gradual"]
    assert abs(shots[1].first - (48 - over / 2)) <= 4


def test_moves_of_the_camera_are_no_shots() -> None:
    across = over_the_photo(zoom=(1.6, 1.6), x=(0.0, 1.0))
    into = over_the_photo(zoom=(1.0, 2.5), x=(0.5, 0.5))

    for move in (across, into):
        assert len(found(frames(move, 72))) == 1


def test_a_flash_and_grain_are_no_shots() -> None:
    pictures = list(frames(CUP, 60))
    for number in (25, 26):
        pictures[number] = np.full_like(pictures[number], 250)
    grain = np.random.default_rng(1)
    grainy = [
        np.clip(picture + grain.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)
        for picture in pictures
    ]

    assert len(found(grainy)) == 1


def test_a_film_of_one_frame_or_none_has_one_shot_or_none() -> None:
    assert len(found(frames(CUP, 1))) == 1
    assert found([]) == ()


def test_a_frame_shown_again_changes_nothing() -> None:
    finder = ShotFinder(SIZE, FPS)
    frame: Frame = np.asarray(cv2.cvtColor(CUP(0), cv2.COLOR_BGR2YUV_I420), np.uint8)
    finder.add(frame)

    for _ in range(50):
        finder.add(frame, again=True)

    assert finder.finish() == (FoundShot(first=0, frames=51, begins="start", telling=25),)

"""Small pictures: the same from a frame at hand and, nearly, from a file's last keyframe."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from cinefab.core.brief import Size
from cinefab.core.errors import ContractMismatch
from cinefab.media.encode import FINAL, KEYFRAME_EVERY, encode
from cinefab.media.frames import Frame
from cinefab.media.thumbnail import WIDTH_PX, frame_thumbnail, keyframe_thumbnail, thumbnail

SIZE = Size(640, 360)


def grey(luma: int) -> Frame:
    frame = np.full((SIZE.height * 3 // 2, SIZE.width), 128, np.uint8)
    frame[: SIZE.height] = luma
    return frame


def opened(content: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def test_a_frame_becomes_a_small_picture_in_its_proportions_and_full_range() -> None:
    white, black = opened(thumbnail(grey(235))), opened(thumbnail(grey(16)))

    assert white.shape == black.shape == (135, WIDTH_PX, 3)
    assert white.min() >= 252
    assert black.max() <= 2


def test_the_same_frame_gives_the_same_bytes() -> None:
    assert thumbnail(grey(90)) == thumbnail(grey(90))


def test_of_a_file_the_last_keyframe_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "body.mp4"
    lumas = [40] * KEYFRAME_EVERY + [200] * 20
    encode(map(grey, lumas), path, size=SIZE, fps=Fraction(24), settings=FINAL)

    picture = opened(keyframe_thumbnail(path))

    assert picture.shape == (135, WIDTH_PX, 3)
    assert abs(int(picture.mean()) - round((200 - 16) * 255 / 219)) <= 2


def test_any_frame_of_a_file_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "body.mp4"
    encode(map(grey, [40] * 9 + [200] * 3), path, size=SIZE, fps=Fraction(24), settings=FINAL)

    dark, light = (opened(frame_thumbnail(path, number)).mean() for number in (8, 9))

    assert light - dark > 150
    with pytest.raises(ContractMismatch, match="ends before"):
        frame_thumbnail(path, 12)


def test_a_file_that_is_no_film_of_ours_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "body.mp4"
    path.write_bytes(b"no film")

    with pytest.raises(ContractMismatch):
        keyframe_thumbnail(path)

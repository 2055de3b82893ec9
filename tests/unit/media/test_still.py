"""Single pictures in and out."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cinefab.core.brief import Size
from cinefab.core.errors import ContractMismatch, StorageUnavailable
from cinefab.media.blend import yuv_of
from cinefab.media.frames import Frame
from cinefab.media.still import (
    jpeg_bytes,
    png_bytes,
    read_mask,
    read_png,
    to_rgb,
    write_jpeg,
    write_png,
)


def a_frame(colour: str, *, width: int = 96, height: int = 54) -> Frame:
    frame = np.empty((height * 3 // 2, width), np.uint8)
    luma, cb, cr = yuv_of(colour)
    frame[:height] = luma
    chroma = frame.reshape(-1)[width * height :].reshape(2, -1)
    chroma[0], chroma[1] = cb, cr
    return frame


@pytest.mark.parametrize("colour", ["#000000", "#ffffff", "#f05a28", "#2040c0", "#10a040"])
def test_a_frames_colour_is_read_as_bt709(colour: str) -> None:
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]

    rgb = to_rgb(a_frame(colour))

    assert rgb.shape == (54, 96, 3)
    assert np.abs(rgb.astype(int) - wanted).max() <= 3


def test_a_frame_is_scaled_on_its_way() -> None:
    rgb = to_rgb(a_frame("#f05a28", width=320, height=180), Size(64, 36))

    assert rgb.shape == (36, 64, 3)
    assert np.abs(rgb.astype(int) - [0xF0, 0x5A, 0x28]).max() <= 3


def test_a_jpeg_shows_the_frame_and_is_the_same_every_time(tmp_path: Path) -> None:
    write_jpeg(a_frame("#f05a28"), tmp_path / "still.jpg")

    content = (tmp_path / "still.jpg").read_bytes()
    seen = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert seen is not None
    assert np.abs(seen[..., ::-1].astype(int) - [0xF0, 0x5A, 0x28]).max() <= 5
    assert content == jpeg_bytes(a_frame("#f05a28"))


def test_pictures_and_masks_come_back_from_png_unchanged(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    picture = chance.integers(0, 256, (31, 47, 3), np.uint8)
    mask = chance.integers(0, 256, (31, 47), np.uint8)

    write_png(picture, tmp_path / "picture.png")
    write_png(mask, tmp_path / "mask.png")

    assert np.array_equal(read_png(tmp_path / "picture.png"), picture)
    assert np.array_equal(read_mask(tmp_path / "mask.png"), mask)
    assert (tmp_path / "mask.png").read_bytes() == png_bytes(mask)


def test_a_missing_picture_and_a_broken_one_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    (tmp_path / "empty.png").touch()

    with pytest.raises(StorageUnavailable, match=r"missing\.png"):
        read_png(tmp_path / "missing.png")
    with pytest.raises(ContractMismatch, match=r"broken\.png"):
        read_png(tmp_path / "broken.png")
    with pytest.raises(ContractMismatch, match=r"empty\.png"):
        read_mask(tmp_path / "empty.png")


def test_a_still_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable):
        write_jpeg(a_frame("#000000"), tmp_path / "nowhere" / "still.jpg")

    assert list(tmp_path.iterdir()) == []

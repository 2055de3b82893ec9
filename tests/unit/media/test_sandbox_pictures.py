"""Odd but sound pictures end as they look: upright, eight bits, RGB, with their mask."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from cinefab.media.sandbox import (
    Cause,
    Confinement,
    DecodeRefused,
    Sandbox,
    SandboxLimits,
    SandboxResult,
)
from cinefab.media.sandbox.pictures import (
    DecodedPicture,
    PictureLimits,
    check_picture,
    decode_picture,
    decode_row,
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxLimits(), confinement=Confinement.REQUIRED) as sandbox:
        yield sandbox


def decode(sandbox: Sandbox, data: bytes, name: str = "photo") -> DecodedPicture:
    return decode_picture(sandbox, data, name=name)


@cache
def scene(width: int = 96, height: int = 64) -> Image.Image:
    """Return a smooth picture that looks different from every side."""
    x = np.linspace(0, 1, width)[None, :]
    y = np.linspace(0, 1, height)[:, None]
    red, green, blue = 255 * x + 0 * y, 255 * y + 0 * x, 255 * (1 - x) * y
    pixels = np.dstack([red, green, blue]).round().astype(np.uint8)
    pixels[: height // 4, : width // 4] = (255, 0, 255)
    return Image.fromarray(pixels)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def rgb_of(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture.convert("RGB"))


def distance(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other).mean())


def with_junk(data: bytes) -> bytes:
    return data + b"PK\x03\x04<script>alert(1)</script>" + bytes(1000)


def a_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


SOUND: dict[str, tuple[Callable[[], bytes], Callable[[], Image.Image], float]] = {
    # what it is: (the bytes, what it shows, how far the mean may be off)
    "png": (lambda: encoded(scene(), "PNG"), scene, 0),
    "interlaced-size-1": (lambda: encoded(scene(1, 1), "PNG"), lambda: scene(1, 1), 0),
    "jpeg": (lambda: encoded(scene(), "JPEG", quality=95), scene, 4),
    "progressive-jpeg": (
        lambda: encoded(scene(), "JPEG", quality=95, progressive=True),
        scene,
        4,
    ),
    "jpeg-with-restarts": (
        lambda: encoded(scene(), "JPEG", quality=95, restart_marker_rows=1),
        scene,
        4,
    ),
    "grey-jpeg": (
        lambda: encoded(scene().convert("L"), "JPEG", quality=95),
        lambda: scene().convert("L"),
        2,
    ),
    "cmyk-jpeg": (
        lambda: encoded(scene().convert("CMYK"), "JPEG", quality=95),
        scene,
        4,
    ),
    "webp": (lambda: encoded(scene(), "WEBP", quality=95), scene, 6),
    "lossless-webp": (lambda: encoded(scene(), "WEBP", lossless=True), scene, 0),
    "palette-png": (
        lambda: encoded(scene().quantize(64), "PNG"),
        lambda: scene().quantize(64),
        0,
    ),
    "one-bit-png": (lambda: encoded(scene().convert("1"), "PNG"), lambda: scene().convert("1"), 0),
    "grey-png": (lambda: encoded(scene().convert("L"), "PNG"), lambda: scene().convert("L"), 0),
    "png-with-a-stranger's-tail": (lambda: with_junk(encoded(scene(), "PNG")), scene, 0),
    "jpeg-with-a-stranger's-tail": (
        lambda: with_junk(encoded(scene(), "JPEG", quality=95)),
        scene,
        4,
    ),
    "webp-with-a-stranger's-tail": (
        lambda: with_junk(encoded(scene(), "WEBP", lossless=True)),
        scene,
        0,
    ),
    "png-with-a-profile": (
        lambda: encoded(scene(), "PNG", icc_profile=a_profile()),
        scene,
        0,
    ),
    # What never reaches the decoder cannot hurt it: these two only look hostile.
    "png-with-a-text-bomb": (
        lambda: encoded(scene(), "PNG").replace(
            png_chunk(b"IEND", b""),
            png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 << 20), 9))
            + png_chunk(b"IEND", b""),
        ),
        scene,
        0,
    ),
    "png-with-a-profile-bomb": (
        lambda: encoded(scene(), "PNG").replace(
            png_chunk(b"IEND", b""),
            png_chunk(b"iCCP", b"a\0\0" + bytes(8 << 20)) + png_chunk(b"IEND", b""),
        ),
        scene,
        0,
    ),
    "jpeg-with-broken-exif": (
        lambda: encoded(scene(), "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
        scene,
        4,
    ),
}


@pytest.mark.parametrize("what", SOUND)
def test_an_odd_but_sound_picture_ends_as_it_looks(sandbox: Sandbox, what: str) -> None:
    build, shown, tolerance = SOUND[what]

    decoded = decode(sandbox, build())

    assert decoded.alpha is None
    assert decoded.rgb.dtype == np.uint8
    assert distance(decoded.rgb, rgb_of(shown())) <= tolerance


def test_16_bits_are_rounded_to_8(sandbox: Sandbox) -> None:
    values = np.linspace(0, 65535, 96 * 64).reshape(64, 96).astype(np.uint16)

    decoded = decode(sandbox, encoded(Image.fromarray(values), "PNG"), "deep.png")

    expected = np.round(values / 257).astype(np.uint8)
    assert distance(decoded.rgb, np.dstack([expected] * 3)) == 0


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_an_avif_of_any_depth_comes_in_eight_bits(sandbox: Sandbox, bits: int) -> None:
    dtype = np.uint8 if bits == 8 else np.uint16
    ramp = np.linspace(0, 2**bits - 1, 96).round().astype(dtype)
    picture = np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (64, 96, 3)))
    options = [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 100]
    data = cv2.imencode(".avif", picture, options)[1].tobytes()

    decoded = decode(sandbox, data, "a.avif")

    expected = np.linspace(0, 255, 96).round().astype(np.uint8)
    assert distance(decoded.rgb, np.broadcast_to(expected[None, :, None], (64, 96, 3))) < 2


def test_an_avif_keeps_its_alpha(sandbox: Sandbox) -> None:
    picture = scene().copy()
    picture.putalpha(Image.fromarray(np.full((64, 96), 128, np.uint8)))

    decoded = decode(sandbox, encoded(picture, "AVIF", quality=95), "a.avif")

    assert decoded.format == "avif"
    assert decoded.alpha is not None
    assert (decoded.alpha == 128).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_a_picture_from_a_turned_camera_stands_upright(
    sandbox: Sandbox, orientation: int, kind: str
) -> None:
    turn_back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    quality = {} if kind == "PNG" else {"quality": 95}

    decoded = decode(sandbox, encoded(scene(), kind, exif=exif, **quality))

    upright = scene() if turn_back is None else scene().transpose(turn_back)
    assert distance(decoded.rgb, rgb_of(upright)) < 6


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGBA"), ("lossless WEBP", "RGBA")]
)
def test_a_cut_out_keeps_its_mask_and_its_colours(sandbox: Sandbox, kind: str, mode: str) -> None:
    mask = Image.linear_gradient("L").resize(scene().size)
    picture = scene().copy()
    picture.putalpha(mask)
    options = {"lossless": True, "exact": True} if kind.startswith("lossless") else {}

    decoded = decode(sandbox, encoded(picture.convert(mode), kind.rpartition(" ")[2], **options))

    assert decoded.alpha is not None
    assert distance(decoded.alpha, np.asarray(mask)) < 1
    seen = np.asarray(mask) > 64
    expected = rgb_of(scene().convert(mode[:-1]))
    assert np.abs(decoded.rgb[seen].astype(int) - expected[seen]).mean() < 6
    assert (decoded.rgb[decoded.alpha == 0] == 255).all()


def test_a_palette_may_hold_a_clear_colour(sandbox: Sandbox) -> None:
    palette = scene().quantize(8)
    clear = palette.getpixel((0, 0))

    decoded = decode(sandbox, encoded(palette, "PNG", transparency=clear), "a.png")

    assert decoded.alpha is not None
    assert (decoded.alpha == np.where(np.asarray(palette) == clear, 0, 255)).all()


def test_a_mask_that_hides_nothing_is_no_mask(sandbox: Sandbox) -> None:
    decoded = decode(sandbox, encoded(scene().convert("RGBA"), "PNG"), "a.png")

    assert decoded.alpha is None


@pytest.mark.parametrize("name", ["photo", "photo.php", "a.b.jpg", "PHOTO.JPEG", ".jfif"])
def test_an_ending_that_promises_nothing_else_is_no_matter(sandbox: Sandbox, name: str) -> None:
    assert decode(sandbox, encoded(scene(), "JPEG"), name).format == "jpeg"


def raw_answer(facts: object, *blobs: int) -> bytes:
    head = json.dumps({"outcome": "done", "facts": facts, "blobs": blobs}).encode()
    return len(head).to_bytes(4, "big") + head + bytes(sum(blobs))


LIES: dict[str, bytes] = {
    "no facts": raw_answer({}),
    "a size that is no number": raw_answer(
        {"format": "png", "width": "2", "height": 2, "alpha": False}, 12
    ),
    "true for a size": raw_answer({"format": "png", "width": True, "height": 2, "alpha": False}, 6),
    "a list for a format": raw_answer({"format": [], "width": 2, "height": 2, "alpha": False}, 12),
    "a negative size": raw_answer({"format": "png", "width": -2, "height": -2, "alpha": False}, 12),
    "fewer pixels": raw_answer({"format": "png", "width": 2, "height": 2, "alpha": False}, 11),
    "no mask": raw_answer({"format": "png", "width": 2, "height": 2, "alpha": True}, 12),
    "two pictures": raw_answer({"format": "png", "width": 2, "height": 2, "alpha": False}, 12, 12),
    "a huge side": raw_answer({"format": "png", "width": 10**9, "height": 0, "alpha": False}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_decoder_that_was_taken_over_is_not_believed(sandbox: Sandbox, lie: str) -> None:
    result = answered(sandbox, LIES[lie])

    with pytest.raises(DecodeRefused) as caught:
        check_picture(result, called="a.png", limits=PictureLimits())

    assert caught.value.cause is Cause.BAD_ANSWER


def test_an_honest_answer_of_that_shape_is_believed(sandbox: Sandbox) -> None:
    facts = {"format": "png", "width": 2, "height": 3, "alpha": True}

    picture = check_picture(
        answered(sandbox, raw_answer(facts, 18, 6)), called="a.png", limits=PictureLimits()
    )

    assert picture.rgb.shape == (3, 2, 3)
    assert picture.alpha is not None
    assert picture.alpha.shape == (3, 2)


def answered(sandbox: Sandbox, answer: bytes) -> SandboxResult:
    return sandbox.run("cinefab.media.sandbox.probes:answer_raw", answer)


def test_pictures_are_decoded_without_loading_what_films_need() -> None:
    program = (
        "import sys, cinefab.media.sandbox.picture_task as task; task.warm_up(); "
        "sys.exit('av' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", program], check=False)

    assert done.returncode == 0


def test_a_row_of_pictures_is_what_each_is_alone(sandbox: Sandbox) -> None:
    files = [encoded(scene(96, 64), "PNG"), encoded(scene(32, 48), "JPEG")]

    row = list(decode_row(sandbox, files, name="a row"))

    alone = [decode(sandbox, each) for each in files]
    assert [each.format for each in row] == ["png", "jpeg"]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(row, alone, strict=True))


def test_a_row_ends_at_a_picture_that_is_none(sandbox: Sandbox) -> None:
    files = [encoded(scene(), "PNG"), b"no picture", encoded(scene(), "PNG")]
    row = decode_row(sandbox, files, name="a row")

    assert next(row).format == "png"
    with pytest.raises(DecodeRefused, match="a row"):
        next(row)


def test_a_picture_in_a_row_that_is_too_large_is_refused(sandbox: Sandbox) -> None:
    limits = PictureLimits(side_max=64)

    with pytest.raises(DecodeRefused, match="at most"):
        list(decode_row(sandbox, [encoded(scene(96, 64), "PNG")], name="a row", limits=limits))

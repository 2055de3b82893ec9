"""Broken and hostile pictures end in one clear message; odd but sound ones end as they look.

All of them go through the real sandbox. Our own process keeps its memory, its descriptors and
its lack of children, whatever the picture did.
"""

from __future__ import annotations

import io
import random
import resource
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cinefab.media.sandbox import Cause, Confinement, DecodeRefused, Sandbox, SandboxLimits
from cinefab.media.sandbox.pictures import PICTURE_TASK, DecodedPicture, PictureLimits
from cinefab.media.sandbox.pictures import decode_picture as decode_in

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxLimits(), confinement=Confinement.REQUIRED) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def our_process_is_untouched(sandbox: Sandbox) -> Iterator[None]:
    sandbox.warm(PICTURE_TASK)
    descriptors, children = open_descriptors(), children_of_ours()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    yield

    sandbox.warm(PICTURE_TASK)
    assert open_descriptors() == descriptors
    assert children_of_ours() == children
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 64 << 10


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def children_of_ours() -> int:
    lists = Path("/proc/self/task").glob("*/children")
    return sum(len(path.read_text().split()) for path in lists)


def decode(sandbox: Sandbox, data: bytes, name: str = "photo") -> DecodedPicture:
    return decode_in(sandbox, data, name=name)


def refusal(sandbox: Sandbox, data: bytes, name: str = "photo") -> DecodeRefused:
    with pytest.raises(DecodeRefused) as caught:
        decode(sandbox, data, name)
    return caught.value


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


def a_png(
    *,
    width: int = 8,
    height: int = 8,
    depth: int = 8,
    colour_type: int = 2,
    pixels: bytes | None = None,
    before: bytes = b"",
    after: bytes = b"",
    end: bytes = png_chunk(b"IEND", b""),
) -> bytes:
    if pixels is None:
        pixels = b"".join(b"\0" + bytes(width * 3) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        PNG_MAGIC
        + png_chunk(b"IHDR", header)
        + before
        + png_chunk(b"IDAT", zlib.compress(pixels, 9))
        + after
        + end
    )


@cache
def pixel_bomb(side: int, *, bits: int = 1) -> bytes:
    squeeze = zlib.compressobj(9)
    row = bytes(1 + (side * bits + 7) // 8)
    packed = b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", side, side, min(bits, 8), 0 if bits <= 8 else 2, 0, 0, 0)
    return (
        PNG_MAGIC
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", packed)
        + png_chunk(b"IEND", b"")
    )


def corrupted(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :]


def animated(kind: str, frames: int = 3) -> bytes:
    turned = [scene().rotate(10 * n) for n in range(1, frames)]
    return encoded(scene(), kind, save_all=True, append_images=turned, duration=40)


def with_riff_size(data: bytes, size: int) -> bytes:
    return data[:4] + struct.pack("<I", size) + data[8:]


def with_jpeg_frame(data: bytes, *, width: int, height: int, precision: int = 8) -> bytes:
    at = data.index(b"\xff\xc0")
    return data[: at + 4] + struct.pack(">BHH", precision, height, width) + data[at + 9 :]


def many_scans(count: int) -> bytes:
    whole = encoded(scene(), "JPEG", progressive=True)
    first = whole.index(b"\xff\xda")
    length = struct.unpack(">H", whole[first + 2 : first + 4])[0]
    empty_scan = whole[first : first + 2 + length]
    return whole[:first] + empty_scan * count + whole[first:]


HOSTILE: dict[str, tuple[Callable[[], bytes], str, str]] = {
    # what it is: (the bytes, the name it comes under, words of the message)
    "nothing": (lambda: b"", "a.png", "empty"),
    "one-byte": (lambda: b"\x89", "a.png", "cut off"),
    "only-the-magic": (lambda: PNG_MAGIC, "a.png", "cut off"),
    "only-a-jpeg's-magic": (lambda: b"\xff\xd8\xff", "a.jpg", "cut off"),
    "svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", "SVG"),
    "svg-called-png": (lambda: b"<?xml version='1.0'?><svg/>", "a.png", "SVG"),
    "html": (lambda: b"\n<!DOCTYPE html><html>404</html>", "a.jpg", "HTML"),
    "zip": (lambda: b"PK\x03\x04" + bytes(100), "a.png", "ZIP"),
    "gif": (lambda: encoded(scene(), "GIF"), "a.gif", "GIF"),
    "tiff": (lambda: encoded(scene(), "TIFF"), "a.tif", "TIFF"),
    "bmp": (lambda: encoded(scene(), "BMP"), "a.bmp", "BMP"),
    "animated-avif": (lambda: animated("AVIF"), "a.avif", "animated"),
    "avif-of-impossible-size": (
        lambda: encoded(scene(), "AVIF").replace(
            struct.pack(">II", 96, 64), struct.pack(">II", 60_000, 60_000)
        ),
        "a.avif",
        "60000 x 60000",
    ),
    "avif-of-tiles": (
        lambda: encoded(scene(), "AVIF").replace(b"av01", b"grid", 1),
        "a.avif",
        "tiles",
    ),
    "avif-without-a-list": (lambda: encoded(scene(), "AVIF")[:32], "a.avif", "no list"),
    "avif-of-noise": (
        lambda: encoded(scene(), "AVIF")[:-100] + bytes(range(100)),
        "a.avif",
        "",
    ),
    "avif-called-png": (lambda: encoded(scene(), "AVIF"), "a.png", "holds an AVIF"),
    "heic": (lambda: b"\0\0\0\x18ftypheic" + bytes(50), "a.heic", "HEIC"),
    "jpeg-2000": (lambda: encoded(scene(), "JPEG2000"), "a.jp2", "JPEG 2000"),
    "pdf": (lambda: b"%PDF-1.7\n" + bytes(50), "a.png", "PDF"),
    "playlist": (lambda: b"#EXTM3U\nfile:///etc/passwd\n", "a.png", "playlist"),
    "film": (lambda: b"\0\0\0\x18ftypisom" + bytes(50), "a.jpg", "film"),
    "program": (lambda: b"\x7fELF" + bytes(50), "a.jpg", "program"),
    "text": (lambda: b"hello, world", "a.png", "text"),
    "noise": (lambda: b"\x01\x02\x03" * 50, "a.png", "no picture"),
    "jpeg-called-png": (lambda: encoded(scene(), "JPEG"), "a.png", "holds a JPEG"),
    "png-called-jpg": (lambda: encoded(scene(), "PNG"), "a.JPG", "holds a PNG"),
    "webp-called-jpeg": (lambda: encoded(scene(), "WEBP"), "a.jpeg", "holds a WebP"),
    "png-called-gif": (lambda: encoded(scene(), "PNG"), "a.gif", "holds a PNG"),
    "pixel-bomb": (lambda: pixel_bomb(9000), "a.png", "9000 x 9000"),
    "too-wide": (lambda: a_png(width=20000, height=1), "a.png", "20000 x 1"),
    "no-width": (lambda: a_png(width=0), "a.png", "no size"),
    "as-large-as-numbers-go": (
        lambda: a_png(width=2**31 - 1, height=2**31 - 1, pixels=b""),
        "a.png",
        "megapixels",
    ),
    "colour-type-5": (lambda: a_png(colour_type=5), "a.png", "colour type 5"),
    "fewer-pixels-than-promised": (lambda: a_png(pixels=bytes(50)), "a.png", "broken"),
    "wrong-filter": (lambda: a_png(pixels=(b"\x09" + bytes(24)) * 8), "a.png", "broken"),
    "wrong-checksum": (lambda: corrupted(a_png(), 50), "a.png", "checksum"),
    "wrong-checksum-in-header": (lambda: corrupted(a_png(), 18), "a.png", "checksum"),
    "unknown-critical-chunk": (
        lambda: a_png(before=png_chunk(b"ABCD", b"x")),
        "a.png",
        "does not know",
    ),
    "two-headers": (
        lambda: a_png(before=png_chunk(b"IHDR", bytes(13))),
        "a.png",
        "two headers",
    ),
    "no-pixels": (
        lambda: a_png()[:33] + png_chunk(b"IEND", b""),
        "a.png",
        "no pixels",
    ),
    "no-end": (lambda: a_png(end=b""), "a.png", "cut off"),
    "length-beyond-the-file": (
        lambda: PNG_MAGIC + b"\x7f\xff\xff\xffIHDR" + bytes(100),
        "a.png",
        "cut off",
    ),
    "a-million-chunks": (
        lambda: a_png(before=png_chunk(b"teXt", b"") * 150_000),
        "a.png",
        "more than 100,000 chunks",
    ),
    "animated-png": (lambda: animated("PNG"), "a.png", "animated"),
    "animated-webp": (lambda: animated("WEBP"), "a.webp", "animated"),
    "deeply-animated-webp": (lambda: animated("WEBP", frames=200), "a.webp", "animated"),
    "webp-longer-than-the-file": (
        lambda: with_riff_size(encoded(scene(), "WEBP"), 1 << 30),
        "a.webp",
        "cut off",
    ),
    "webp-of-nothing": (lambda: b"RIFF\x04\0\0\0WEBP", "a.webp", "no pixels"),
    "webp-of-noise": (
        lambda: with_riff_size(encoded(scene(), "WEBP")[:30] + bytes(200), 222),
        "a.webp",
        "",
    ),
    "jpeg-larger-than-its-data": (
        lambda: with_jpeg_frame(encoded(scene(), "JPEG"), width=1200, height=900),
        "a.jpg",
        "",
    ),
    "jpeg-bomb": (
        lambda: with_jpeg_frame(encoded(scene(), "JPEG"), width=65500, height=65500),
        "a.jpg",
        "65500 x 65500",
    ),
    "jpeg-of-12-bits": (
        lambda: with_jpeg_frame(encoded(scene(), "JPEG"), width=96, height=64, precision=12),
        "a.jpg",
        "12 bits",
    ),
    "lossless-jpeg": (
        lambda: encoded(scene(), "JPEG").replace(b"\xff\xc0", b"\xff\xc3", 1),
        "a.jpg",
        "lossless",
    ),
    "jpeg-without-height": (
        lambda: with_jpeg_frame(encoded(scene(), "JPEG"), width=96, height=0),
        "a.jpg",
        "no size",
    ),
    "jpeg-of-a-thousand-scans": (lambda: many_scans(1000), "a.jpg", "more than 100 scans"),
    "jpeg-that-ends-in-its-pixels": (
        lambda: encoded(scene(640, 480), "JPEG")[:3000] + b"\xff\xd9",
        "a.jpg",
        "",
    ),
    "jpeg-without-tables": (
        lambda: encoded(scene(), "JPEG").replace(b"\xff\xdb", b"\xff\xe5"),
        "a.jpg",
        "",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_picture_ends_in_one_clear_message(sandbox: Sandbox, what: str) -> None:
    build, name, words = HOSTILE[what]

    error = refusal(sandbox, build(), name)

    assert words in str(error)
    assert name in error.attempted
    assert error.remedy
    assert str(error).isprintable()
    assert error.cause in {Cause.REFUSED, Cause.TOO_LARGE}


def test_the_pixel_bomb_is_as_small_as_the_one_seen_in_the_wild() -> None:
    assert len(pixel_bomb(9000)) < 11_000


@pytest.mark.parametrize(
    "kind", ["PNG", "JPEG", "progressive JPEG", "WEBP", "lossless WEBP", "AVIF"]
)
def test_a_picture_cut_off_anywhere_is_refused(sandbox: Sandbox, kind: str) -> None:
    options = {"progressive JPEG": {"progressive": True}, "lossless WEBP": {"lossless": True}}
    whole = encoded(scene(), kind.rpartition(" ")[2], **options.get(kind, {}))
    offsets = sorted(random.Random(7).sample(range(1, len(whole)), 6)) + [len(whole) - 1]

    for offset in offsets:
        error = refusal(sandbox, whole[:offset])

        assert error.cause is Cause.REFUSED, offset


def test_a_picture_that_needs_more_memory_than_it_gets_is_refused() -> None:
    small = SandboxLimits(memory_bytes=64 << 20)
    with Sandbox(small, confinement=Confinement.REQUIRED) as sandbox:
        error = refusal(sandbox, pixel_bomb(6000, bits=24))

    assert error.cause is Cause.MEMORY


def test_a_picture_over_a_limit_of_the_caller_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(DecodeRefused, match="96 x 64 pixels") as caught:
        decode_in(
            sandbox,
            encoded(scene(), "PNG"),
            name="a.png",
            limits=PictureLimits(pixels_max=6143),
        )

    assert caught.value.cause is Cause.TOO_LARGE


def test_a_name_cannot_steer_the_terminal(sandbox: Sandbox) -> None:
    error = refusal(sandbox, b"", "\x1b[2J\r\n.png")

    assert str(error).isprintable()


def test_random_damage_never_does_more_than_refuse_or_show(sandbox: Sandbox) -> None:
    chance = random.Random(20)
    originals = [encoded(scene(), kind) for kind in ("PNG", "JPEG", "WEBP", "AVIF")]

    causes = set()
    for _ in range(12):
        data = bytearray(chance.choice(originals))
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        causes.add(cause_of_refusal(sandbox, bytes(data)))

    assert causes <= {None, Cause.REFUSED, Cause.TOO_LARGE}


def cause_of_refusal(sandbox: Sandbox, data: bytes) -> Cause | None:
    try:
        decode(sandbox, data)
    except DecodeRefused as error:
        return error.cause
    return None

"""PNG, by its chunks (https://www.w3.org/TR/png-3/)."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from cinefab.media.sandbox.formats.exif import UPRIGHT, orientation_of
from cinefab.media.sandbox.formats.outline import (
    Outline,
    refuse_animated,
    refuse_broken,
    refuse_truncated,
)

MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_ESSENTIAL: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_CHUNKS_MAX: Final = 100_000
_DEPTHS_BY_COLOUR_TYPE: Final = {
    0: {1, 2, 4, 8, 16},
    2: {8, 16},
    3: {1, 2, 4, 8},
    4: {8, 16},
    6: {8, 16},
}


def read_png(data: bytes) -> Outline:
    """Return the outline of a PNG; raise `PayloadRefused` unless it is whole and still.

    Every checksum is compared, the essential chunks are kept.
    """
    kept = [MAGIC]
    size: tuple[int, int] | None = None
    orientation = UPRIGHT
    has_pixels = False
    position = len(MAGIC)
    chunks = 0
    while True:
        chunks += 1
        if chunks > _CHUNKS_MAX:
            refuse_broken(f"it has more than {_CHUNKS_MAX:,} chunks")
        kind, body, end = _chunk(data, position)
        if size is None:
            size = _size(kind, body)
        elif kind == b"IHDR":
            refuse_broken("it has two headers")
        if kind in _ESSENTIAL:
            kept.append(data[position:end])
            has_pixels = has_pixels or kind == b"IDAT"
        elif not kind[0] & 0x20:
            refuse_broken(f"it needs a chunk {kind!r} that the format does not know")
        elif kind == b"eXIf":
            orientation = orientation_of(body)
        elif kind == b"acTL" and body[:4] > b"\0\0\0\1":
            refuse_animated()
        if kind == b"IEND":
            if not has_pixels:
                refuse_broken("it holds no pixels")
            width, height = size
            return Outline(
                width=width, height=height, orientation=orientation, essence=b"".join(kept)
            )
        position = end


def _chunk(data: bytes, position: int) -> tuple[bytes, bytes, int]:
    if position + 12 > len(data):
        refuse_truncated(f"after {position:,} bytes")
    (length,) = struct.unpack_from(">I", data, position)
    end = position + 12 + length
    if end > len(data):
        refuse_truncated(f"in a chunk that starts at byte {position:,}")
    kind = data[position + 4 : position + 8]
    if not kind.isalpha():
        refuse_broken(f"there is no chunk at byte {position:,}")
    with memoryview(data) as view:
        checksum = zlib.crc32(view[position + 4 : end - 4])
    if checksum != int.from_bytes(data[end - 4 : end], "big"):
        refuse_broken(f"the checksum of its chunk {kind.decode()} is wrong")
    body = b"" if kind == b"IDAT" else data[position + 8 : end - 4]
    return kind, body, end


def _size(kind: bytes, body: bytes) -> tuple[int, int]:
    if kind != b"IHDR" or len(body) != 13:
        refuse_broken("it does not begin with a header")
    width, height, depth, colour_type, compression, filtering, interlace = struct.unpack(
        ">IIBBBBB", body
    )
    if not (width and height):
        refuse_broken("it has no size")
    if depth not in _DEPTHS_BY_COLOUR_TYPE.get(colour_type, ()):
        refuse_broken(f"there is no colour type {colour_type} of {depth} bits")
    if compression or filtering or interlace > 1:
        refuse_broken("it is packed in a way that the format does not know")
    return width, height

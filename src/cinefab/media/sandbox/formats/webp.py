"""WebP, by its chunks (RFC 9649)."""

from __future__ import annotations

import struct
from typing import Final

from cinefab.media.sandbox.formats.exif import orientation_of
from cinefab.media.sandbox.formats.outline import (
    Outline,
    refuse_animated,
    refuse_broken,
    refuse_truncated,
)

_ALPHA_FLAG: Final = 0x10
_ANIMATION_FLAG: Final = 0x02
_CHUNKS_MAX: Final = 1_000
_KEY_FRAME: Final = b"\x9d\x01\x2a"
_EXIF_HEADER: Final = b"Exif\0\0"


def is_webp(data: bytes) -> bool:
    """Say whether the bytes begin as a WebP file does."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def read_webp(data: bytes) -> Outline:
    """Return the outline of a WebP; raise `PayloadRefused` unless it is whole and still."""
    chunks = _chunks(data)
    header = chunks.get(b"VP8X", b"")
    if (header and header[0] & _ANIMATION_FLAG) or b"ANIM" in chunks or b"ANMF" in chunks:
        refuse_animated()
    if b"VP8L" in chunks:
        width, height = _lossless_size(chunks[b"VP8L"])
        essence = _riff([(b"VP8L", chunks[b"VP8L"])])
    elif b"VP8 " in chunks:
        width, height = _lossy_size(chunks[b"VP8 "])
        essence = _lossy_essence(chunks, width=width, height=height)
    else:
        refuse_broken("it holds no pixels")
    if header and _canvas_size(header) != (width, height):
        refuse_broken("its picture is not as large as its canvas")
    orientation = orientation_of(chunks.get(b"EXIF", b"").removeprefix(_EXIF_HEADER))
    return Outline(width=width, height=height, orientation=orientation, essence=essence)


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """Return the first chunk of each kind; later ones of that kind are not read by decoders."""
    if len(data) < 12:
        refuse_truncated(f"after {len(data)} bytes")
    end_of_file = 8 + struct.unpack_from("<I", data, 4)[0]
    if end_of_file > len(data):
        refuse_truncated(f"after {len(data):,} of {end_of_file:,} bytes")
    found: dict[bytes, bytes] = {}
    position = 12
    chunks = 0
    while position + 8 <= end_of_file:
        chunks += 1
        if chunks > _CHUNKS_MAX:
            refuse_broken(f"it has more than {_CHUNKS_MAX:,} chunks")
        kind = data[position : position + 4]
        (length,) = struct.unpack_from("<I", data, position + 4)
        end = position + 8 + length
        if end > end_of_file:
            refuse_truncated(f"in a chunk that starts at byte {position:,}")
        found.setdefault(kind, data[position + 8 : end])
        position = end + length % 2
    return found


def _lossy_size(body: bytes) -> tuple[int, int]:
    if len(body) < 10 or body[3:6] != _KEY_FRAME:
        refuse_broken("its picture does not begin with a key frame")
    width, height = struct.unpack_from("<HH", body, 6)
    return _nonzero(width & 0x3FFF, height & 0x3FFF)


def _lossless_size(body: bytes) -> tuple[int, int]:
    if len(body) < 5 or body[0] != 0x2F:
        refuse_broken("its picture has no header")
    (bits,) = struct.unpack_from("<I", body, 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _canvas_size(header: bytes) -> tuple[int, int]:
    if len(header) < 10:
        refuse_broken("its canvas has no size")
    return (
        int.from_bytes(header[4:7], "little") + 1,
        int.from_bytes(header[7:10], "little") + 1,
    )


def _nonzero(width: int, height: int) -> tuple[int, int]:
    if not (width and height):
        refuse_broken("it has no size")
    return width, height


def _lossy_essence(chunks: dict[bytes, bytes], *, width: int, height: int) -> bytes:
    picture = (b"VP8 ", chunks[b"VP8 "])
    if b"ALPH" not in chunks:
        return _riff([picture])
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    header = bytes((_ALPHA_FLAG, 0, 0, 0)) + canvas
    return _riff([(b"VP8X", header), (b"ALPH", chunks[b"ALPH"]), picture])


def _riff(chunks: list[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body

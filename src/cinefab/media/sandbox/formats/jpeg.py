"""JPEG, by its markers (ITU-T T.81; APP14 in ITU-T T.872)."""

from __future__ import annotations

import re
import struct
from typing import Final, NoReturn

from cinefab.media.sandbox.formats.exif import UPRIGHT, orientation_of
from cinefab.media.sandbox.formats.outline import Outline, refuse_broken, refuse_truncated
from cinefab.media.sandbox.outcome import PayloadRefused

MAGIC: Final = b"\xff\xd8\xff"
_END: Final = 0xD9
_SCAN: Final = 0xDA
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive
_OTHER_FRAMES: Final = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_TABLES: Final = frozenset({0xC4, 0xDB, 0xDD})  # Huffman, quantisation, restart interval
_JFIF, _EXIF, _ADOBE = 0xE0, 0xE1, 0xEE
_EXIF_HEADER: Final = b"Exif\0\0"
# Inside a scan 0xFF is followed by 0 or by a restart; anything else is the next marker. The last
# 0xFF of a run is the one that counts, so the search never goes back.
_NEXT_MARKER: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
# A progressive file of a few kilobytes may ask for thousands of passes over all its pixels.
_SCANS_MAX: Final = 100
_SEGMENTS_MAX: Final = 10_000


def read_jpeg(data: bytes) -> Outline:
    """Return the outline of a JPEG; raise `PayloadRefused` unless it is whole and of 8 bits."""
    kept = [data[:2]]
    size: tuple[int, int] | None = None
    orientation = UPRIGHT
    scans = 0
    position = 2
    segments = 0
    while True:
        segments += 1
        if segments > _SEGMENTS_MAX:
            refuse_broken(f"it has more than {_SEGMENTS_MAX:,} segments")
        marker, start = _marker(data, position)
        if marker == _END:
            if size is None or not scans:
                refuse_broken("it holds no pixels")
            width, height = size
            kept.append(b"\xff\xd9")
            return Outline(
                width=width, height=height, orientation=orientation, essence=b"".join(kept)
            )
        body, end = _segment(data, start)
        if marker in _FRAMES:
            if size is not None:
                refuse_broken("it has two frames")
            size = _size(body)
        elif marker in _OTHER_FRAMES:
            _refuse_kind("is lossless, hierarchical or arithmetic-coded")
        elif marker == _EXIF and body.startswith(_EXIF_HEADER):
            orientation = orientation_of(body[len(_EXIF_HEADER) :])
        if marker == _SCAN:
            scans += 1
            if scans > _SCANS_MAX:
                refuse_broken(f"it has more than {_SCANS_MAX} scans")
            end = _end_of_scan(data, end)
        if _shapes_pixels(marker, body):
            kept += [bytes((0xFF, marker)), data[start:end]]
        position = end


def _marker(data: bytes, position: int) -> tuple[int, int]:
    """Return the marker at `position` and where its segment starts."""
    start = position
    while data[start : start + 1] == b"\xff":
        start += 1
    if start >= len(data):
        refuse_truncated(f"after {position:,} bytes")
    if start == position or data[start] == 0:
        refuse_broken(f"there is no marker at byte {position:,}")
    return data[start], start + 1


def _segment(data: bytes, start: int) -> tuple[bytes, int]:
    if start + 2 > len(data):
        refuse_truncated(f"after {start:,} bytes")
    (length,) = struct.unpack_from(">H", data, start)
    if length < 2:
        refuse_broken(f"a segment at byte {start:,} is shorter than its own length")
    end = start + length
    if end > len(data):
        refuse_truncated(f"in a segment that starts at byte {start:,}")
    return data[start + 2 : end], end


def _end_of_scan(data: bytes, position: int) -> int:
    found = _NEXT_MARKER.search(data, position)
    if found is None:
        refuse_truncated("inside its pixels")
    return found.start()


def _size(body: bytes) -> tuple[int, int]:
    if len(body) < 6:
        refuse_broken("its frame has no size")
    precision, height, width, components = struct.unpack_from(">BHHB", body)
    if not (width and height):
        refuse_broken("it has no size")
    if precision != 8:
        _refuse_kind(f"has {precision} bits a colour")
    if components not in {1, 3, 4}:
        _refuse_kind(f"has {components} colours")
    return width, height


def _shapes_pixels(marker: int, body: bytes) -> bool:
    if marker in _FRAMES or marker in _TABLES or marker == _SCAN:
        return True
    # These two say how the colours are stored.
    return (marker == _JFIF and body.startswith(b"JFIF\0")) or (
        marker == _ADOBE and body.startswith(b"Adobe")
    )


def _refuse_kind(what: str) -> NoReturn:
    raise PayloadRefused(
        found=f"it is a JPEG that {what}",
        remedy="Export it as an ordinary JPEG of 8 bits a colour.",
    )

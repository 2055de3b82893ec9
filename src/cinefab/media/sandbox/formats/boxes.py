"""What films and sounds begin as. Only the first bytes are compared; nothing is parsed."""

from __future__ import annotations

from typing import Final

_SOUND_BRANDS: Final = frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A "})
_PICTURE_BRANDS: Final = frozenset(
    {
        b"avif",
        b"avis",
        b"heic",
        b"heix",
        b"hevc",
        b"heim",
        b"heis",
        b"mif1",
        b"msf1",
        b"jxl ",
        b"jp2 ",
    }
)
# QuickTime from before there was `ftyp`.
_QUICKTIME_BEGINNINGS: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_EBML: Final = b"\x1a\x45\xdf\xa3"
_DOCUMENT_TYPE: Final = b"\x42\x82"
_LOOK_AT: Final = 64
_ID3_HEADER: Final = 10


def film_format_of(data: bytes) -> str | None:
    """Return `mp4`, `mov` or `webm` for bytes that begin as such a film does."""
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        if brand in _SOUND_BRANDS or brand in _PICTURE_BRANDS:
            return None
        return "mov" if brand == b"qt  " else "mp4"
    if data[4:8] in _QUICKTIME_BEGINNINGS:
        return "mov"
    if data.startswith(_EBML):
        kind = data[:_LOOK_AT].partition(_DOCUMENT_TYPE)[2][1:5]
        return "webm" if kind == b"webm" else None
    return None


def sound_format_of(data: bytes) -> str | None:
    """Return `wav`, `flac`, `mp3`, `aac` or `m4a` for bytes that begin as such a sound does."""
    if data[4:8] == b"ftyp":
        return "m4a" if data[8:12] in _SOUND_BRANDS else None
    if data[:4] == b"RIFF":
        return "wav" if data[8:12] == b"WAVE" else None
    start = _after_id3(data)
    if data[start : start + 4] == b"fLaC":
        return "flac"
    return _bare_frames(data[start : start + 2], tagged=start > 0)


def _after_id3(data: bytes) -> int:
    if not data.startswith(b"ID3") or len(data) < _ID3_HEADER:
        return 0
    # Its length is in four bytes of seven bits each.
    size = 0
    for byte in data[6:_ID3_HEADER]:
        size = size << 7 | byte & 0x7F
    return _ID3_HEADER + size


def _bare_frames(sync: bytes, *, tagged: bool) -> str | None:
    if len(sync) == 2 and sync[0] == 0xFF and sync[1] & 0xE0 == 0xE0:
        if sync[1] & 0xF6 == 0xF0:
            return "aac"
        if sync[1] >> 1 & 3 == 1:  # layer III
            return "mp3"
    # What a tag promises is left to the decoder: padding may lie between.
    return "mp3" if tagged else None

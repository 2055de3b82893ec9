"""The boxes of fragmented MP4 (ISO/IEC 14496-12, CMAF): what a stream's files are made of.

Pure bytes from plain values: the same values give the same bytes, with no time of writing and no
name of a tool in them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cinefab.core.brief import Size

_TRACK: Final = 1
_UNITY: Final = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_SYNC: Final = 0x02000000  # depends on no other sample
_NOT_SYNC: Final = 0x01010000  # depends on others, and is no sync sample
_LANGUAGE_UND: Final = 0x55C4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One packet of a segment: its length and its shift from decoding to showing, in ticks."""

    size_bytes: int
    ticks: int
    shift: int
    is_sync: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTrack:
    """What a decoder needs before the first picture; `configuration` is an avcC box's content."""

    size: Size
    ticks_per_s: int
    configuration: bytes

    @property
    def codec(self) -> str:
        """The codec as RFC 6381 spells it."""
        return "avc1." + self.configuration[1:4].hex().upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """What a decoder needs before the first sound; `configuration` is an AudioSpecificConfig."""

    ticks_per_s: int
    channels: int
    configuration: bytes

    @property
    def codec(self) -> str:
        """The codec as RFC 6381 spells it."""
        return f"mp4a.40.{self.configuration[0] >> 3}"


def init_segment(track: VideoTrack | AudioTrack) -> bytes:
    """Return the file that every segment of a track continues."""
    if isinstance(track, VideoTrack):
        header = _full(b"vmhd", 0, 1, bytes(8))
        entry, handler, volume = _avc1(track), b"vide", 0
        width, height = track.size.width, track.size.height
    else:
        header = _full(b"smhd", 0, 0, bytes(4))
        entry, handler, volume = _mp4a(track), b"soun", 0x0100
        width = height = 0
    no_samples = b"".join(_full(name, 0, 0, bytes(4)) for name in (b"stts", b"stsc", b"stco"))
    sample_table = _box(
        b"stbl",
        _full(b"stsd", 0, 0, struct.pack(">I", 1) + entry)
        + no_samples
        + _full(b"stsz", 0, 0, bytes(8)),
    )
    here = _box(b"dinf", _full(b"dref", 0, 0, struct.pack(">I", 1) + _full(b"url ", 0, 1, b"")))
    media = _box(
        b"mdia",
        _full(b"mdhd", 0, 0, struct.pack(">4I2H", 0, 0, track.ticks_per_s, 0, _LANGUAGE_UND, 0))
        + _full(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, handler) + b"\0")
        + _box(b"minf", header + here + sample_table),
    )
    track_header = struct.pack(">5I8x3HH", 0, 0, _TRACK, 0, 0, 0, 0, volume, 0) + _UNITY
    track_header += struct.pack(">2I", width << 16, height << 16)
    movie_header = struct.pack(">4IIH10x", 0, 0, track.ticks_per_s, 0, 1 << 16, 0x0100) + _UNITY
    movie_header += bytes(24) + struct.pack(">I", _TRACK + 1)
    movie = _box(
        b"moov",
        _full(b"mvhd", 0, 0, movie_header)
        + _box(b"trak", _full(b"tkhd", 0, 7, track_header) + media)
        + _box(b"mvex", _full(b"trex", 0, 0, struct.pack(">5I", _TRACK, 1, 0, 0, 0))),
    )
    return _box(b"ftyp", b"iso6" + struct.pack(">I", 0) + b"iso6cmfcmp41") + movie


def media_segment(*, number: int, starts_at: int, samples: Sequence[Sample], data: bytes) -> bytes:
    """Return one segment: `samples`, whose bytes are `data`, from `starts_at` ticks on.

    `number` counts a track's segments from 1.
    """
    assert sum(sample.size_bytes for sample in samples) == len(data), "every byte is a sample's"
    run = b"".join(
        struct.pack(
            ">3Ii",
            sample.ticks,
            sample.size_bytes,
            _SYNC if sample.is_sync else _NOT_SYNC,
            sample.shift,
        )
        for sample in samples
    )
    count = len(samples)

    def fragment(data_offset: int) -> bytes:
        # Flags: offset to the data; length, size, flags and signed shift of each sample.
        track_run = _full(b"trun", 1, 0xF01, struct.pack(">Ii", count, data_offset) + run)
        track = _box(
            b"traf",
            _full(b"tfhd", 0, 0x020000, struct.pack(">I", _TRACK))  # offsets count from here
            + _full(b"tfdt", 1, 0, struct.pack(">Q", starts_at))
            + track_run,
        )
        return _box(b"moof", _full(b"mfhd", 0, 0, struct.pack(">I", number)) + track)

    moof = fragment(len(fragment(0)) + 8)
    styp = _box(b"styp", b"msdh" + struct.pack(">I", 0) + b"msdhmsixcmfs")
    return styp + moof + _box(b"mdat", data)


def _avc1(track: VideoTrack) -> bytes:
    name = bytes(32)
    head = struct.pack(
        ">6xH16x2H2I4xH", 1, track.size.width, track.size.height, 72 << 16, 72 << 16, 1
    )
    # BT.709 in limited range, as every frame of ours is; square pixels.
    colour = _box(b"colr", b"nclx" + struct.pack(">3HB", 1, 1, 1, 0))
    square = _box(b"pasp", struct.pack(">2I", 1, 1))
    tail = struct.pack(">Hh", 24, -1)
    return _box(b"avc1", head + name + tail + _box(b"avcC", track.configuration) + colour + square)


def _mp4a(track: AudioTrack) -> bytes:
    head = struct.pack(">6xH8x2H4xI", 1, track.channels, 16, track.ticks_per_s << 16)
    specific = _descriptor(0x05, track.configuration)
    # MPEG-4 audio, an audio stream; its buffer and rates are not stated.
    decoder = _descriptor(0x04, struct.pack(">2B3x2I", 0x40, 0x15, 0, 0) + specific)
    stream = _descriptor(0x03, struct.pack(">HB", 1, 0) + decoder + _descriptor(0x06, b"\x02"))
    return _box(b"mp4a", head + _full(b"esds", 0, 0, stream))


def _descriptor(tag: int, content: bytes) -> bytes:
    assert len(content) < 128, "a short descriptor's length is one byte"
    return bytes([tag, len(content)]) + content


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


def _full(name: bytes, version: int, flags: int, content: bytes) -> bytes:
    return _box(name, struct.pack(">I", version << 24 | flags) + content)

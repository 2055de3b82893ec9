"""A film's stream as values: its tracks, their segments, and where each file of them lies.

HLS and DASH are two ways to write these same values down (`deliver/hls.py`, `deliver/dash.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from cinefab.core.brief import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment: the name of its file in the media folder, and its length in ticks."""

    name: str
    starts_at: int
    ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A track's files in the media folder, its clock, its codec, and its measured rates."""

    init: str
    segments: tuple[Segment, ...]
    ticks_per_s: int
    codec: str
    peak_bits_per_s: int
    average_bits_per_s: int

    @property
    def length_s(self) -> Fraction:
        """The track's length in seconds."""
        return Fraction(sum(each.ticks for each in self.segments), self.ticks_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """The film's pictures at one size; `name` is what people call it, such as 720p."""

    name: str
    size: Size
    track: Track


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """The film's sound, the same for every rung."""

    channels: int
    track: Track


@dataclass(frozen=True, slots=True, kw_only=True)
class Captions:
    """The film's captions: a WebVTT file in the media folder, and its language."""

    name: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A whole stream; rungs come largest first and are cut at the same frames."""

    rungs: tuple[Rung, ...]
    sound: Sound | None
    captions: Captions | None
    fps: Fraction
    length_s: Fraction

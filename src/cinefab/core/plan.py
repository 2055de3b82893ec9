"""The brief made exact: an ordered timeline in which everything that determines a pixel is named.

Lengths are whole frames. A shot's segments are counted from the shot's own first frame on the
timeline, so a head that lies under a transition starts below zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from cinefab.core.brief import Quality, Size, TransitionKind
from cinefab.core.canonical import Json, Sha256
from cinefab.core.effect import PlannedEffect
from cinefab.core.sound import Cue, PlannedSound
from cinefab.core.units import DeviceUs, Uusd


class Part(StrEnum):
    """Where in its shot a segment lies: under the transition before, between, or after."""

    HEAD = "head"
    BODY = "body"
    TAIL = "tail"


class MediaKind(StrEnum):
    """What a reference is by its content."""

    PICTURE = "picture"
    VIDEO = "video"
    SOUND = "sound"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedReference:
    """A reference after ingest: its normalised picture, its mask if one could be cut, its origin.

    `picture` and `mask` are digests of blobs: an RGB PNG, and an 8-bit grey PNG of the same size.
    `confidence_bp` says how far the mask is to be trusted (0 without one). Of a video, `picture`
    is one telling frame, and `video` its pictures at a constant rate, `frames` of `fps` (H.264 in
    MP4, of the same size); of a sound, `picture` is its waveform. `sound` is what is heard, of
    either (48 kHz FLAC in two channels), `duration_us` the length of both.
    """

    name: str
    role: str
    original: Sha256
    picture: Sha256
    mask: Sha256 | None
    confidence_bp: int
    width: int
    height: int
    kind: MediaKind = MediaKind.PICTURE
    video: Sha256 | None = None
    sound: Sha256 | None = None
    frames: int = 0
    fps: Fraction | None = None
    duration_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What makes the pixels, beside the brief; each part goes into every segment's key."""

    model: str
    machine: str
    encoder: str
    contract: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSegment:
    """A piece of a shot that is generated, kept and reused as a unit.

    `key` is the hash of everything that determines its pixels; `first_frame` counts from the
    shot's own start and may be negative; the estimate is None where the device has no price.
    """

    key: Sha256
    part: Part
    first_frame: int
    frames: int
    estimate_device_us: DeviceUs
    estimate_uusd: Uusd | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedShot:
    """A shot made exact; `input` is what the model is given, in the words of its contract.

    `effects` are applied to its frames in their order, before they are encoded. `model` is
    what makes it where that is not the film's own: one that shows clips, a version that is tried,
    or one that is asked instead of a model that could not make it.
    """

    index: int
    frames: int
    seed: int
    input: Json
    references: tuple[str, ...]
    segments: tuple[PlannedSegment, ...]
    effects: tuple[PlannedEffect, ...] = ()
    model: str | None = None

    @property
    def shows_clip(self) -> bool:
        """Whether it shows a reference as it is, and is drawn by nobody."""
        return isinstance(self.input, Mapping) and "clip" in self.input

    @property
    def extent(self) -> range:
        """The frames that its segments cover, counted from its start on the timeline."""
        first, last = self.segments[0], self.segments[-1]
        return range(first.first_frame, last.first_frame + last.frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTransition:
    """A transition into shot `into`, made from the tail before it and its head, and re-encoded."""

    key: Sha256
    kind: TransitionKind
    into: int
    frames: int
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole timeline; `transitions` holds only those that need new pixels, never cuts.

    A film without `sound` is silent; `cues` are its captions, in order.
    """

    title: str
    model: str
    quality: Quality
    size: Size
    fps: Fraction
    shots: tuple[PlannedShot, ...]
    transitions: tuple[PlannedTransition, ...]
    references: tuple[PreparedReference, ...]
    versions: Versions
    notes: tuple[str, ...] = ()
    sound: PlannedSound | None = None
    cues: tuple[Cue, ...] = ()

    @property
    def frames(self) -> int:
        """The film's length in frames."""
        return sum(shot.frames for shot in self.shots)

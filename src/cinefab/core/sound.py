"""What a film sounds like: what was asked for, and what it becomes when the plan is exact.

Loudness is in hundredths of a LUFS and times on the film's clock are whole milliseconds, so that
nothing here is a float.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from cinefab.core.canonical import Sha256

SAMPLE_RATE: Final = 48_000
"""Samples a second of everything that is heard; always two channels."""


class Mood(StrEnum):
    """The character of the music: its key, its harmony, its instruments and its tempo."""

    CALM = "calm"
    WARM = "warm"
    BRIGHT = "bright"
    TENSE = "tense"
    GRAND = "grand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Music:
    """The bed under a film; without a tempo its mood has one, and `level_db` is added to it.

    With a `model`, that makes the bed of the words in `prompt`, and mood and tempo say nothing; in
    a brief that was accepted it is the exact thing that runs, `name@version`.
    """

    mood: Mood = Mood.WARM
    tempo_bpm: int | None = None
    level_db: int = 0
    model: str | None = None
    prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceWish:
    """Who speaks and how: a voice's name, words a minute, pitch from 0 to 100.

    Where `required`, a film whose lines cannot be spoken is not made; otherwise it says so.
    """

    name: str = "en-us"
    rate_wpm: int = 160
    pitch: int = 50
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """How a film should sound; `loudness_clu` is hundredths of a LUFS over the whole film."""

    music: Music | None = Music()
    effects: bool = True
    voice: VoiceWish = VoiceWish()
    loudness_clu: int = -1600


@dataclass(frozen=True, slots=True, kw_only=True)
class Captions:
    """What is spoken, as text: files beside the film, and words on the picture where `burn`.

    With `on_screen`, shots that say nothing have their caption's words in the files too.
    """

    formats: tuple[str, ...] = ("vtt", "srt")
    burn: bool = False
    on_screen: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a spoken line, and when it is heard: milliseconds from the line's first sample."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenLine:
    """A shot's line as it was spoken: the blob of its sound, and its place on the film's clock."""

    shot: int
    text: str
    language: str
    digest: Sha256
    start_ms: int
    length_ms: int
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """A caption: at most two lines of text, and when they are there, on the film's clock."""

    shot: int
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    language: str


def first_frame_from(at_ms: int, fps: Fraction) -> int:
    """Return the first frame that shows what is there from `at_ms` on: what is in its middle.

    So words on the picture come and go within half a frame of their time.
    """
    return math.ceil(at_ms * fps / 1000 - Fraction(1, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSound:
    """The film's sound made exact; `key` is the hash of everything that determines a sample."""

    key: Sha256
    music: Music | None
    effects: bool
    loudness_clu: int
    seed: int
    lines: tuple[SpokenLine, ...]

"""The shape of what is heard and read: music, voices, loudness, captions."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator, ConfigDict, Field

from cinefab.core.sound import Mood
from cinefab.ingest.brief_scalars import CaptionFormat, Loudness
from cinefab.ingest.brief_schema_base import Document, or_text

VOICE_NAME: Final = r"^([a-z][a-z0-9_-]*/)?[A-Za-z][A-Za-z0-9_+-]*$"


def _expand_music(value: object) -> object:
    if value == "none":
        return None
    return {"mood": value} if isinstance(value, str) else value


def _expand_voice(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class MusicDocument(Document):
    """The music under the film; its cuts fall on beats, unless a model makes it."""

    model_config = ConfigDict(
        title="Music",
        json_schema_extra=or_text(
            "Music", "A mood, or none: " + ", ".join([*Mood, "none"]), ["warm", "none"]
        ),
    )

    mood: Annotated[Mood, Field(strict=False)] = Mood.WARM
    """Its character."""
    tempo_bpm: int | None = Field(default=None, validation_alias="tempo", ge=50, le=180)
    """Beats a minute, about; the cuts decide exactly. Without it the mood decides."""
    level_db: int = Field(default=0, validation_alias="level", ge=-24, le=12)
    """Louder or softer than usual, in decibels; the film's loudness stays the same."""
    model: str | None = Field(default=None, min_length=1, max_length=128)
    """A model that makes sound, which makes it of the prompt instead of the mood."""
    prompt: str = Field(default="", max_length=4000)
    """What the model is to make, in words."""


class VoiceDocument(Document):
    """Who speaks the shots' lines."""

    model_config = ConfigDict(
        title="Voice",
        json_schema_extra=or_text("Voice", "A voice's name, such as en-gb", ["en-gb", "de"]),
    )

    name: str = Field(default="en-us", pattern=VOICE_NAME, max_length=64)
    """A voice's name, such as en-gb; plug-in/name to say whose."""
    rate_wpm: int = Field(default=160, validation_alias="rate", ge=80, le=300)
    """Words a minute; a line that is too long for its shot is spoken up to a quarter faster."""
    pitch: int = Field(default=50, ge=0, le=100)
    """From low, 0, to high, 100."""
    required: bool = False
    """Whether a film whose lines cannot be spoken is refused; otherwise its report says so."""


class SoundDocument(Document):
    """How the film sounds; without it only voice lines are heard."""

    model_config = ConfigDict(title="Sound")

    music: Annotated[MusicDocument | None, BeforeValidator(_expand_music)] = Field(
        default_factory=MusicDocument
    )
    """The music under the film, or none."""
    effects: bool = True
    """Whether transitions and cuts are heard."""
    voice: Annotated[VoiceDocument, BeforeValidator(_expand_voice)] = Field(
        default_factory=VoiceDocument
    )
    """Who speaks the shots' lines."""
    loudness_clu: Loudness = Field(
        default=-1600, validation_alias="loudness", json_schema_extra={"default": -16}
    )
    """The whole film's loudness in LUFS."""


class CaptionsDocument(Document):
    """What is spoken, as text."""

    model_config = ConfigDict(title="Captions")

    formats: list[CaptionFormat] = Field(default_factory=lambda: ["vtt", "srt"], max_length=2)
    """The files beside the film: vtt (WebVTT), srt."""
    burn: bool = False
    """Whether they are on the picture too."""
    on_screen: bool = False
    """Whether shots that say nothing have their caption's words in the files."""

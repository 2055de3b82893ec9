"""The shape of a template as people write it: slots with their types and bounds, and guardrails."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from cinefab.core.brief import Queue, ReviewMode
from cinefab.ingest.brief_scalars import ReviewTime

SLOTS_MAX: Final = 64

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)]
Words = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=64)]], Field()]


class _Document(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


class _Slot(_Document):
    about: str = Field(default="", max_length=200)
    """What to put there, for whoever fills it."""


class TextSlot(_Slot):
    """Words: so many characters, without certain words, in certain scripts."""

    type: Literal["text"]
    min: int = Field(default=1, ge=0, le=4000)
    """The fewest characters."""
    max: int = Field(default=200, ge=1, le=4000)
    """The most characters."""
    forbidden: Words = []
    """Words that must not stand in it."""
    scripts: list[Literal["latin", "greek", "cyrillic", "arabic", "hebrew"]] = []
    """The only scripts that its letters may be of; without any, all."""
    default: str | None = None
    """What it holds when nobody fills it."""


class NumberSlot(_Slot):
    """A number between two others."""

    type: Literal["number"]
    min: Any
    """The least."""
    max: Any
    """The most."""
    default: Any = None
    """What it holds when nobody fills it."""


class ChoiceSlot(_Slot):
    """One of several: words, or words that stand for values."""

    type: Literal["choice"]
    of: dict[Name, Any] | list[Name] = Field(min_length=1, max_length=32)
    """The choices; as a mapping, each with what it stands for."""
    default: str | None = None
    """The one when nobody chooses."""


class ColourSlot(_Slot):
    """A colour, as '#rrggbb'."""

    type: Literal["colour"]
    default: str | None = None
    """The colour when nobody picks one."""


class FileSlot(_Slot):
    """A picture, a film or a sound, by file or URL."""

    type: Literal["image", "video", "audio"]
    default: str | None = None
    """The file when nobody brings one, beside the template."""


class FilesSlot(_Slot):
    """Several pictures, films or sounds, in order."""

    type: Literal["images", "videos", "sounds"]
    min: int = Field(default=1, ge=1, le=64)
    """The fewest."""
    max: int = Field(default=64, ge=1, le=64)
    """The most."""
    default: list[str] | None = None
    """The files when nobody brings any, beside the template."""


class ScriptSlot(_Slot):
    """Lines to be spoken, in order."""

    type: Literal["script"]
    min: int = Field(default=1, ge=1, le=64)
    """The fewest lines."""
    max: int = Field(default=64, ge=1, le=64)
    """The most lines."""
    length: int = Field(default=200, ge=1, le=500)
    """The most characters of a line."""
    default: list[str] | None = None
    """The lines when nobody writes any."""


Slot = Annotated[
    TextSlot | NumberSlot | ChoiceSlot | ColourSlot | FileSlot | FilesSlot | ScriptSlot,
    Field(discriminator="type"),
]


class CategoryDocument(_Document):
    """What a film is about, how that is known, and who must then look at it."""

    words: Words = []
    """Words that put a film into it, wherever they stand in its text."""
    slot: Name | None = None
    """A choice that puts a film into it, too."""
    choice: str | None = None
    """Which choice that is."""
    review: Annotated[ReviewMode, Field(strict=False)] = ReviewMode.REQUIRED
    """Whether a person must then approve the film."""
    queue: Annotated[Queue, Field(strict=False)] = Queue.STANDARD
    """Where it then waits."""
    within_us: ReviewTime | None = Field(default=None, validation_alias="within")
    """How long it then waits."""


class GuardrailsDocument(_Document):
    """What no slot may change, and what needs a person."""

    models: list[str] = Field(default_factory=lambda: ["procedural"], min_length=1)
    """The only models that may make it."""
    checks: list[str] = []
    """Checks that must look at it."""
    categories: dict[Name, CategoryDocument] = {}
    """What needs a person; what is in none of them passes without one."""


class TemplateHead(_Document):
    """A template's name and version, its slots and its guardrails."""

    name: Name
    """What it is called."""
    version: int = Field(ge=1)
    """Goes up whenever the same slots might give another film."""
    slots: dict[Name, Slot] = Field(max_length=SLOTS_MAX)
    """The gaps, by name."""
    guardrails: GuardrailsDocument = Field(default_factory=GuardrailsDocument)
    """What no slot may change, and what needs a person."""


class TemplateDocument(_Document):
    """A brief with typed gaps: `{slot: name}` stands where a slot's value goes."""

    model_config = ConfigDict(title="Cinefab template")

    template: TemplateHead
    """Its name, slots and guardrails."""
    brief: dict[str, Any]
    """The brief; a gap is a mapping with `slot`, and for one of several `item`, counted from 0."""


def template_schema() -> dict[str, Any]:
    """Return a template's JSON Schema (2020-12), with titles and descriptions."""
    schema = TemplateDocument.model_json_schema(mode="validation", by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:cinefab:schema:template:1",
        **schema,
    }

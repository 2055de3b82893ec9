"""The shape of a preview film: the one switch, and what may be said beside it."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ConfigDict, Field

from cinefab.core.brief import PreviewFirst
from cinefab.ingest.brief_scalars import ModelSettings, ReviewTime
from cinefab.ingest.brief_schema_base import Document

MODEL_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._/-]*(@[A-Za-z0-9._+-]+)?$"
"""How a model is named, with or without its version."""


def expand_preview_first(value: object) -> object:
    """Return what the bare switch stands for: on with nothing more said, or off."""
    if isinstance(value, bool):
        return {} if value else None
    return value


def _or_switch(schema: dict[str, Any]) -> None:
    """Let the schema also take the switch alone."""
    whole = {**schema}
    schema.clear()
    schema["title"] = "PreviewFirst"
    schema["anyOf"] = [{"type": "boolean", "description": "On, or off."}, whole]


class PreviewFirstDocument(Document):
    """Which model makes the preview film, and whether a person must say yes to it."""

    model_config = ConfigDict(title="PreviewFirst", json_schema_extra=_or_switch)

    model: str | None = Field(default=None, pattern=MODEL_PATTERN, max_length=128)
    """The model that makes it; the studio's own choice for previews when left out."""
    model_settings: ModelSettings = Field(
        default="{}", examples=[{"steps": 4}], json_schema_extra={"default": {}}
    )
    """Settings of that model, laid over the film's own where both are made by one model."""
    ask: bool = False
    """Wait for a person's yes before the film itself is made."""
    within_us: ReviewTime = Field(
        default_factory=lambda: PreviewFirst().within_us,
        validation_alias="within",
        examples=["24h", "30m"],
        json_schema_extra={"default": "24h"},
    )
    """How long it waits for that before it is given up, unfinished."""

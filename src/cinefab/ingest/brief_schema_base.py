"""What all parts of the published shape of a brief have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A part of a brief as it is written: nothing unknown, nothing converted, never changed."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        str_strip_whitespace=True,
        use_attribute_docstrings=True,
    )


def or_text(title: str, description: str, examples: list[str], **more: Any) -> Any:
    """Let the schema also take the text that a class expands before it validates."""

    def widen(schema: dict[str, Any]) -> None:
        whole = {**schema, **more}
        schema.clear()
        schema["title"] = title
        schema["anyOf"] = [
            {"type": "string", "description": description, "examples": examples},
            whole,
        ]

    return widen

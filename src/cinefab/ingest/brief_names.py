"""What the references of a brief are called, and which of them is the logo."""

from __future__ import annotations

import json
from typing import Final

from cinefab.core.brief import Role
from cinefab.ingest.brief_schema import BriefDocument, ReferenceDocument

LOGO_NAME: Final = "logo"
"""What a logo is called that the brand brings as a file or URL."""


def logos(written: BriefDocument) -> list[str]:
    """Return the logos that models may draw: one that an effect is given would be seen twice."""
    effects = [*written.effects, *(effect for shot in written.shots for effect in shot.effects)]
    given = {
        value
        for effect in effects
        for value in json.loads(effect.settings).values()
        if isinstance(value, str)
    }
    return [
        name
        for name, reference in named(written)
        if reference.role is Role.LOGO and name not in given
    ]


def named(written: BriefDocument) -> list[tuple[str, ReferenceDocument]]:
    """Return the references in order, each with its name, whichever way they were written."""
    references = written.references
    if isinstance(references, dict):
        return list(references.items())
    return [(reference.name, reference) for reference in references]


def is_location(text: str) -> bool:
    """Say whether a text is a file or an URL, and no name."""
    return "://" in text or "/" in text or "." in text

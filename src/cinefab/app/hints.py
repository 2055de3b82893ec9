"""Which briefs were made here before: only a hint, about what is worth starting early."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cinefab.app.settings import Settings
from cinefab.core.brief import Brief
from cinefab.core.canonical import digest_of
from cinefab.ingest.brief import brief_document


def was_made(settings: Settings, brief: Brief) -> bool:
    """Say whether this brief was delivered before, so that everything in it may be reused."""
    return _path(settings, brief).exists()


def note_made(settings: Settings, brief: Brief) -> None:
    """Remember that this brief was delivered."""
    path = _path(settings, brief)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def _path(settings: Settings, brief: Brief) -> Path:
    digest = digest_of(brief_document(replace(brief, deadline_us=None)))
    return settings.home / "cache" / "made" / digest

"""What every speech recogniser promises: a sound file becomes words, each with its time.

Recognisers are found through the entry-point group `cinefab.recognisers`. None is built in: what
runs on a bare processor without weights is not good enough to be believed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cinefab.core.sound import Word


class Recogniser(Protocol):
    """Hears words in speech of the languages that it knows."""

    name: str
    version: str

    def missing(self) -> str | None:
        """Return what must be installed before it can listen, or None; loads nothing heavy."""
        ...

    def recognise(self, sound: Path, *, language: str | None) -> tuple[Word, ...]:
        """Return what is said in a FLAC file of ours, in order; nothing where nobody speaks."""
        ...

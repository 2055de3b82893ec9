"""The contract of a place that releases are sent to; entry-point group `cinefab.targets`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Target(Protocol):
    """Takes a release's files; sending the same release twice leaves the same files once."""

    @property
    def name(self) -> str:
        """How settings and reports call it."""
        ...

    def publish(self, place: str, files: Mapping[str, Path], /) -> Mapping[str, str]:
        """Put each file (name → local path) at `place`; return name → where it can be found.

        A file appears whole or not at all. Raises `StorageUnavailable`.
        """
        ...

"""The files of a release: what each is, where it lies, and how long it may be kept by caches.

What is named by its digest never changes, so caches keep it for good. The few files with plain
names (`ENTRY`) are where everybody enters; they are replaced when a film is published again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cinefab.core.canonical import Json, Sha256

FILES_SCHEMA: Final = "cinefab.files/1"
FILES: Final = "files.json"
MEDIA: Final = "media"
"""The folder of everything that is named by its digest."""


class Caching(StrEnum):
    """How long a file may be kept by caches: the value of its Cache-Control header."""

    IMMUTABLE = "public, max-age=31536000, immutable"
    ENTRY = "public, max-age=60, must-revalidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """One file of a release; `path` is relative to the place where it is published.

    `role` says what it is for, `rung` to which rung of the stream it belongs, `codec` what is in
    it as RFC 6381 spells it.
    """

    path: str
    role: str
    media_type: str
    size_bytes: int
    sha256: Sha256
    caching: Caching
    rung: str | None = None
    codec: str | None = None


def path_of(sha256: Sha256, suffix: str) -> str:
    """Return where a file that is named by its digest lies."""
    return f"{MEDIA}/{sha256}{suffix}"


def files_document(files: Sequence[ReleaseFile], *, film: Mapping[str, Json]) -> dict[str, Json]:
    """Return the content of `files.json`: the film, and every file of its release but itself."""
    return {
        "schema": FILES_SCHEMA,
        "film": dict(film),
        "files": [
            {
                "path": each.path,
                "role": each.role,
                "media_type": each.media_type,
                "bytes": each.size_bytes,
                "sha256": each.sha256,
                "cache_control": each.caching.value,
                "rung": each.rung,
                "codec": each.codec,
            }
            for each in files
        ],
    }


def files_from_document(document: Any) -> tuple[ReleaseFile, ...]:
    """Return the files that a `files.json` of ours names."""
    assert document["schema"] == FILES_SCHEMA, "our own writing, of this version"
    return tuple(
        ReleaseFile(
            path=each["path"],
            role=each["role"],
            media_type=each["media_type"],
            size_bytes=each["bytes"],
            sha256=Sha256(each["sha256"]),
            caching=Caching(each["cache_control"]),
            rung=each["rung"],
            codec=each["codec"],
        )
        for each in document["files"]
    )

"""The digest of a file's bytes: the name it is stored under."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from cinefab.core.canonical import Sha256

_CHUNK_BYTES: Final = 1 << 20


def file_sha256(path: Path) -> Sha256:
    """Return the digest of a file's bytes, read a mebibyte at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return Sha256(digest.hexdigest())

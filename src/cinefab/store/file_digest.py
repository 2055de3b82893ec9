"""The digest of a file's bytes: the name it is stored under."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from cinefab.core.canonical import Sha256
from cinefab.core.errors import StorageUnavailable

_CHUNK_BYTES: Final = 1 << 20


def file_sha256(path: Path) -> Sha256:
    """Return the digest of a file's bytes, read a mebibyte at a time.

    Raises `StorageUnavailable` if the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise StorageUnavailable(
            attempted=f"read {path}",
            found=error.strerror or type(error).__name__,
            remedy="Check that the file is there and may be read, then run again.",
        ) from error
    return Sha256(digest.hexdigest())

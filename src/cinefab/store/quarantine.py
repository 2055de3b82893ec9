"""Bytes that nobody has looked at yet: kept apart from the blobs, in pieces, and gone when dropped.

They are in the same folder or bucket, so that any process of the studio can go on with them, but
not among the blobs: no digest finds them, no sweep has to, and nothing that reads assets does.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

import obstore
from obstore.exceptions import BaseError as ObstoreError

from cinefab.store.blobs import Blobs

_FOLDER: Final = "quarantine"


class Quarantine:
    """Pieces of what is being sent, each under a name that is used once; any thread may call."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def put(self, of: str, piece: bytes) -> str:
        """Keep a piece of something and return the piece's name; raise `StorageUnavailable`."""
        name = secrets.token_urlsafe(16)
        try:
            obstore.put(self._blobs.place, _path(of, name), piece)
        except (ObstoreError, OSError) as error:
            raise self._blobs.unavailable(error) from error
        return name

    def load(self, of: str, pieces: Sequence[str]) -> bytes:
        """Return the pieces of something, joined; raise `StorageUnavailable` if one is not there."""
        try:
            return b"".join(
                bytes(obstore.get(self._blobs.place, _path(of, piece)).bytes()) for piece in pieces
            )
        except (ObstoreError, OSError) as error:
            raise self._blobs.unavailable(error) from error

    def take_away(self, of: str, pieces: Sequence[str]) -> None:
        """Take some pieces away; that they are not there is fine."""
        try:
            for piece in pieces:
                self._delete(_path(of, piece))
        except (ObstoreError, OSError) as error:
            raise self._blobs.unavailable(error) from error

    def drop(self, of: str) -> None:
        """Take away everything of something; that there is nothing is fine."""
        try:
            for page in obstore.list(self._blobs.place, prefix=f"{_FOLDER}/{of}"):
                for found in page:
                    self._delete(found["path"])
        except (ObstoreError, OSError) as error:
            raise self._blobs.unavailable(error) from error

    def _delete(self, path: str) -> None:
        try:
            obstore.delete(self._blobs.place, path)
        except FileNotFoundError:
            return


def _path(of: str, name: str) -> str:
    return f"{_FOLDER}/{of}/{name}"

"""Blobs: immutable bytes named by their SHA-256, in a folder or an S3 bucket, by URL.

A blob is written under its digest, so writing it twice is one write, and a reader never sees a
half-written one: obstore writes beside and renames, S3 shows an object when it is complete.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import obstore
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import LocalStore, ObjectStore, S3Store

from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.errors import CredentialsInvalid, StorageUnavailable
from cinefab.store.durability import Durability
from cinefab.store.file_digest import file_sha256


class Blobs:
    """Content-addressed storage behind one URL: `file:///…` or `s3://bucket/prefix?endpoint=…`."""

    def __init__(
        self, url: str, *, cache: Path, durability: Durability = Durability.NORMAL
    ) -> None:
        self.url = url
        self._folder, self._store = _open(url)
        self._cache = cache
        self._strict = durability is Durability.STRICT

    def put(self, content: bytes) -> Sha256:
        """Store `content` and return its digest; storing it again changes nothing."""
        digest = sha256_of(content)
        self._write(digest, lambda path: obstore.put(self._store, path, content))
        return digest

    def put_file(self, path: Path) -> Sha256:
        """Store the file's bytes and return their digest; the file stays where it is."""
        digest = file_sha256(path)
        self._write(digest, lambda name: obstore.put(self._store, name, path))
        return digest

    def has(self, digest: Sha256) -> bool:
        """Say whether the blob is there."""
        try:
            obstore.head(self._store, _name(digest))
        except FileNotFoundError:
            return False
        except ObstoreError as error:
            raise _unavailable(self.url, error) from error
        return True

    def load(self, digest: Sha256) -> bytes:
        """Return the blob's bytes, checked against its name.

        Raises `StorageUnavailable` if it is not there, `CredentialsInvalid` if it was altered.
        """
        try:
            content = bytes(obstore.get(self._store, _name(digest)).bytes())
        except (FileNotFoundError, ObstoreError) as error:
            raise _unavailable(self.url, error) from error
        _check(digest, sha256_of(content), self.url)
        return content

    def local_path(self, digest: Sha256) -> Path:
        """Return a local file with the blob's bytes; from a bucket it is fetched once and kept."""
        if self._folder is not None:
            path = self._folder / _name(digest)
            if not path.is_file():
                raise _unavailable(self.url, FileNotFoundError(f"blob {digest} is not there"))
            return path
        path = self._cache / _name(digest)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            part.write_bytes(self.load(digest))
            part.replace(path)
        return path

    def _write(self, digest: Sha256, put: Callable[[str], object]) -> None:
        if self.has(digest):
            return
        try:
            put(_name(digest))
            if self._strict and self._folder is not None:
                _sync(self._folder / _name(digest))
        except (ObstoreError, OSError) as error:
            raise _unavailable(self.url, error) from error


def _open(url: str) -> tuple[Path | None, ObjectStore]:
    parts = urlsplit(url)
    match parts.scheme:
        case "file" | "":
            folder = Path(parts.path)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                return folder, LocalStore(folder)
            except OSError as error:
                raise _unavailable(url, error) from error
        case "s3":
            options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            endpoint = options.get("endpoint")
            prefix = parts.path.strip("/") or None
            store = S3Store(
                parts.netloc,
                prefix=prefix,
                endpoint=endpoint,
                region=options.get("region"),
                virtual_hosted_style_request=False,
                client_options={"allow_http": bool(endpoint and endpoint.startswith("http:"))},
            )
            return None, store
        case other:
            raise StorageUnavailable(
                attempted=f"open the blobs at {url}",
                found=f"the scheme {other!r}",
                remedy="Give --blobs file:///FOLDER or --blobs s3://BUCKET/PREFIX?endpoint=URL.",
            )


def _name(digest: Sha256) -> str:
    return f"sha256/{digest[:2]}/{digest}"


def _sync(path: Path) -> None:
    for place, flags in ((path, os.O_RDONLY), (path.parent, os.O_RDONLY | os.O_DIRECTORY)):
        handle = os.open(place, flags)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _check(wanted: Sha256, found: Sha256, url: str) -> None:
    if wanted != found:
        raise CredentialsInvalid(
            attempted=f"read blob {wanted} from {url}",
            found=f"bytes whose digest is {found}: it was altered after it was stored",
            remedy="Restore the blob from a backup; nothing was made from the altered bytes.",
        )


def _unavailable(url: str, error: Exception) -> StorageUnavailable:
    full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
    return StorageUnavailable(
        attempted=f"use the blobs at {url}",
        found="the disk is full" if full else str(error).strip().splitlines()[0],
        remedy=(
            "Free some room there and run again; finished stages are kept."
            if full
            else "Check that the place exists and may be written, then run again."
        ),
    )

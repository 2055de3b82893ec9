"""Blobs: immutable bytes named by their SHA-256, in a folder or an S3 bucket, by URL.

A blob is written under its digest, so writing it twice is one write, and a reader never sees a
half-written one: obstore writes beside and renames, S3 shows an object when it is complete.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qs, urlsplit

import obstore
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import LocalStore, ObjectStore, S3Store

from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.errors import CredentialsInvalid, StorageUnavailable
from cinefab.store.durability import Durability
from cinefab.store.file_digest import file_sha256

if TYPE_CHECKING:
    from obstore.store import S3Config

_Stamp: TypeAlias = tuple[int, int, int, int]
"""What changes when a file does: inode, size, and the times of its content and of its entry."""


_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob as the store lists it: its size, and when it was written last."""

    digest: Sha256
    size_bytes: int
    modified_us: int


class Blobs:
    """Content-addressed storage behind one URL: `file:///…` or `s3://bucket/prefix?endpoint=…`."""

    def __init__(
        self, url: str, *, cache: Path, durability: Durability = Durability.NORMAL
    ) -> None:
        self.url = url
        self._folder, self._store = _open(url)
        self._cache = cache
        self._strict = durability is Durability.STRICT
        self._sound: dict[Sha256, _Stamp] = {}

    @property
    def place(self) -> ObjectStore:
        """Where they are: for the store's own, who keep other things beside them."""
        return self._store

    def unavailable(self, error: Exception) -> StorageUnavailable:
        """Return the error for a place that cannot be reached, or is full."""
        return _unavailable(self.url, error)

    def put(self, content: bytes) -> Sha256:
        """Store `content` and return its digest; storing it again only repairs altered bytes."""
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
        return self._size_bytes(digest) is not None

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
        """Return a local file with the blob's bytes; from a bucket it is fetched once and kept.

        The bytes are held against their name once per process and change of the file. Raises
        `StorageUnavailable` if the blob is not there, `CredentialsInvalid` if it was altered.
        """
        if self._folder is not None:
            path = self._folder / _name(digest)
            if not self._is_sound(digest, path):
                if not path.is_file():
                    raise _unavailable(self.url, FileNotFoundError(f"blob {digest} is not there"))
                _check(digest, file_sha256(path), self.url)
            return path
        path = self._cache / _name(digest)
        if not self._is_sound(digest, path):
            self._fetch(digest, path)
        return path

    def is_intact(self, digest: Sha256) -> bool:
        """Say whether the blob is there and its bytes are those that its name promises.

        Raises `StorageUnavailable` if the place cannot be asked.
        """
        if self._folder is not None:
            return self._is_sound(digest, self._folder / _name(digest))
        size_bytes = self._size_bytes(digest)
        if size_bytes is None:
            return False
        path = self._cache / _name(digest)
        try:
            if not self._is_sound(digest, path):
                self._fetch(digest, path)
            return path.stat().st_size == size_bytes
        except CredentialsInvalid:
            return False
        except OSError as error:
            raise _unavailable(self.url, error) from error

    def stored(self) -> Iterator[StoredBlob]:
        """Yield every blob that is there, in no order; raise `StorageUnavailable`."""
        try:
            for page in obstore.list(self._store, prefix="sha256"):
                for found in page:
                    name = found["path"].rpartition("/")[2]
                    if _DIGEST.fullmatch(name):
                        modified_us = round(found["last_modified"].timestamp() * 1_000_000)
                        yield StoredBlob(Sha256(name), found["size"], modified_us)
        except ObstoreError as error:
            raise _unavailable(self.url, error) from error

    def delete(self, digest: Sha256) -> None:
        """Take a blob away; that it is not there is fine. Only a sweep may, after condemning it."""
        self._sound.pop(digest, None)
        try:
            obstore.delete(self._store, _name(digest))
            if self._folder is None:
                (self._cache / _name(digest)).unlink(missing_ok=True)
        except FileNotFoundError:
            return
        except (ObstoreError, OSError) as error:
            raise _unavailable(self.url, error) from error

    def _write(self, digest: Sha256, put: Callable[[str], object]) -> None:
        # Bytes that were altered since are written over: whoever has the right ones repairs them.
        if self.is_intact(digest):
            return
        try:
            put(_name(digest))
            if self._folder is not None:
                path = self._folder / _name(digest)
                if self._strict:
                    _sync(path)
                self._sound[digest] = _stamp(path)
        except (ObstoreError, OSError) as error:
            raise _unavailable(self.url, error) from error

    def _is_sound(self, digest: Sha256, path: Path) -> bool:
        try:
            stamp = _stamp(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise _unavailable(self.url, error) from error
        if self._sound.get(digest) == stamp:
            return True
        if not path.is_file() or file_sha256(path) != digest:
            return False
        self._sound[digest] = stamp
        return True

    def _size_bytes(self, digest: Sha256) -> int | None:
        try:
            return obstore.head(self._store, _name(digest))["size"]
        except FileNotFoundError:
            return None
        except ObstoreError as error:
            raise _unavailable(self.url, error) from error

    def _fetch(self, digest: Sha256, path: Path) -> None:
        """Stream a bucket's blob into the cache; what is not its bytes never gets its name."""
        part: Path | None = None
        found = hashlib.sha256()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=path.parent, prefix=f"{digest}.", suffix=".part", delete=False
            ) as file:
                part = Path(file.name)
                for chunk in obstore.get(self._store, _name(digest)).stream():
                    found.update(chunk)
                    file.write(chunk)
            _check(digest, Sha256(found.hexdigest()), self.url)
            stamp = _stamp(part.replace(path))
        except (ObstoreError, OSError) as error:
            raise _unavailable(self.url, error) from error
        finally:
            if part is not None:
                part.unlink(missing_ok=True)
        self._sound[digest] = stamp


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
            # An option that is not given is left out: obstore's own default region is us-east-1.
            config: S3Config = {"virtual_hosted_style_request": False}
            if endpoint is not None:
                config["endpoint"] = endpoint
            if "region" in options:
                config["region"] = options["region"]
            plain = endpoint is not None and endpoint.startswith("http:")
            prefix = parts.path.strip("/") or None
            try:
                return None, S3Store(
                    parts.netloc,
                    prefix=prefix,
                    config=config,
                    client_options={"allow_http": plain},
                )
            except (ObstoreError, ValueError) as error:
                raise _unavailable(url, error) from error
        case other:
            raise StorageUnavailable(
                attempted=f"open the blobs at {url}",
                found=f"the scheme {other!r}",
                remedy="Give --blobs file:///FOLDER or --blobs s3://BUCKET/PREFIX?endpoint=URL.",
            )


def _name(digest: Sha256) -> str:
    return f"sha256/{digest[:2]}/{digest}"


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


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

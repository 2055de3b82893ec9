"""A studio in a folder: all that was recorded, the bytes it is about, and the keys that signed it.

A backup is taken while the studio works. The database is copied as of one moment, and then the
blobs: bytes are stored before a row points to them, so everything that the copy speaks of is
there. `backup.json` is replaced last, so a backup that broke off is the one before it, and the
same folder taken again copies only the blobs that are new.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

import cinefab
from cinefab.app.settings import Settings
from cinefab.core.canonical import Sha256
from cinefab.core.clock import Clock
from cinefab.core.errors import CinefabError, CredentialsInvalid, StorageUnavailable
from cinefab.engine.system_database import system_url_for
from cinefab.provenance.tables import asset
from cinefab.store.blobs import Blobs
from cinefab.store.database import Database
from cinefab.store.dumps import (
    dump_postgres,
    dump_sqlite,
    export_snapshot,
    is_empty,
    restore_postgres,
)
from cinefab.store.file_digest import file_sha256
from cinefab.store.migrate import HEAD
from cinefab.store.schema import swept_blob

_FORMAT: Final = 1
_MANIFEST: Final = "backup.json"
_BLOBS: Final = "blobs"
_HOME: Final = "home"
_DATABASE: Final = "database"

_REMADE: Final = frozenset({"blobs", "cache", "scratch", "out"})
"""Folders of a home that are kept elsewhere in the backup, or that nobody misses."""


class BackupInvalid(CinefabError):
    """A folder is no backup, or not a whole one, or does not fit where it is to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup holds. `missing` are blobs that the studio itself no longer had."""

    release: str
    revision: str
    taken_us: int
    database: str
    blobs: int
    blob_bytes: int
    copied: int
    missing: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the same as JSON."""
        return asdict(self)


def back_up(settings: Settings, folder: Path, *, clock: Clock) -> Backup:
    """Copy the studio of these settings into `folder`, beside or over an earlier backup of it.

    Raises `StorageUnavailable` if anything cannot be read or written, `BackupInvalid` if the folder
    holds something else; what an earlier backup left there is then as good as before.
    """
    folder = folder.absolute()
    _check_place(settings, folder)
    taken_us = clock.now_us()
    snapshot = folder / f"{_DATABASE}-{taken_us}"
    with _writes(folder):
        for made in (folder, folder / _HOME, snapshot):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = {"database": _dump_database(settings, snapshot)}
        kept = Blobs(f"file://{folder / _BLOBS}", cache=folder / "cache")
        copied = _copy_blobs(_blobs_of(settings), kept)
        files["home"] = _copy_home(settings, folder)
        needed = _needed(snapshot)
        there = {blob.digest: blob.size_bytes for blob in kept.stored()}
        backup = Backup(
            release=cinefab.__version__,
            revision=needed.revision,
            taken_us=taken_us,
            database=_kind(settings),
            blobs=len(there),
            blob_bytes=sum(there.values()),
            copied=copied,
            missing=tuple(sorted(needed.digests - there.keys())),
        )
        _write_manifest(folder, backup, snapshot.name, files)
        for old in folder.glob(f"{_DATABASE}-*"):
            if old != snapshot:
                shutil.rmtree(old)
    return backup


def restore(settings: Settings, folder: Path) -> Backup:
    """Put a backup where these settings point, which must be empty; return what was in it.

    Every byte is held against the backup's digests first. The database comes last, so that what
    broke off can be run again. Raises `BackupInvalid`, `CredentialsInvalid` or
    `StorageUnavailable`.
    """
    folder = folder.absolute()
    backup, snapshot, files = _read_manifest(folder)
    _check_fit(settings, backup)
    for group, base in (("database", snapshot), ("home", folder / _HOME)):
        for name, digest in files[group].items():
            _check_file(base / name, digest)
    _check_home(settings, files["home"])
    with _writes(settings.home):
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy_blobs(Blobs(f"file://{folder / _BLOBS}", cache=folder / "cache"), _blobs_of(settings))
        for name in files["home"]:
            _copy_file(folder / _HOME / name, settings.home / name)
        _put_database(settings, snapshot)
    return backup


# The database


@dataclass(frozen=True, slots=True, kw_only=True)
class _Needed:
    revision: str
    digests: frozenset[Sha256]


def _dump_database(settings: Settings, snapshot: Path) -> Mapping[str, str]:
    url = settings.db_url
    db = Database(url)
    try:
        with db.read() as connection:
            if not db.is_sqlite:
                dump_postgres(
                    url, snapshot / "database.pgdump", snapshot=export_snapshot(connection)
                )
                _note_needed(connection, snapshot)
    finally:
        db.close()
    if db.is_sqlite:
        # The engine's file first: what it holds as done must be in ours, and what ours holds beyond
        # it is found there when it is done again.
        for source in (_file(system_url_for(url)), _file(url)):
            if source.exists():
                dump_sqlite(source, snapshot / source.name)
        copied = Database(f"sqlite:///{snapshot / _file(url).name}")
        try:
            with copied.read() as connection:
                _note_needed(connection, snapshot)
        finally:
            copied.close()
            _one_file_again(snapshot / _file(url).name)
    return {path.name: file_sha256(path) for path in sorted(snapshot.iterdir())}


def _note_needed(connection: sa.Connection, snapshot: Path) -> None:
    gone = sa.select(swept_blob.c.digest)
    rows = connection.execute(
        sa.select(asset.c.sha256).where(asset.c.sha256.not_in(gone)).distinct()
    )
    found = sorted(str(digest) for digest in rows.scalars())
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    (snapshot / "needed.json").write_text(json.dumps({"revision": revision, "digests": found}))


def _one_file_again(path: Path) -> None:
    # Our own connections put every file that they open into WAL mode.
    dump_sqlite(path, path.with_suffix(".one"))
    path.with_suffix(".one").replace(path)
    for beside in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        beside.unlink(missing_ok=True)


def _needed(snapshot: Path) -> _Needed:
    said = json.loads((snapshot / "needed.json").read_text())
    digests = frozenset(Sha256(digest) for digest in said["digests"])
    return _Needed(revision=str(said["revision"]), digests=digests)


def _put_database(settings: Settings, snapshot: Path) -> None:
    url = settings.db_url
    if _kind(settings) == "postgresql":
        restore_postgres(snapshot / "database.pgdump", url)
        return
    ours = _file(url)
    ours.parent.mkdir(parents=True, exist_ok=True)
    # By the names that the files have here; the one that says that a studio is here comes last.
    main, *others = sorted(snapshot.glob("*.db"), key=lambda path: ".durable" in path.name)
    for other in others:
        _copy_file(other, _file(system_url_for(url)))
    _copy_file(main, ours)


def _kind(settings: Settings) -> str:
    return sa.make_url(settings.db_url).get_backend_name()


def _file(url: str) -> Path:
    return Path(str(sa.make_url(url).database)).absolute()


# The blobs


def _blobs_of(settings: Settings) -> Blobs:
    return Blobs(settings.blobs_url, cache=settings.home / "cache", durability=settings.durability)


def _copy_blobs(source: Blobs, target: Blobs) -> int:
    """Copy what the target has not; return how many. A blob that a sweep takes meanwhile is let go."""
    there = {blob.digest: blob.size_bytes for blob in target.stored()}
    copied = 0
    for blob in source.stored():
        if there.get(blob.digest) == blob.size_bytes:
            continue
        try:
            target.put_file(source.local_path(blob.digest))
        except StorageUnavailable:
            if source.has(blob.digest):
                raise
            continue
        copied += 1
    return copied


# The home: keys, policies, settings


def _copy_home(settings: Settings, folder: Path) -> Mapping[str, str]:
    databases = {_file(settings.db_url).name, _file(system_url_for(settings.db_url)).name}
    copied: dict[str, str] = {}
    for source in sorted(settings.home.rglob("*")):
        name = source.relative_to(settings.home)
        is_ours = not source.is_symlink() and source.is_file() and folder not in source.parents
        is_database = any(name.name.startswith(each) for each in databases) and len(name.parts) == 1
        if not is_ours or is_database or name.parts[0] in _REMADE:
            continue
        _copy_file(source, folder / _HOME / name)
        copied[str(name)] = file_sha256(folder / _HOME / name)
    return copied


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    # Keys stay for their owner's eyes alone, from the first byte on.
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        with source.open("rb") as there:
            shutil.copyfileobj(there, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(target)


# What a folder says of itself


def _write_manifest(
    folder: Path, backup: Backup, snapshot: str, files: Mapping[str, Mapping[str, str]]
) -> None:
    said = {"format": _FORMAT, "snapshot": snapshot, "files": files, "backup": backup.as_dict()}
    part = folder / f"{_MANIFEST}.part"
    part.write_text(json.dumps(said, indent=2))
    part.replace(folder / _MANIFEST)


def _read_manifest(folder: Path) -> tuple[Backup, Path, Mapping[str, Mapping[str, str]]]:
    try:
        said = json.loads((folder / _MANIFEST).read_text())
        if said["format"] != _FORMAT:
            raise _no_backup(folder, f"its format is {said['format']}, and this release reads 1")
        backup = Backup(**{**said["backup"], "missing": tuple(said["backup"]["missing"])})
        return backup, folder / str(said["snapshot"]), said["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_backup(folder, f"{_MANIFEST} cannot be read: {error}") from error


def _check_place(settings: Settings, folder: Path) -> None:
    taken = settings.blobs_url.removeprefix("file://")
    if folder == settings.home.absolute() or folder.is_relative_to(taken):
        raise BackupInvalid(
            attempted=f"back up into {folder}",
            found="the studio itself is kept there",
            remedy="Name a folder of its own, best on another disk.",
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MANIFEST).exists():
        known = (f"{_DATABASE}-", _BLOBS, _HOME, "cache")
        if not all(each.name.startswith(known) for each in folder.iterdir()):
            raise BackupInvalid(
                attempted=f"back up into {folder}",
                found="it holds something that is no backup",
                remedy="Name an empty folder, or one that holds an earlier backup.",
            )
    if not is_studio(settings):
        raise BackupInvalid(
            attempted=f"back up the studio in {settings.home}",
            found="its database is empty, or not there",
            remedy="Say with --db and CINEFAB_HOME where the studio is.",
        )


def is_studio(settings: Settings) -> bool:
    """Say whether there is a database with anything in it where the settings point."""
    if _kind(settings) == "sqlite" and not _file(settings.db_url).exists():
        return False
    db = Database(settings.db_url)
    try:
        return not is_empty(db)
    finally:
        db.close()


def _check_fit(settings: Settings, backup: Backup) -> None:
    attempted = f"restore a backup into {settings.home}"
    if _kind(settings) != backup.database:
        raise BackupInvalid(
            attempted=attempted,
            found=f"it was taken of {backup.database}, and --db is {_kind(settings)}",
            remedy=f"Name a {backup.database} database with --db.",
        )
    if backup.revision > HEAD:
        raise BackupInvalid(
            attempted=attempted,
            found=f"release {backup.release} wrote it, and this is {cinefab.__version__}",
            remedy="Restore it with that release or a newer one.",
        )
    if is_studio(settings):
        raise BackupInvalid(
            attempted=attempted,
            found="there is a studio already",
            remedy="Name an empty database with --db and an empty CINEFAB_HOME; nothing is changed.",
        )


def _check_home(settings: Settings, named: Mapping[str, str]) -> None:
    for name, digest in named.items():
        there = settings.home / name
        if there.exists() and file_sha256(there) != digest:
            raise BackupInvalid(
                attempted=f"restore {name} into {settings.home}",
                found="another file is there",
                remedy="Name an empty CINEFAB_HOME, or move the file away; nothing is changed.",
            )


def _check_file(path: Path, digest: str) -> None:
    if not path.is_file() or file_sha256(path) != digest:
        raise CredentialsInvalid(
            attempted=f"read the backup's {path.name}",
            found="it is not there, or its bytes are not those that were backed up",
            remedy="Use another backup: this one was changed or is not whole.",
        )


def _no_backup(folder: Path, found: str) -> BackupInvalid:
    return BackupInvalid(
        attempted=f"read the backup in {folder}",
        found=found,
        remedy="Name a folder that cinefab backup wrote.",
    )


@contextmanager
def _writes(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(
            attempted=f"write in {place}",
            found=error.strerror or type(error).__name__,
            remedy="Check that the folder may be written and that the disk has room; run again.",
        ) from error

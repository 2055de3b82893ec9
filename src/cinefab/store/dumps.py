"""A database as one file: taken while it is used, and put back into an empty place.

SQLite copies itself, page by page, as of one moment. PostgreSQL has its own tools for it,
`pg_dump` and `pg_restore`, which must be installed where this runs.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from cinefab.core.errors import StorageUnavailable
from cinefab.store.database import Database

_DEBIAN: Final = Path("/usr/lib/postgresql")


def dump_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite file as of one moment, though others write to it meanwhile.

    Raises `StorageUnavailable` if it cannot be read or the copy not be written.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as there,
            closing(sqlite3.connect(target)) as here,
        ):
            there.backup(here)
            # One file that needs no other beside it, wherever it is carried.
            here.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise StorageUnavailable(
            attempted=f"copy {source} to {target}",
            found=str(error),
            remedy="Check that the file is whole and that the disk has room; then run again.",
        ) from error


def dump_postgres(url: str, target: Path, *, snapshot: str) -> None:
    """Write a PostgreSQL database to a file, as the exported `snapshot` sees it.

    Raises `StorageUnavailable` if `pg_dump` is not there, or says why it could not.
    """
    _run("pg_dump", url, f"--snapshot={snapshot}", "--format=custom", f"--file={target}")


def restore_postgres(source: Path, url: str) -> None:
    """Put a dumped database into an empty one, all of it or nothing; raise `StorageUnavailable`."""
    options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
    _run("pg_restore", url, *options, str(source))


def export_snapshot(connection: sa.Connection) -> str:
    """Return the name under which others see what this reading transaction of PostgreSQL's sees."""
    return str(connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())


def is_empty(db: Database) -> bool:
    """Say whether a database has no tables yet."""
    with db.read() as connection:
        return not sa.inspect(connection).get_table_names()


def _run(tool: str, url: str, *options: str) -> None:
    place = sa.make_url(url).set(drivername="postgresql")
    shown = place.set(password=None).render_as_string()
    attempted = f"run {tool} on {shown}"
    found = _find(tool, attempted)
    try:
        with _without_password(place) as named:
            done = subprocess.run(  # noqa: S603 - PostgreSQL's own tool, no shell
                [found, f"--dbname={named}", *options], capture_output=True, text=True, check=False
            )
    except OSError as error:
        raise StorageUnavailable(
            attempted=attempted,
            found=error.strerror or type(error).__name__,
            remedy="Check that PostgreSQL's client tools can be run here.",
        ) from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise StorageUnavailable(
            attempted=attempted,
            found=next((line for line in said if "error:" in line), said[-1]),
            remedy="Check the URL, and that the tool is not older than the server.",
        )


@contextmanager
def _without_password(place: sa.URL) -> Iterator[str]:
    # Arguments are for everybody on the machine to see: a password goes into a file.
    plain = place.set(password=None)
    if place.password is None:
        yield plain.render_as_string()
        return
    escaped = str(place.password).replace("\\", "\\\\").replace(":", "\\:")
    with tempfile.NamedTemporaryFile("w", prefix="cinefab-", encoding="utf-8") as file:
        file.write(f"*:*:*:*:{escaped}\n")
        file.flush()
        yield plain.update_query_dict({"passfile": file.name}).render_as_string()


def _find(tool: str, attempted: str) -> str:
    # Debian keeps each version's tools apart; the newest reads what any older server has.
    versions = sorted(_DEBIAN.glob(f"*/bin/{tool}"), key=lambda path: _number(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(tool)
    if found is None:
        raise StorageUnavailable(
            attempted=attempted,
            found=f"{tool} is not installed",
            remedy="Install PostgreSQL's client tools: apt-get install postgresql-client.",
        )
    return found


def _number(version: str) -> float:
    try:
        return float(version)
    except ValueError:
        return 0.0

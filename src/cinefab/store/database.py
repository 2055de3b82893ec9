"""The database: SQLite in a file by default, PostgreSQL by URL, one code path.

`Database.write()` is the only way to change rows: everything inside one `with` block becomes
true together or not at all. SQLite runs in WAL mode, and a writing transaction takes the write
lock when it begins, so that a read inside it can never turn out stale.

What survives: a killed process loses nothing that was committed, in either mode. A power cut
loses nothing on PostgreSQL, nor on SQLite with `Durability.STRICT` (an fsync per commit); with
`Durability.NORMAL`, SQLite may lose the last commits before the cut, never consistency.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from cinefab.core.errors import StorageUnavailable
from cinefab.core.sqlite import BUSY_TIMEOUT_MS, set_up_connection
from cinefab.store.durability import Durability

_BEGIN: Final = "cinefab_begin"

# A process that is stopped in the middle of a transaction must not hold its rows for ever. None of
# ours computes for as long between two statements.
_IDLE_IN_TRANSACTION_MS: Final = 60_000


class Database:
    """Transactions on one database; safe to share between threads."""

    def __init__(self, url: str, *, durability: Durability = Durability.NORMAL) -> None:
        self.url = normal_url(url)
        self.durability = durability
        self.engine = _engine(self.url, durability)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Open a transaction that may change rows; commit at the end, roll back on any error.

        Raises `StorageUnavailable` when the database cannot be reached, is full or is broken.
        """
        with self._transaction("IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a transaction that only reads, from one consistent state of the database."""
        with self._transaction("DEFERRED") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sa.Connection]:
        try:
            with self.engine.connect() as raw:
                connection = raw.execution_options(**self._options(begin))
                with connection.begin():
                    yield connection
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError) as error:
            raise _unavailable(self.engine.url, error) from error

    def _options(self, begin: str) -> dict[str, str]:
        # SQLite reads one state of the database by nature; PostgreSQL has to be asked for it.
        if self.is_sqlite or begin == "IMMEDIATE":
            return {_BEGIN: begin}
        return {_BEGIN: begin, "isolation_level": "REPEATABLE READ"}

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def normal_url(url: str) -> str:
    """Return `url` with the driver that Cinefab uses: psycopg for any spelling of PostgreSQL."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


def sqlite_engine(url: str, durability: Durability) -> sa.Engine:
    """Return an engine on a SQLite file whose connections are all set up as ours are."""
    path = sa.make_url(url).database
    if path and path != ":memory:":
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unavailable(sa.make_url(url), error) from error
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # The driver must not open transactions by itself: ours begin where we say, as we say.
        connection.isolation_level = None
        set_up_connection(connection, strict=durability is Durability.STRICT)

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        begin = connection.get_execution_options().get(_BEGIN, "IMMEDIATE")
        connection.exec_driver_sql(f"BEGIN {begin}")

    return engine


def _engine(url: str, durability: Durability) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise StorageUnavailable(
            attempted="open the database",
            found=f"{url!r} is no database URL",
            remedy="Give --db sqlite:///FILE or --db postgresql://USER@HOST/NAME.",
        ) from error
    match parsed.get_backend_name():
        case "sqlite":
            return sqlite_engine(url, durability)
        case "postgresql":
            return sa.create_engine(url, pool_pre_ping=True, connect_args=_postgres_options(parsed))
        case other:
            raise StorageUnavailable(
                attempted="open the database",
                found=f"a {other} URL",
                remedy="Cinefab runs on SQLite and PostgreSQL: give --db with one of those.",
            )


def _postgres_options(url: sa.URL) -> dict[str, Any]:
    # What the URL itself says of the server's options comes last, and holds.
    ours = f"-c idle_in_transaction_session_timeout={_IDLE_IN_TRANSACTION_MS}"
    theirs = str(url.query.get("options", ""))
    return {"connect_timeout": 10, "options": f"{ours} {theirs}".strip()}


def _unavailable(url: sa.URL, error: Any) -> StorageUnavailable:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    remedy = "Check that it runs, that the URL is right and that the disk has room; then run again."
    return StorageUnavailable(
        attempted=f"use the database {url.render_as_string(hide_password=True)}",
        found=cause,
        remedy=f"{remedy} Finished stages are kept.",
    )

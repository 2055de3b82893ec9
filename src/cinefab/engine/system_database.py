"""The database in which workflows are kept: where it is, how it is opened, how long it may be away."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from cinefab.core.clock import Clock
from cinefab.core.errors import StorageUnavailable
from cinefab.core.sqlite import set_up_connection

_CONNECT_TIMEOUT_S: Final = 10
_POOL_SIZE: Final = 8
# A worker that is stopped in the middle of a transaction must not hold its rows for long.
_IDLE_IN_TRANSACTION_MS: Final = 10_000


class Patience:
    """True while the database answered not long ago, so that asking it again makes sense.

    The engine asks again for ever, but whoever waits for a film wants to be told. It looks at this
    as at a yes or no before each time it asks again, in any thread.
    """

    def __init__(self, clock: Clock, *, limit_s: float) -> None:
        self._clock = clock
        self._limit_us = round(limit_s * 1_000_000)
        self._answered_us = clock.elapsed_us()
        self._is_over = False

    def __bool__(self) -> bool:
        return not self._is_over and self._clock.elapsed_us() - self._answered_us < self._limit_us

    def renew(self) -> None:
        """Note that the database answered just now."""
        self._answered_us = self._clock.elapsed_us()

    def end(self) -> None:
        """Be patient no more: the process wants to stop."""
        self._is_over = True


def system_url_for(url: str) -> str:
    """Return where workflows are kept when our rows are in the database at `url`.

    On PostgreSQL that is the same database, in a schema of its own; beside a SQLite file it is
    another, so that the two never wait for each other's lock.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return url
    file = Path(parsed.database)
    beside = parsed.set(database=str(file.with_name(f"{file.stem}.durable{file.suffix}")))
    return beside.render_as_string(hide_password=False)


def open_system_database(url: str, *, durability: str, patience: Patience) -> sa.Engine:
    """Return the pool of connections to the database at `url`, which renews `patience`.

    Raises `StorageUnavailable` if a folder cannot be made for a SQLite file.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = _sqlite(parsed, durability)
    else:
        engine = _postgres(parsed)

    @sa.event.listens_for(engine, "checkout")
    def _renew(*_: object) -> None:  # on PostgreSQL the connection has just been tried
        patience.renew()

    return engine


def unusable(url: str, cause: str) -> StorageUnavailable:
    """Return the report on a database that cannot be used; `cause` is its driver's message."""
    return StorageUnavailable(
        attempted=f"keep workflows in {sa.make_url(url).render_as_string(hide_password=True)}",
        found=cause.strip().splitlines()[0],
        remedy=(
            "Check that it runs, that the URL is right and that the disk has room; then run again. "
            "Finished stages are kept."
        ),
    )


def _sqlite(url: sa.URL, durability: str) -> sa.Engine:
    # As the store sets its connections up, but for the transactions: DBOS expects the driver to
    # open them, with the write lock, at the first statement that changes something.
    if url.database:
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unusable(str(url), str(error)) from error
    engine = sa.create_engine(url)

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = "IMMEDIATE"
        set_up_connection(connection, strict=durability == "strict")

    return engine


def _postgres(url: sa.URL) -> sa.Engine:
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=_POOL_SIZE,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=True,
        connect_args={
            "application_name": "cinefab_durable",
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "options": f"-c idle_in_transaction_session_timeout={_IDLE_IN_TRANSACTION_MS}",
        },
    )

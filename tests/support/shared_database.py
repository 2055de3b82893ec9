"""One migrated database for all tests of a module, emptied between them: migrating takes longest."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from cinefab.store.database import Database
from cinefab.store.migrate import migrate
from cinefab.store.schema import METADATA

_COUNT = itertools.count()


@contextmanager
def migrated(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Database]:
    """Give a database of a kind (`sqlite` or `postgres`) with every table and no row."""
    if kind == "sqlite":
        yield from _opened(f"sqlite:///{folder / 'cinefab.db'}")
        return
    server: str = request.getfixturevalue("postgres_server")
    name = f"shared_{next(_COUNT)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    try:
        yield from _opened(f"{server}/{name}")
    finally:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def empty(db: Database, *tables: str) -> None:
    """Take every row out of some tables, which are named with those that refer to them first."""
    with db.write() as connection:
        for name in tables:
            connection.execute(METADATA.tables[name].delete())


def _opened(url: str) -> Iterator[Database]:
    db = Database(url)
    migrate(db)
    try:
        yield db
    finally:
        db.close()

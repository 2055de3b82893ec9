"""A database goes into a file and out of it again, as it was at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cinefab.core.errors import StorageUnavailable
from cinefab.core.ids import TenantId
from cinefab.store.database import Database
from cinefab.store.dumps import (
    dump_postgres,
    dump_sqlite,
    export_snapshot,
    is_empty,
    restore_postgres,
)
from cinefab.store.facts import OutboxEvent, record_event
from cinefab.store.schema import METADATA

TENANT = TenantId("ten_a")


@pytest.fixture
def with_password(postgres_url: str) -> str:
    """Give the URL of an empty database, with a password that needs every kind of care."""
    return postgres_url.replace("cinefab@", "cinefab:a%3Ab%5Cc%40d@")


@pytest.fixture
def other_url(postgres_url: str) -> Iterator[str]:
    server, _, name = postgres_url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}_other")
    yield f"{server}/{name}_other"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name}_other WITH (FORCE)")


def told(db: Database, subject: str) -> None:
    with db.write() as connection:
        event = OutboxEvent(kind="job.created", subject=subject, body={})
        record_event(connection, event, tenant=TENANT, now_us=1)


def count(db: Database) -> int:
    with db.read() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM outbox").scalar_one())


def test_postgresql_is_dumped_as_a_snapshot_saw_it_and_put_back_whole(
    with_password: str, other_url: str, tmp_path: Path
) -> None:
    db, other = Database(with_password), Database(other_url)
    METADATA.create_all(db.engine)
    told(db, "before")
    with db.read() as connection:
        snapshot = export_snapshot(connection)
        told(db, "after")
        dump_postgres(with_password, tmp_path / "dump", snapshot=snapshot)
    empty_before = is_empty(other)

    restore_postgres(tmp_path / "dump", other_url)

    assert empty_before
    assert (count(db), count(other)) == (2, 1)
    with pytest.raises(StorageUnavailable, match="already exists"):
        restore_postgres(tmp_path / "dump", other_url)
    assert count(other) == 1
    db.close()
    other.close()


def test_sqlite_is_copied_amid_a_write_without_what_is_not_committed(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'a.db'}")
    METADATA.create_all(db.engine)
    told(db, "before")
    with db.write() as connection:
        event = OutboxEvent(kind="job.created", subject="amid", body={})
        record_event(connection, event, tenant=TENANT, now_us=1)
        dump_sqlite(tmp_path / "a.db", tmp_path / "b.db")
    copy = Database(f"sqlite:///{tmp_path / 'b.db'}")

    assert (count(db), count(copy)) == (2, 1)
    db.close()
    copy.close()


def test_what_cannot_be_dumped_says_why_and_keeps_the_password(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable) as refused:
        dump_postgres(
            "postgresql://nobody:secret@127.0.0.1:1/none", tmp_path / "dump", snapshot="1-1"
        )
    with pytest.raises(StorageUnavailable):
        dump_sqlite(tmp_path / "absent.db", tmp_path / "copy.db")

    assert "secret" not in str(refused.value)

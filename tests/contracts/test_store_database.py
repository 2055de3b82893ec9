"""The database keeps its promises on both kinds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cinefab.core.errors import StorageUnavailable
from cinefab.core.ids import TenantId
from cinefab.store.database import Database
from cinefab.store.durability import Durability
from cinefab.store.facts import AuditLeaf, OutboxEvent, leaf_hash, record_event, record_leaf
from cinefab.store.schema import METADATA, log_leaf, outbox

TENANT = TenantId("ten_a")


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    METADATA.create_all(db.engine)
    yield db
    db.close()


def test_what_one_transaction_writes_becomes_true_together_or_not_at_all(db: Database) -> None:
    leaf = AuditLeaf(kind="job.created", subject="job_1", body={"n": 1})
    event = OutboxEvent(kind="job.created", subject="job_1", body={"n": 1})

    with pytest.raises(RuntimeError), db.write() as connection:
        record_leaf(connection, leaf, tenant=TENANT, now_us=1)
        record_event(connection, event, tenant=TENANT, now_us=1)
        raise RuntimeError("the process thinks better of it")

    with db.read() as connection:
        assert connection.execute(sa.select(log_leaf)).all() == []
        assert connection.execute(sa.select(outbox)).all() == []


def test_a_leaf_is_hashed_over_exactly_the_body_that_is_kept(db: Database) -> None:
    with db.write() as connection:
        leaf = AuditLeaf(kind="job.created", subject="job_1", body={"é": "ü"})
        record_leaf(connection, leaf, tenant=TENANT, now_us=7)

    with db.read() as connection:
        row = connection.execute(sa.select(log_leaf)).one()
    assert row.leaf_hash == leaf_hash(row.body.encode())
    assert row.created_us == 7


def test_row_ids_are_never_used_again(db: Database) -> None:
    event = OutboxEvent(kind="k", subject="s", body={})
    with db.write() as connection:
        record_event(connection, event, tenant=TENANT, now_us=1)
        connection.execute(outbox.delete())

    with db.write() as connection:
        record_event(connection, event, tenant=TENANT, now_us=1)

    with db.read() as connection:
        assert connection.execute(sa.select(outbox.c.id)).scalar_one() > 1


@pytest.mark.parametrize(("durability", "pragma"), [(Durability.NORMAL, 1), (Durability.STRICT, 2)])
def test_sqlite_runs_in_wal_mode_and_syncs_as_told(
    tmp_path: Path, durability: Durability, pragma: int
) -> None:
    db = Database(f"sqlite:///{tmp_path}/a.db", durability=durability)

    with db.read() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()

    db.close()
    assert (mode, synchronous) == ("wal", pragma)


@pytest.mark.parametrize(
    "url", ["mysql://x/y", "nonsense", "postgresql://nobody:secret@127.0.0.1:1/none"]
)
def test_a_database_that_cannot_be_used_says_so_and_keeps_the_password(url: str) -> None:
    with pytest.raises(StorageUnavailable) as caught:
        db = Database(url)
        with db.read():
            pass

    assert caught.value.remedy
    assert "secret" not in str(caught.value)


def test_a_read_sees_one_state_of_the_database_from_its_first_row_to_its_last(
    db: Database,
) -> None:
    event = OutboxEvent(kind="k", subject="s", body={})
    with db.read() as reading:
        before = reading.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one()
        with db.write() as connection:
            record_event(connection, event, tenant=TENANT, now_us=1)

        after = reading.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one()

    assert (before, after) == (0, 0)


def test_postgresql_ends_a_session_that_stands_still_amid_a_transaction(postgres_url: str) -> None:
    db = Database(f"{postgres_url}?options=-c%20idle_in_transaction_session_timeout%3D100")
    cut = pytest.raises(StorageUnavailable)
    with cut, db.write() as connection:
        connection.exec_driver_sql("SELECT 1")
        time.sleep(0.5)
        connection.exec_driver_sql("SELECT 2")
    db.close()
    plain = Database(postgres_url)
    with plain.read() as connection:
        found = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar_one()
    plain.close()

    assert found == "1min"

"""Figures of pieces are kept once, for their tenant and for the measure that took them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cinefab.core.canonical import sha256_of
from cinefab.core.ids import TenantId
from cinefab.review.kept_figures import find_figures, record_figures
from cinefab.store.database import Database
from cinefab.store.migrate import migrate

TENANT, OTHER = TenantId("ten_a"), TenantId("ten_b")
PIECE, SECOND = sha256_of(b"piece"), sha256_of(b"second")


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    migrate(db)
    yield db
    db.close()


def keep(db: Database, value: int, *, tenant: TenantId = TENANT, measure: str = "film/1") -> None:
    with db.write() as connection:
        record_figures(
            connection, {PIECE: {"frames": value}}, tenant=tenant, measure=measure, now_us=1
        )


def found(db: Database, *, tenant: TenantId = TENANT, measure: str = "film/1") -> object:
    with db.read() as connection:
        return find_figures(connection, [PIECE, SECOND], tenant=tenant, measure=measure)


def test_what_was_taken_is_found_by_the_pieces_digest(db: Database) -> None:
    keep(db, 7)

    assert found(db) == {PIECE: {"frames": 7}}


def test_the_first_figures_of_a_piece_stay(db: Database) -> None:
    keep(db, 7)
    keep(db, 8)

    assert found(db) == {PIECE: {"frames": 7}}


def test_another_tenant_and_another_measure_find_nothing(db: Database) -> None:
    keep(db, 7)

    assert found(db, tenant=OTHER) == {}
    assert found(db, measure="film/2") == {}

"""Refused takes are remembered by key and judgement: for their tenant, until their bytes are gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.ids import AssetId, JobId, TenantId
from cinefab.generate.refusals import (
    RefusedTake,
    find_refusals,
    forget_refusals,
    record_refusal,
)
from cinefab.generate.segments import KeptSegment
from cinefab.store.database import Database
from cinefab.store.migrate import migrate

TENANT = TenantId("ten_1")
KEY, OTHER = (Sha256(sha256_of(name)) for name in (b"key", b"other"))
STRICT, LENIENT = (Sha256(sha256_of(name)) for name in (b"strict", b"lenient"))


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    migrate(made)
    yield made
    made.close()


def a_refusal(bytes_of: bytes = b"take", *, job: str = "job_1") -> RefusedTake:
    return RefusedTake(
        made=KeptSegment(
            key=KEY, asset=AssetId("ast_1"), digest=Sha256(sha256_of(bytes_of)), frames=12
        ),
        judged_by=STRICT,
        verdict={"check": "black", "reason": "it is black", "frame": 0},
        job=JobId(job),
    )


def remembered(db: Database, judged_by: Sha256 = STRICT, tenant: TenantId = TENANT) -> object:
    with db.read() as connection:
        return find_refusals(connection, [KEY, OTHER], judged_by=judged_by, tenant=tenant)


def test_a_refusal_is_found_by_its_key_and_judgement_and_by_its_tenant_alone(db: Database) -> None:
    with db.write() as connection:
        record_refusal(connection, a_refusal(), tenant=TENANT, now_us=1)

    assert remembered(db) == {KEY: a_refusal()}
    assert remembered(db, judged_by=LENIENT) == {}
    assert remembered(db, tenant=TenantId("ten_2")) == {}


def test_a_take_that_is_refused_again_is_remembered_by_its_newer_bytes(db: Database) -> None:
    newer = a_refusal(b"made anew", job="job_2")
    for refused in (a_refusal(), newer, newer):
        with db.write() as connection:
            record_refusal(connection, refused, tenant=TENANT, now_us=1)

    assert remembered(db) == {KEY: newer}


def test_what_is_forgotten_is_forgotten_under_its_judgement_alone(db: Database) -> None:
    other = replace(a_refusal(), judged_by=LENIENT)
    with db.write() as connection:
        for refused in (a_refusal(), other):
            record_refusal(connection, refused, tenant=TENANT, now_us=1)
        forget_refusals(connection, [a_refusal()], tenant=TENANT)

    assert remembered(db) == {}
    assert remembered(db, judged_by=LENIENT) == {KEY: other}

"""The breaker's row: workers that ask and tell at once agree, on either database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from cinefab.core.ids import TenantId
from cinefab.schedule.breakers import (
    State,
    after_failure,
    after_success,
    asked,
    find_breaker,
    lock_breaker,
    store_breaker,
    troubled,
)
from cinefab.schedule.containment import Containment
from cinefab.store.database import Database
from cinefab.store.migrate import migrate
from cinefab.store.schema import outbox

POLICY = Containment(open_after=3, rest_s=10)
TENANT = TenantId("ten_local")
S = 1_000_000


@pytest.fixture
def workers(database_url: str) -> Iterator[list[Database]]:
    found = [Database(database_url) for _ in range(4)]
    migrate(found[0])
    yield found
    for each in found:
        each.close()


def fails(db: Database, job: str, now_us: int) -> None:
    with db.write() as connection:
        before = lock_breaker(connection, "dear")
        after = after_failure(before, job=job, why="it is away", now_us=now_us, policy=POLICY)
        store_breaker(connection, before, after, tenant=TENANT, now_us=now_us)


def may(db: Database, now_us: int) -> bool:
    with db.write() as connection:
        before = lock_breaker(connection, "dear")
        allowed, after = asked(before, now_us=now_us)
        store_breaker(connection, before, after, tenant=TENANT, now_us=now_us)
    return allowed


def test_failures_that_different_workers_see_at_once_are_all_counted(
    workers: list[Database],
) -> None:
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda each: fails(each[1], f"job_{each[0]}", S), enumerate(workers[:3])))

    with workers[3].read() as connection:
        found = find_breaker(connection, "dear")
        assert set(troubled(connection)) == {"dear"}
    assert found.state is State.OPEN
    assert len(found.failed) == 3
    assert found.until_us == 11 * S


def test_of_workers_that_ask_at_once_when_its_rest_is_over_one_tries_it(
    workers: list[Database],
) -> None:
    for number in range(3):
        fails(workers[number], f"job_{number}", S)

    early = [may(db, 5 * S) for db in workers]
    with ThreadPoolExecutor(4) as threads:
        trying = list(threads.map(lambda db: may(db, 12 * S), workers))
    with workers[2].write() as connection:
        before = lock_breaker(connection, "dear")
        store_breaker(connection, before, after_success(before), tenant=TENANT, now_us=13 * S)
    after = [may(db, 14 * S) for db in workers]

    assert early == [False] * 4
    assert sorted(trying) == [False, False, False, True]
    assert after == [True] * 4
    with workers[0].read() as connection:
        told = connection.execute(sa.select(outbox.c.kind).order_by(outbox.c.id)).scalars()
        assert list(told) == ["model.open", "model.half_open", "model.closed"]
        assert troubled(connection) == {}

"""Fifty orders at the door at once: no budget and no quota is passed, and who is refused leaves nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from cinefab.app.settings import load_settings
from cinefab.app.studio import Studio
from cinefab.core.errors import BudgetTooSmall, QuotaExceeded
from cinefab.core.ids import KeyId
from cinefab.core.units import Uusd
from cinefab.economics.budgets import Period, Scope, Spenders, budgets_of, set_budget
from cinefab.ingest.brief import parse_brief
from cinefab.jobs.cancelling import cancel_job
from cinefab.jobs.door import Opened, open_job
from cinefab.jobs.status import JobStatus
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop
from cinefab.record.books import check_books
from cinefab.store.schema import log_leaf, outbox
from cinefab.tenancy.quotas import Quota, set_quota

pytestmark = pytest.mark.both_databases

ORDERS = 50
KEY = KeyId("cfk_1")


@pytest.fixture
def shop(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    monkeypatch.setenv("CINEFAB_HOME", str(tmp_path / "home"))
    settings = load_settings({"db": database_url, "out": tmp_path / "out"})
    with Studio(settings, tell=lambda _news: None) as studio:
        yield studio.shop


def _order(shop: Workshop, number: int) -> Opened:
    text = f"""
title: Number {number}
shots: [{{seconds: 1, caption: One}}]
output: {{size: 320x180, fps: 12}}
quality: preview
budget: 0.10
"""
    brief = parse_brief(text, origin="brief", now_us=0)
    return open_job(
        shop,
        brief,
        base=Path(),
        out=Path("out"),
        requested_us=0,
        spenders=Spenders(key=KEY, labels={"project": "spot"}),
    )


def _race(shop: Workshop) -> Counter[str]:
    def order(number: int) -> str:
        try:
            _order(shop, number)
        except (BudgetTooSmall, QuotaExceeded) as error:
            return type(error).__name__
        return "ordered"

    with ThreadPoolExecutor(ORDERS) as pool:
        return Counter(pool.map(order, range(ORDERS)))


def _counts(shop: Workshop) -> tuple[int, int, int]:
    with shop.recorder.db.read() as connection:
        jobs = connection.execute(sa.select(sa.func.count()).select_from(job_table)).scalar_one()
        leaves, events = (
            connection.execute(
                sa.select(sa.func.count()).select_from(table).where(table.c.kind == "job.created")
            ).scalar_one()
            for table in (log_leaf, outbox)
        )
        assert check_books(connection, tenant=shop.tenant).findings == ()
    return jobs, leaves, events


def test_fifty_orders_at_once_against_a_keys_budget_for_ten_are_ten_jobs(shop: Workshop) -> None:
    with shop.recorder.db.write() as connection:
        set_budget(
            connection,
            tenant=shop.tenant,
            scope=Scope.KEY,
            subject=KEY,
            period=Period.MONTH,
            limit=Uusd(1_000_000),
            by=shop.principal,
            now_us=shop.recorder.clock.now_us(),
        )

    outcomes = _race(shop)

    assert outcomes == {"ordered": 10, "BudgetTooSmall": 40}
    assert _counts(shop) == (10, 10, 10)
    with shop.recorder.db.read() as connection:
        (standing,) = budgets_of(
            connection, tenant=shop.tenant, now_us=shop.recorder.clock.now_us()
        )
    assert (standing.used, standing.left) == (1_000_000, 0)


def test_fifty_orders_at_once_with_ten_jobs_allowed_are_ten_jobs(shop: Workshop) -> None:
    with shop.recorder.db.write() as connection:
        set_quota(
            connection,
            tenant=shop.tenant,
            quota=Quota(jobs_in_flight=10),
            by=shop.principal,
            now_us=1,
        )

    outcomes = _race(shop)

    assert outcomes == {"ordered": 10, "QuotaExceeded": 40}
    assert _counts(shop) == (10, 10, 10)


def test_a_job_that_has_ended_makes_room_for_another_and_gives_its_money_back(
    shop: Workshop,
) -> None:
    shop = replace(shop, usual_quota=Quota(jobs_in_flight=1))
    with shop.recorder.db.write() as connection:
        set_budget(
            connection,
            tenant=shop.tenant,
            scope=Scope.LABEL,
            subject="project=spot",
            period=Period.TOTAL,
            limit=Uusd(100_000),
            by=shop.principal,
            now_us=1,
        )
    first = _order(shop, 1)
    with pytest.raises(QuotaExceeded, match="1 of its 1 jobs"):
        _order(shop, 2)
    assert _order(shop, 1).resumed, "the same order is the same job, however full the studio is"

    cancel_job(shop, first.job, by="a test")

    assert not _order(shop, 2).resumed
    with shop.recorder.db.read() as connection:
        statuses = connection.execute(sa.select(job_table.c.status).order_by(job_table.c.id))
        assert list(statuses.scalars()) == [JobStatus.CANCELLED, JobStatus.WAITING]
        (standing,) = budgets_of(connection, tenant=shop.tenant, now_us=2)
        assert standing.used == 100_000


def test_a_job_of_unknown_cost_does_not_slip_past_a_budget(shop: Workshop) -> None:
    unpriced = replace(shop, prices=type(shop.prices)({}))
    text = "title: Free\nshots: [{seconds: 1, caption: One}]\noutput: {size: 320x180, fps: 12}\n"
    brief = parse_brief(text, origin="brief", now_us=0)
    with shop.recorder.db.write() as connection:
        set_budget(
            connection,
            tenant=shop.tenant,
            scope=Scope.TENANT,
            subject="",
            period=Period.TOTAL,
            limit=Uusd(100_000),
            by=shop.principal,
            now_us=1,
        )

    with pytest.raises(BudgetTooSmall, match="no price is set"):
        open_job(unpriced, brief, base=Path(), out=Path("out"), requested_us=0)

    assert _counts(shop) == (0, 0, 0)

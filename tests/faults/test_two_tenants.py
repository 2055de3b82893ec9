"""Two tenants in one studio: its workers make the films of both, and neither is any of the other's."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from studio_runs import Studio as Commands

from cinefab.app.settings import load_settings
from cinefab.app.studio import Studio
from cinefab.core.brief import Queue
from cinefab.core.canonical import sha256_of
from cinefab.core.errors import Unavailable
from cinefab.core.ids import JobId, PrincipalId, TenantId
from cinefab.deliver.releases import find_release
from cinefab.economics.report import ledger_report
from cinefab.economics.tables import transfer
from cinefab.generate.tables import segment
from cinefab.ingest.brief import load_written
from cinefab.jobs.cancelling import cancel_job
from cinefab.jobs.caretaking import Caretaker
from cinefab.jobs.door import open_job
from cinefab.jobs.owners import working_as
from cinefab.jobs.report import build_report
from cinefab.jobs.rounds import current_workflow, load_order
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import load_asset
from cinefab.provenance.lineage import ancestors, lineage_of
from cinefab.provenance.tables import asset, edge
from cinefab.record.books import check_books
from cinefab.review.gate import Question
from cinefab.review.items import Item, record_item
from cinefab.store.database import Database
from cinefab.store.schema import log_leaf
from cinefab.tenancy.tables import principal, tenant

_LEFT: Final = TenantId("ten_left")
_RIGHT: Final = TenantId("ten_right")
_TENANTS: Final = (_LEFT, _RIGHT)


def test_a_killed_workers_films_of_two_tenants_are_finished_and_share_nothing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CINEFAB_HOME", str(tmp_path / "home"))
    commands = Commands(tmp_path, database_url)
    settings = load_settings({"db": database_url, "out": tmp_path / "out"})
    with Studio(settings, tell=lambda _news: None) as studio:
        shops = {each: _member(studio.shop, each) for each in _TENANTS}
        jobs = {each: _order(shop, commands.brief()) for each, shop in shops.items()}

        with _worker(commands) as killed:
            _wait(studio.shop.recorder.db, jobs, {"running"})
            os.killpg(killed.pid, signal.SIGKILL)
            killed.wait()
        with _worker(commands):
            _wait(studio.shop.recorder.db, jobs, {"delivered"})

        for each, shop in shops.items():
            _assert_made_alone(shop, jobs[each])
        _assert_strangers(shops[_LEFT], shops[_RIGHT], jobs[_RIGHT])
        _assert_strangers(shops[_RIGHT], shops[_LEFT], jobs[_LEFT])
        _assert_no_edge_between(studio.shop.recorder.db)


def test_a_tenant_cannot_stop_the_job_of_another(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CINEFAB_HOME", str(tmp_path / "home"))
    settings = load_settings({"db": database_url, "out": tmp_path / "out"})
    brief = Commands(tmp_path, database_url).brief()
    with Studio(settings, tell=lambda _news: None) as studio:
        left, right = (_member(studio.shop, each) for each in _TENANTS)
        job = _order(left, brief)

        assert not cancel_job(right, job, by="a stranger")

        assert _statuses(studio.shop.recorder.db, [job]) == {"waiting"}
        assert cancel_job(left, job, by="its owner")


def test_what_waited_in_vain_is_ended_for_every_tenant_and_told_to_its_own(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CINEFAB_HOME", str(tmp_path / "home"))
    settings = load_settings({"db": database_url, "out": tmp_path / "out"})
    brief = Commands(tmp_path, database_url).brief()
    with Studio(settings, tell=lambda _news: None) as studio:
        shops = [_member(studio.shop, each) for each in _TENANTS]
        jobs = [_order(shop, brief) for shop in shops]
        with studio.shop.recorder.db.write() as connection:
            connection.execute(job_table.update().values(status="needs_person"))
            for shop, job in zip(shops, jobs, strict=True):
                record_item(connection, _overdue(job), tenant=shop.tenant)

        Caretaker(studio.shop)._end_overdue()

        assert _statuses(studio.shop.recorder.db, jobs) == {"refused"}
        with studio.shop.recorder.db.read() as connection:
            told = sa.select(log_leaf.c.tenant_id, log_leaf.c.subject).where(
                log_leaf.c.kind == "review.decided"
            )
            assert {tuple(row) for row in connection.execute(told)} == set(
                zip(_TENANTS, jobs, strict=True)
            )


def _overdue(job: JobId) -> Item:
    nothing = sha256_of(b"")
    return Item(
        id=f"rvw_{job}",
        job=job,
        round=0,
        queue=Queue.STANDARD,
        title="Nobody came",
        question=Question(check="review", text="May it leave?", frame=None),
        cut=nothing,
        still=nothing,
        shown_frame=0,
        opened_us=0,
        due_us=1,
    )


def _member(shop: Workshop, which: TenantId) -> Workshop:
    """Write a tenant with one principal, and return the workshop as theirs."""
    who = PrincipalId(which.replace("ten_", "prn_"))
    with shop.recorder.db.write() as connection:
        connection.execute(tenant.insert().values(id=which, name=which, created_us=0))
        connection.execute(
            principal.insert().values(
                id=who, tenant_id=which, kind="person", name=who, created_us=0
            )
        )
    return working_as(shop, tenant=which, principal=who)


def _order(shop: Workshop, brief: Path) -> JobId:
    written = load_written(brief, now_us=0)
    out = Path(brief.parent / "out")
    opened = open_job(
        shop, written.brief, base=brief.parent, out=out, requested_us=0, written=written
    )
    assert not opened.resumed, "another tenant's job was taken for this one's"
    return opened.job


@contextlib.contextmanager
def _worker(commands: Commands) -> Iterator[subprocess.Popen[str]]:
    process = commands.start("worker")
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _wait(db: Database, jobs: dict[TenantId, JobId], wanted: set[str]) -> None:
    until = time.monotonic() + 90
    while _statuses(db, list(jobs.values())) != wanted:
        assert time.monotonic() < until, _statuses(db, list(jobs.values()))
        time.sleep(0.05)


def _statuses(db: Database, jobs: list[JobId]) -> set[str]:
    with db.read() as connection:
        found = sa.select(job_table.c.status).where(job_table.c.public_id.in_(jobs))
        return set(connection.execute(found).scalars())


def _assert_made_alone(shop: Workshop, job: JobId) -> None:
    report: Any = build_report(shop, job)
    assert report["status"] == "delivered"
    assert report["content_credentials"]["state"] == "trusted"
    assert {each["made_by"] for each in report["segments"]} == {"run"}
    with shop.recorder.db.read() as connection:
        assert not check_books(connection, tenant=shop.tenant).findings
        owners = sa.select(asset.c.tenant_id).where(asset.c.job_id == job).distinct()
        assert list(connection.execute(owners).scalars()) == [shop.tenant]
        posts = sa.select(transfer.c.job_id, transfer.c.tenant_id).where(
            transfer.c.job_id.is_not(None), transfer.c.tenant_id == shop.tenant
        )
        assert {row.job_id for row in connection.execute(posts)} == {job}
        keys = sa.select(segment.c.key).group_by(segment.c.key).having(sa.func.count() > 1)
        assert not connection.execute(keys).all(), "two tenants have a key in common"


def _assert_strangers(mine: Workshop, theirs: Workshop, job: JobId) -> None:
    for ask in (load_order, current_workflow):
        with pytest.raises(Unavailable, match="there is none by that id"):
            ask(mine, job)
    with mine.recorder.db.read() as connection:
        made = connection.execute(
            sa.select(asset.c.public_id).where(asset.c.tenant_id == theirs.tenant)
        ).scalars()
        for public_id in made:
            with pytest.raises(Unavailable):
                load_asset(connection, mine.tenant, public_id)
        released = find_release(connection, tenant=theirs.tenant, job=job)
        assert released is not None
        assert find_release(connection, tenant=mine.tenant, job=job) is None
        film = load_asset(connection, theirs.tenant, released.asset)
        assert len(lineage_of(connection, theirs.tenant, film)) > 1
        assert not ancestors(connection, mine.tenant, film), "a stranger walked the lineage"
        ledger = ledger_report(connection, tenant=mine.tenant)
        assert job not in {each.job for each in ledger.jobs}


def _assert_no_edge_between(db: Database) -> None:
    made, source = asset.alias(), asset.alias()
    across = (
        sa.select(edge)
        .join(made, made.c.id == edge.c.dst)
        .join(source, source.c.id == edge.c.src)
        .where(made.c.tenant_id != source.c.tenant_id)
    )
    with db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(edge)).scalar_one() > 0
        assert not connection.execute(across).all()

"""Mark and sweep, on both databases and both kinds of blobs: what is needed stays, races end well."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cinefab.core.canonical import Sha256
from cinefab.core.clock import ManualClock
from cinefab.core.errors import StorageUnavailable
from cinefab.core.ids import AssetId, JobId, LeaseId, SeededIds, TenantId
from cinefab.core.stage import (
    Charge,
    Content,
    Elapsed,
    Lineage,
    Relation,
    SourceEdge,
    TimeClass,
)
from cinefab.core.units import WHOLE_BP, BasisPoints, DeviceUs
from cinefab.deliver.releases import Release, record_release
from cinefab.economics.leases import open_lease
from cinefab.economics.ledger import Overrun
from cinefab.economics.prices import PriceBook
from cinefab.economics.report import ledger_report
from cinefab.economics.tables import storage_line, storage_period, transfer
from cinefab.generate.refusals import RefusedTake, find_refusals, record_refusal
from cinefab.generate.resume import StoredPoint, find_points, record_point
from cinefab.generate.segments import KeptSegment, find_segments, record_segment
from cinefab.generate.tables import resume_point
from cinefab.jobs.status import JobStatus
from cinefab.jobs.sweeping import Retention, Swept, sweep
from cinefab.jobs.tables import brief as brief_table
from cinefab.jobs.tables import job as job_table
from cinefab.provenance.assets import Asset
from cinefab.provenance.authority import open_authority
from cinefab.record.books import check_books
from cinefab.record.commit import NewAsset, Recorder, StageRef, commit_stage
from cinefab.record.tables import stage as stage_table
from cinefab.review.results import record_findings
from cinefab.store.blobs import Blobs
from cinefab.store.database import Database
from cinefab.store.facts import AuditLeaf, OutboxEvent
from cinefab.store.migrate import migrate
from cinefab.store.schema import log_leaf, swept_blob
from cinefab.store.sweeping import refuse_swept
from cinefab.tenancy.local import LOCAL_TENANT, record_local_tenant

DAY_US = 86_400_000_000
DAYS = {"segment": 30, "rung": 30, "cut": 7, "orphan": 7}


@dataclass
class Place:
    """A database, blobs and a clock, and short ways to make what a sweep looks at."""

    db: Database
    blobs: Blobs
    clock: ManualClock
    recorder: Recorder
    count: int = 0

    def asset(
        self,
        content: bytes,
        kind: str,
        *,
        job: str,
        made_from: tuple[AssetId, ...] = (),
        facts: Any = None,
        key: str | None = None,
        put: bool = True,
        refuse: bool = False,
    ) -> Asset:
        """Store bytes and commit them as an asset of a stage of their own."""
        self.count += 1
        digest = self.blobs.put(content) if put else Sha256(self.digest(content))
        shares = [WHOLE_BP // len(made_from)] * len(made_from) if made_from else []
        if shares:
            shares[0] = BasisPoints(WHOLE_BP - sum(shares[1:]))
        sources = tuple(
            SourceEdge(source=source, relation=Relation.COMPONENT_OF, weight_bp=BasisPoints(share))
            for source, share in zip(made_from, shares, strict=True)
        )
        new = NewAsset(
            content=Content(
                digest=digest,
                kind=kind,
                media_type="video/mp4",
                size_bytes=len(content),
                facts=facts or {},
            ),
            lineage=Lineage(
                made_by="test@1", sources=sources, digital_source_type="algorithmicMedia"
            ),
        )
        ref = StageRef(tenant=LOCAL_TENANT, job=JobId(job), name=f"stage:{self.count}")
        now_us = self.clock.now_us()
        with self.db.write() as connection:
            lease = open_lease(
                connection,
                tenant=LOCAL_TENANT,
                device_class="cpu-core",
                worker="wrk_test",  # type: ignore[arg-type]
                job=ref.job,
                stage=ref.name,
                prices=PriceBook(),
                ids=self.recorder.ids,
                now_us=now_us,
            )
        made: list[Asset] = []

        def also(connection: sa.Connection, assets: tuple[Asset, ...]) -> None:
            if refuse:
                refuse_swept(connection, [digest], has=self.blobs.has)
            made.extend(assets)
            if key is not None:
                kept = KeptSegment(
                    key=Sha256(key), asset=assets[0].public_id, digest=digest, frames=1
                )
                record_segment(connection, kept, tenant=LOCAL_TENANT, now_us=now_us)

        commit_stage(
            self.recorder,
            ref,
            assets=[new],
            charged=Charge(
                lease=LeaseId(lease),
                device_class="cpu-core",
                by_class={TimeClass.GOOD: DeviceUs(1)},
            ),
            took=Elapsed(started_us=now_us, took_us=1),
            leaf=AuditLeaf(kind="stage.committed", subject=job, body={}),
            event=OutboxEvent(kind="stage.committed", subject=job, body={}),
            facts={},
            overrun=Overrun.EXTEND,
            also=also,
        )
        return made[0]

    def digest(self, content: bytes) -> str:
        """Return the name of bytes."""
        return hashlib.sha256(content).hexdigest()

    def job(self, name: str, status: JobStatus, document: str = "{}") -> str:
        """Write a job's row."""
        with self.db.write() as connection:
            key = connection.execute(
                brief_table.insert().values(
                    tenant_id=LOCAL_TENANT, digest=name, document=document, created_us=0
                )
            ).inserted_primary_key
            assert key is not None
            connection.execute(
                job_table.insert().values(
                    public_id=name,
                    tenant_id=LOCAL_TENANT,
                    principal_id="prn_test",
                    brief_id=key[0],
                    status=status,
                    out="/nowhere",
                    requested_us=0,
                    created_us=0,
                )
            )
        return name

    def release(self, job: str, film: Asset) -> None:
        """Write a release's row."""
        made = Release(
            job=JobId(job), asset=film.public_id, digest=film.sha256, frames=1, fps=Fraction(1)
        )
        with self.db.write() as connection:
            record_release(connection, made, tenant=LOCAL_TENANT, now_us=self.clock.now_us())

    def sweep(
        self,
        *,
        dry_run: bool = False,
        price: int | None = 23_000_000,
        before_deleting: Callable[[], None] = lambda: None,
        days: dict[str, int] | None = None,
    ) -> Swept:
        """Sweep with a day of grace."""
        return sweep(
            self.db,
            self.blobs,
            clock=self.clock,
            retention=Retention(days=DAYS if days is None else days, grace_us=DAY_US),
            nusd_per_gb_month=price,
            dry_run=dry_run,
            before_deleting=before_deleting,
        )

    def pass_days(self, days: float) -> None:
        """Let time pass."""
        self.clock.advance(round(days * DAY_US))

    def there(self, asset: Asset) -> bool:
        """Say whether an asset's bytes are still there."""
        return self.blobs.has(asset.sha256)

    def findings(self) -> list[str]:
        """Return what is wrong with the books but for stages that no ledger of the tests charged."""
        with self.db.read() as connection:
            return [str(each) for each in check_books(connection, tenant=LOCAL_TENANT).findings]


@pytest.fixture(params=["sqlite-folder", "postgres-folder", "sqlite-bucket"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    database, _, blobs = str(request.param).partition("-")
    database_url, blobs_url = f"sqlite:///{tmp_path}/cinefab.db", f"file://{tmp_path}/blobs"
    if database == "postgres":
        database_url = request.getfixturevalue("postgres_url")
    if blobs == "bucket":
        blobs_url = request.getfixturevalue("s3_bucket")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    clock = ManualClock()
    # The store's own clock is the machine's; time only ever moves forward from there.
    clock.advance(time.time_ns() // 1000 - clock.now_us())
    db = Database(database_url)
    migrate(db)
    with db.write() as connection:
        record_local_tenant(connection, now_us=clock.now_us())
    authority = open_authority(tmp_path / "authority", clock=clock)
    recorder = Recorder(db=db, signer=authority.signer, clock=clock, ids=SeededIds(clock, 1))
    yield Place(
        db=db,
        blobs=Blobs(blobs_url, cache=tmp_path / "cache"),
        clock=clock,
        recorder=recorder,
    )
    db.close()


def a_released_film(place: Place) -> dict[str, Asset]:
    job = place.job("job_released", JobStatus.DELIVERED)
    photo = place.asset(b"photo", "reference", job=job)
    body = place.asset(b"body", "segment", job=job, made_from=(photo.public_id,), key="k-body")
    rung = place.asset(b"rung", "rung", job=job, made_from=(body.public_id,), key="k-rung")
    cut = place.asset(b"cut", "cut", job=job, made_from=(body.public_id,))
    film = place.asset(b"film", "film", job=job, made_from=(cut.public_id,))
    part = place.asset(b"part", "release.segment", job=job, made_from=(rung.public_id,))
    place.release(job, film)
    return {"photo": photo, "body": body, "rung": rung, "cut": cut, "film": film, "part": part}


def test_nothing_in_the_lineage_of_a_release_ever_goes(place: Place) -> None:
    made = a_released_film(place)
    place.pass_days(60)

    swept = place.sweep()

    assert all(place.there(each) for each in made.values())
    assert (swept.gone, swept.marked) == ({}, 6)


def test_the_report_of_a_release_keeps_its_pictures_whoever_made_them(place: Place) -> None:
    made = a_released_film(place)
    failed = place.job("job_failed", JobStatus.FAILED)
    thumbnail = place.blobs.put(b"a small picture of a piece")
    place.asset(
        b"tail", "segment", job="job_released", made_from=(made["photo"].public_id,), key="k-tail"
    )
    body = place.asset(
        b"second body", "segment", job=failed, key="k-2", facts={"thumbnail": thumbnail}
    )
    cut = place.asset(b"second cut", "cut", job="job_two", made_from=(body.public_id,))
    film = place.asset(b"second film", "film", job="job_two", made_from=(cut.public_id,))
    place.release(place.job("job_two", JobStatus.DELIVERED), film)
    # First pictures, and what was seen of a cut: of its own, and of a job before it that failed.
    own = [
        place.asset(f"own {kind}".encode(), kind, job="job_two")
        for kind in ("plan", "timeline", "preview", "still", "captions")
    ]
    reused = place.asset(b"first picture", "preview", job=failed, key="k-still")
    seen = place.asset(b"a frame with a question", "still", job=failed)
    unseen = place.asset(b"another film's first picture", "preview", job=failed)
    with place.db.write() as connection:
        connection.execute(
            stage_table.insert().values(
                tenant_id=LOCAL_TENANT,
                job_id="job_two",
                name="deliver",
                assets="[]",
                facts=json.dumps({"digest": film.sha256, "preview": reused.sha256}),
                committed_us=place.clock.now_us(),
            )
        )
        record_findings(
            connection,
            [{"check": "freeze@1", "frames": [{"sha256": seen.sha256}]}],
            tenant=LOCAL_TENANT,
            cut=cut.sha256,
            order=Sha256(place.digest(b"order")),
            checks="freeze@1",
            now_us=place.clock.now_us(),
        )
    place.pass_days(400)

    kinds = ("plan", "timeline", "preview", "still", "captions", "segment", "cut", "orphan")
    swept = place.sweep(days=dict.fromkeys(kinds, 0))

    assert swept.gone == {"preview": 1, "segment": 1}
    assert not place.there(unseen)
    assert place.blobs.has(thumbnail)
    assert all(place.there(each) for each in (*own, reused, seen))
    with place.db.read() as connection:
        assert find_segments(connection, [Sha256("k-still")], tenant=LOCAL_TENANT)


def test_what_expired_goes_by_its_class_and_its_segment_is_given_up(place: Place) -> None:
    a_released_film(place)
    failed = place.job("job_failed", JobStatus.FAILED)
    segment = place.asset(b"failed segment", "segment", job=failed, key="k-failed")
    cut = place.asset(b"failed cut", "cut", job=failed, made_from=(segment.public_id,))
    review = place.asset(b"failed review", "review", job=failed, made_from=(cut.public_id,))
    orphan = place.blobs.put(b"left by a stage that broke off")

    place.pass_days(8)
    dry = place.sweep(dry_run=True)
    assert place.there(cut)
    first = place.sweep()
    assert (dry.gone, dry.bytes_freed) == (first.gone, first.bytes_freed)
    assert first.gone == {"cut": 1, "orphan": 1}
    assert not place.there(cut)
    assert not place.blobs.has(orphan)
    assert place.there(segment)

    place.pass_days(23)
    second = place.sweep()

    assert second.gone == {"segment": 1}
    assert second.bytes_freed == {"segment": len(b"failed segment")}
    assert not place.there(segment)
    assert place.there(review), "a class without days is kept for good"
    with place.db.read() as connection:
        assert not find_segments(connection, [Sha256("k-failed")], tenant=LOCAL_TENANT)
        assert find_segments(connection, [Sha256("k-body")], tenant=LOCAL_TENANT)
        leaves = [
            json.loads(body)["facts"]["digests"]
            for body in connection.execute(
                sa.select(log_leaf.c.body).where(log_leaf.c.kind == "blobs.swept")
            ).scalars()
        ]
    assert sorted(digest for leaf in leaves for digest in leaf) == sorted(
        [cut.sha256, orphan, segment.sha256]
    )
    assert place.findings() == []


def test_what_an_unfinished_job_made_brought_or_may_choose_stays(place: Place) -> None:
    old = place.job("job_old", JobStatus.FAILED)
    reusable = place.asset(b"reusable", "segment", job=old, key="k-reusable")
    font = place.blobs.put(b"a font that a brief brought")
    still = place.blobs.put(b"a small picture")
    running = place.job("job_running", JobStatus.RUNNING, f'{{"font": "blob:{font}/x.ttf"}}')
    own = place.asset(b"own", "segment", job=running, key="k-own", facts={"still": still})
    place.pass_days(60)

    assert place.sweep().gone == {}
    with place.db.write() as connection:
        connection.execute(job_table.update().values(status=JobStatus.CANCELLED))
    swept = place.sweep()

    assert swept.gone == {"segment": 3, "orphan": 1}, "the small picture goes with its segment"
    assert not place.there(reusable)
    assert not place.there(own)


def test_a_refused_take_is_forgotten_with_its_bytes_but_not_while_a_job_may_come_to_it(
    place: Place,
) -> None:
    failed = place.job("job_failed", JobStatus.REFUSED)
    made = place.asset(b"refused take", "segment", job=failed)
    judged_by, key = Sha256("j-1"), Sha256("k-refused")
    refused = RefusedTake(
        made=KeptSegment(key=key, asset=made.public_id, digest=made.sha256, frames=1),
        judged_by=judged_by,
        verdict={"check": "black"},
        job=JobId(failed),
    )
    with place.db.write() as connection:
        record_refusal(connection, refused, tenant=LOCAL_TENANT, now_us=place.clock.now_us())
    place.job("job_running", JobStatus.RUNNING)
    place.pass_days(60)

    def known() -> bool:
        with place.db.read() as connection:
            return bool(find_refusals(connection, [key], judged_by=judged_by, tenant=LOCAL_TENANT))

    assert place.sweep().gone == {}
    assert known()
    with place.db.write() as connection:
        connection.execute(job_table.update().values(status=JobStatus.CANCELLED))
    assert place.sweep().gone == {"segment": 1}
    assert not known()
    assert place.findings() == []


def test_what_is_younger_than_the_grace_period_stays_whatever_its_days(place: Place) -> None:
    failed = place.job("job_failed", JobStatus.FAILED)
    cut = place.asset(b"cut", "cut", job=failed)

    assert place.sweep(days={"cut": 0}).gone == {}
    place.pass_days(1.01)
    assert place.sweep(days={"cut": 0}).gone == {"cut": 1}
    assert not place.there(cut)


def test_bytes_that_a_release_shares_with_a_failed_job_stay(place: Place) -> None:
    made = a_released_film(place)
    failed = place.job("job_failed", JobStatus.FAILED)
    place.asset(b"cut", "cut", job=failed)
    place.pass_days(60)

    assert place.sweep().gone == {}
    assert place.there(made["cut"])


def test_a_stage_that_stored_its_bytes_before_a_sweep_cannot_commit_them_after_it(
    place: Place,
) -> None:
    failed = place.job("job_failed", JobStatus.FAILED)
    place.asset(b"same bytes", "cut", job=failed)
    place.pass_days(30)
    running = place.job("job_running", JobStatus.RUNNING)
    # The stage finds the bytes there already, and stores nothing; then the sweep comes.
    place.blobs.put(b"same bytes")

    def commit_meanwhile() -> None:
        with pytest.raises(StorageUnavailable, match="a sweep took it away"):
            place.asset(b"same bytes", "cut", job=running, put=False, refuse=True)

    assert place.sweep(before_deleting=commit_meanwhile).gone == {"cut": 1}
    with pytest.raises(StorageUnavailable, match="a sweep took it away"):
        place.asset(b"same bytes", "cut", job=running, put=False, refuse=True)

    again = place.asset(b"same bytes", "cut", job=running, refuse=True)

    assert place.there(again)
    assert place.sweep().gone == {}
    assert [f for f in place.findings() if "storage" in f] == []


def test_a_sweep_that_broke_off_is_finished_by_the_next(place: Place) -> None:
    failed = place.job("job_failed", JobStatus.FAILED)
    cut = place.asset(b"cut", "cut", job=failed)
    place.pass_days(30)

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.sweep(before_deleting=die)
    assert place.there(cut)
    place.sweep()

    assert not place.there(cut)
    with place.db.read() as connection:
        rows = connection.execute(sa.select(swept_blob.c.swept_us)).scalars().all()
    assert all(rows)
    assert place.findings() == []


def test_storage_is_charged_by_bytes_and_time_once_and_the_books_prove_it(place: Place) -> None:
    a_released_film(place)
    failed = place.job("job_failed", JobStatus.FAILED)
    place.asset(b"x" * 10**6, "cut", job=failed)
    place.pass_days(7.5)
    price = 10**12

    first = place.sweep(price=price)
    again = place.sweep(price=price)
    place.pass_days(30)
    later = place.sweep(price=price)

    small = sum(len(name) for name in ("photo", "body", "rung", "cut", "film", "part"))
    month_uusd = 1000 * 10**6  # a thousand dollars
    want = (10**6 + small) * 7.5 / 30 / 10**9 * month_uusd
    assert first.charged_uusd == pytest.approx(want, abs=1)
    assert again.charged_uusd == 0
    assert first.gone == {"cut": 1}
    assert later.charged_uusd == pytest.approx(small / 10**9 * month_uusd, abs=1)
    with place.db.read() as connection:
        report = ledger_report(connection, tenant=LOCAL_TENANT).storage
        periods = connection.execute(sa.select(sa.func.count()).select_from(storage_period))
        assert periods.scalar_one() == 8 + 30
    assert report.cost_uusd == first.charged_uusd + later.charged_uusd
    assert set(report.lines) == {"original", "segment", "rung", "cut", "release"}
    assert sum(report.lines.values()) == report.cost_uusd
    assert place.findings() == []


def test_unpriced_storage_is_counted_and_its_cost_is_unknown(place: Place) -> None:
    a_released_film(place)
    place.pass_days(2)

    swept = place.sweep(price=None)

    assert swept.charged_uusd is None
    with place.db.read() as connection:
        report = ledger_report(connection, tenant=LOCAL_TENANT).storage
    assert report.unpriced_byte_s == report.byte_s > 0
    assert place.findings() == []


CHANGES: dict[str, Callable[[], Any]] = {
    "time": lambda: storage_period.update().values(byte_s=storage_period.c.byte_s + 10**9),
    "line": lambda: storage_line.update().values(byte_s=storage_line.c.byte_s + 1),
    "cost": lambda: storage_period.update().values(cost_uusd=storage_period.c.cost_uusd + 1),
    "transfer": lambda: (
        transfer.update()
        .where(transfer.c.key.like("storage:%"))
        .values(amount=transfer.c.amount + 1)
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_storage_row_that_was_altered_is_found(place: Place, change: str) -> None:
    a_released_film(place)
    place.pass_days(2)
    place.sweep(price=10**12)
    assert place.findings() == []

    with place.db.write() as connection:
        connection.execute(CHANGES[change]())

    assert any("storage" in finding for finding in place.findings())


def test_bytes_that_were_counted_for_too_long_are_found(place: Place) -> None:
    a_released_film(place)
    place.pass_days(2)
    place.sweep(price=None)

    with place.db.write() as connection:
        for table in (storage_period, storage_line):
            connection.execute(table.update().values(byte_s=table.c.byte_s * 2))

    assert any("storage-time" in finding for finding in place.findings())


def test_commits_and_sweeps_at_once_leave_no_row_without_its_bytes(place: Place) -> None:
    failed = place.job("job_failed", JobStatus.FAILED)
    contents = [f"content {i}".encode() for i in range(12)]
    for content in contents:
        place.asset(content, "cut", job=failed)
    place.pass_days(30)
    running = place.job("job_running", JobStatus.RUNNING)
    kept: list[Asset] = []

    async def commit(content: bytes) -> None:
        for _ in range(20):
            try:
                made = await asyncio.to_thread(
                    place.asset, content, "cut", job=running, refuse=True
                )
            except StorageUnavailable:
                await asyncio.sleep(0.02)
            else:
                kept.append(made)
                return
        raise AssertionError("a stage was refused for too long")

    async def both() -> None:
        sweeping = asyncio.create_task(asyncio.to_thread(place.sweep))
        for content in contents:
            await commit(content)
        await sweeping

    asyncio.run(both())

    assert len(kept) == len(contents)
    assert all(place.there(each) for each in kept)
    assert place.findings() == []


def test_other_tenants_are_charged_for_their_own(place: Place) -> None:
    a_released_film(place)
    place.pass_days(1)
    place.sweep()

    with place.db.read() as connection:
        other = ledger_report(connection, tenant=TenantId("ten_other")).storage

    assert (other.byte_s, other.cost_uusd) == (0, 0)


def test_what_a_run_goes_on_from_is_kept_while_its_job_is_unfinished_and_goes_after(
    place: Place,
) -> None:
    running = place.job("job_running", JobStatus.RUNNING)
    failed = place.job("job_failed", JobStatus.FAILED)
    for job, content in ((running, b"old"), (running, b"new"), (failed, b"left")):
        digest = place.blobs.put(content)
        with place.db.write() as connection:
            record_point(
                connection,
                StoredPoint(part="at0", point=content.decode(), files={"made": digest}),
                tenant=LOCAL_TENANT,
                job=JobId(job),
                run=Sha256(job),
                now_us=place.clock.now_us(),
            )
    place.pass_days(10)

    swept = place.sweep(days={"resume": 1})

    assert dict(swept.gone) == {"resume": 2}
    with place.db.read() as connection:
        left = [
            [point.point for point in find_points(connection, Sha256(job), tenant=LOCAL_TENANT)]
            for job in (running, failed)
        ]
        rows = connection.execute(sa.select(sa.func.count()).select_from(resume_point)).scalar()
    assert (left, rows) == ([["new"], []], 1)

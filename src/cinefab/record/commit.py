"""The one function that makes a stage's result true: all of it, or nothing.

Asset, lineage, signature, charge, time, audit leaf and event are written in one transaction, and
each is a required argument. There is no other way to store a result: `record_asset` and
`post_charge` are imported here alone, and a test sees to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, canonical_json
from cinefab.core.clock import Clock
from cinefab.core.ids import AssetId, IdSource, JobId, TenantId
from cinefab.core.stage import Charge, Content, Elapsed, Lineage
from cinefab.core.units import Uusd
from cinefab.economics.ledger import Overrun, absorb_lost_lease, post_charge
from cinefab.latency.stage_times import record_stage_time
from cinefab.provenance.assets import Asset, record_asset
from cinefab.provenance.authority import LocalSigner
from cinefab.record.tables import stage
from cinefab.store.database import Database
from cinefab.store.facts import AuditLeaf, OutboxEvent, record_event, record_leaf

_SIBLING: Final = "sibling:"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRef:
    """A stage of a job; the pair of job and name is its idempotency key."""

    tenant: TenantId
    job: JobId
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAsset:
    """Stored bytes that become an asset, and where they come from."""

    content: Content
    lineage: Lineage


def sibling(position: int) -> AssetId:
    """Name an asset of the same commit by its position, to be the source of one after it."""
    return AssetId(f"{_SIBLING}{position}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedStage:
    """A stage that is finished for good; `cost_uusd` is None where a price is unknown."""

    name: str
    assets: tuple[AssetId, ...]
    facts: Json
    cost_uusd: Uusd | None


@dataclass(frozen=True, slots=True)
class Recorder:
    """What every commit needs and no stage should have to carry: database, signer, clock, ids."""

    db: Database
    signer: LocalSigner
    clock: Clock
    ids: IdSource


AlsoWrite = Callable[[sa.Connection, tuple[Asset, ...]], None]
"""Rows of a layer's own that must become true with the stage, such as its segments."""


def commit_stage(
    recorder: Recorder,
    ref: StageRef,
    *,
    assets: Sequence[NewAsset],
    charged: Charge,
    took: Elapsed,
    leaf: AuditLeaf,
    event: OutboxEvent,
    facts: Json,
    overrun: Overrun,
    also: AlsoWrite,
) -> CommittedStage:
    """Commit a stage's result in one transaction, exactly once for each `ref`.

    If the stage was committed before, by this process or by another that worked on the same job,
    nothing is stored again: the time that was spent goes into the ledger as waste that nobody is
    charged for, with bills for work that was not billed before, and the first result is returned.
    """
    assert assets, f"{ref.name}: a stage that makes nothing has nothing to commit"
    now_us = recorder.clock.now_us()
    with recorder.db.write() as connection:
        # Databases differ in what a failed INSERT does to a transaction; asking first does not.
        # On PostgreSQL two commits may both find nothing: the lock below lets one of them wait.
        _lock_stage(connection, ref)
        known = _find(connection, ref)
        if known is not None:
            absorb_lost_lease(
                connection,
                tenant=ref.tenant,
                lease=charged.lease,
                lost_us=charged.device_us,
                bills=charged.bills,
                now_us=now_us,
            )
            return known
        made = _record_assets(recorder, connection, ref, assets, now_us)
        cost = post_charge(
            connection,
            tenant=ref.tenant,
            job=ref.job,
            stage=ref.name,
            charge=charged,
            overrun=overrun,
            now_us=now_us,
        )
        record_stage_time(connection, tenant=ref.tenant, job=ref.job, stage=ref.name, took=took)
        record_leaf(connection, leaf, tenant=ref.tenant, now_us=now_us)
        record_event(connection, event, tenant=ref.tenant, now_us=now_us)
        also(connection, made)
        committed = CommittedStage(
            name=ref.name, assets=tuple(a.public_id for a in made), facts=facts, cost_uusd=cost
        )
        _insert(connection, ref, committed, now_us)
    return committed


def find_stage(db: Database, ref: StageRef) -> CommittedStage | None:
    """Return the stage as it was committed, or None if it is still to be done."""
    with db.read() as connection:
        return _find(connection, ref)


def load_stages(
    connection: sa.Connection, *, tenant: TenantId, job: JobId
) -> tuple[CommittedStage, ...]:
    """Return the job's committed stages in the order they were committed."""
    rows = connection.execute(
        sa.select(stage)
        .where(stage.c.tenant_id == tenant, stage.c.job_id == job)
        .order_by(stage.c.id)
    )
    return tuple(_from_row(row) for row in rows)


def nothing_else(_connection: sa.Connection, _made: tuple[Asset, ...]) -> None:
    """Write no further rows: what most stages pass as `also`."""


def _record_assets(
    recorder: Recorder,
    connection: sa.Connection,
    ref: StageRef,
    assets: Sequence[NewAsset],
    now_us: int,
) -> tuple[Asset, ...]:
    made: list[Asset] = []
    for asset in assets:
        sources = tuple(
            replace(edge, source=made[int(edge.source.removeprefix(_SIBLING))].public_id)
            if edge.source.startswith(_SIBLING)
            else edge
            for edge in asset.lineage.sources
        )
        made.append(
            record_asset(
                connection,
                tenant=ref.tenant,
                job=ref.job,
                content=asset.content,
                lineage=replace(asset.lineage, sources=sources),
                signer=recorder.signer,
                ids=recorder.ids,
                now_us=now_us,
            )
        )
    return tuple(made)


def _lock_stage(connection: sa.Connection, ref: StageRef) -> None:
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"{ref.job}:{ref.name}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def _find(connection: sa.Connection, ref: StageRef) -> CommittedStage | None:
    row = connection.execute(
        sa.select(stage).where(
            stage.c.tenant_id == ref.tenant,
            stage.c.job_id == ref.job,
            stage.c.name == ref.name,
        )
    ).first()
    return None if row is None else _from_row(row)


def _insert(
    connection: sa.Connection, ref: StageRef, committed: CommittedStage, now_us: int
) -> None:
    connection.execute(
        stage.insert().values(
            tenant_id=ref.tenant,
            job_id=ref.job,
            name=ref.name,
            assets=canonical_json(list(committed.assets)).decode(),
            facts=canonical_json(committed.facts).decode(),
            cost_uusd=committed.cost_uusd,
            committed_us=now_us,
        )
    )


def _from_row(row: sa.Row[tuple[object, ...]]) -> CommittedStage:
    return CommittedStage(
        name=row.name,
        assets=tuple(AssetId(asset) for asset in json.loads(row.assets)),
        facts=json.loads(row.facts),
        cost_uusd=None if row.cost_uusd is None else Uusd(row.cost_uusd),
    )

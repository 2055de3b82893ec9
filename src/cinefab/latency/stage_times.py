"""The time each stage took, written with its result and read for reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.ids import JobId, TenantId
from cinefab.core.stage import Elapsed
from cinefab.latency.tables import stage_time


def record_stage_time(
    connection: sa.Connection, *, tenant: TenantId, job: JobId, stage: str, took: Elapsed
) -> None:
    """Write how long a stage took, within the caller's transaction."""
    connection.execute(
        stage_time.insert().values(
            tenant_id=tenant,
            job_id=job,
            stage=stage,
            started_us=took.started_us,
            took_us=took.took_us,
        )
    )


def stage_times(
    connection: sa.Connection, *, tenant: TenantId, job: JobId
) -> Mapping[str, Elapsed]:
    """Return the job's committed stages and their times, in the order they were committed."""
    rows = connection.execute(
        sa.select(stage_time)
        .where(stage_time.c.tenant_id == tenant, stage_time.c.job_id == job)
        .order_by(stage_time.c.id)
    )
    return {row.stage: Elapsed(started_us=row.started_us, took_us=row.took_us) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTotal:
    """How many stages of a name were committed in the whole studio, and how long they took."""

    stage: str
    count: int
    took_us: int


def stage_totals(connection: sa.Connection) -> tuple[StageTotal, ...]:
    """Return the totals of all tenants, a stage's name as it is recorded."""
    rows = connection.execute(
        sa.select(
            stage_time.c.stage,
            sa.func.count().label("stages"),
            sa.func.sum(stage_time.c.took_us).label("took_us"),
        ).group_by(stage_time.c.stage)
    )
    return tuple(
        StageTotal(stage=row.stage, count=row.stages, took_us=int(row.took_us)) for row in rows
    )

"""The time each stage took, written with its result and read for reports."""

from __future__ import annotations

from collections.abc import Mapping

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

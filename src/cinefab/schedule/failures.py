"""Failed runs as rows: what a job's failures were, whichever worker saw them."""

from __future__ import annotations

import json

import sqlalchemy as sa

from cinefab.core.ids import JobId, TenantId
from cinefab.schedule.containment import Ended, FailedRun, Next
from cinefab.schedule.tables import failed_run


def record_failed_run(
    connection: sa.Connection, failed: FailedRun, *, tenant: TenantId, job: JobId
) -> None:
    """Write a failed run down, in the transaction that accounts for its lease."""
    connection.execute(
        failed_run.insert().values(
            tenant_id=tenant,
            job_id=job,
            stage=failed.stage,
            model=failed.model,
            kind=failed.kind,
            error=json.dumps(dict(failed.error), ensure_ascii=False, sort_keys=True),
            ended=failed.ended,
            follows=failed.follows,
            lease_id=failed.lease,
            created_us=failed.at_us,
        )
    )


def failed_runs_of(
    connection: sa.Connection, *, tenant: TenantId, job: JobId
) -> tuple[FailedRun, ...]:
    """Return the runs of a job that failed, oldest first."""
    rows = connection.execute(
        sa.select(failed_run)
        .where(failed_run.c.tenant_id == tenant, failed_run.c.job_id == job)
        .order_by(failed_run.c.id)
    )
    return tuple(
        FailedRun(
            stage=row.stage,
            model=row.model,
            kind=row.kind,
            error=json.loads(row.error),
            ended=None if row.ended is None else Ended(row.ended),
            follows=Next(row.follows),
            lease=row.lease_id,
            at_us=row.created_us,
        )
        for row in rows
    )

"""The ledger held against the stages that were committed and the jobs that ended."""

from __future__ import annotations

import sqlalchemy as sa

from cinefab.core.ids import JobId, TenantId
from cinefab.economics.check import LedgerCheck, check_ledger
from cinefab.record.tables import stage
from cinefab.store.schema import log_leaf


def check_books(connection: sa.Connection, *, tenant: TenantId) -> LedgerCheck:
    """Prove a tenant's ledger, and that it charges exactly the stages that were committed.

    Which jobs ended is read from the audit log, not from the jobs' own rows: a second path.
    """
    stages = connection.execute(
        sa.select(stage.c.job_id, stage.c.name).where(stage.c.tenant_id == tenant)
    )
    ends = ("job.delivered", "job.refused", "job.failed", "job.cancelled")
    ended = connection.execute(
        sa.select(log_leaf.c.subject).where(
            log_leaf.c.tenant_id == tenant, log_leaf.c.kind.in_(ends)
        )
    )
    return check_ledger(
        connection,
        tenant=tenant,
        ended={JobId(job) for job in ended.scalars()},
        committed={(JobId(row.job_id), row.name) for row in stages},
    )

"""The ledger held against the stages that were committed and the jobs that ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sqlalchemy as sa

from cinefab.core.ids import JobId, TenantId
from cinefab.economics.check import LedgerCheck, check_ledger
from cinefab.economics.findings import Finding
from cinefab.economics.report import job_costs
from cinefab.record.holdings import check_storage
from cinefab.record.tables import stage
from cinefab.store.schema import log_leaf


def check_books(connection: sa.Connection, *, tenant: TenantId) -> LedgerCheck:
    """Prove a tenant's ledger, and that it charges exactly the stages that were committed.

    Which jobs ended is read from the audit log, not from the jobs' own rows: a second path.
    """
    stages = connection.execute(
        sa.select(stage.c.job_id, stage.c.name, stage.c.cost_uusd).where(
            stage.c.tenant_id == tenant
        )
    ).all()
    ends = ("job.delivered", "job.refused", "job.failed", "job.cancelled")
    ended = connection.execute(
        sa.select(log_leaf.c.subject).where(
            log_leaf.c.tenant_id == tenant, log_leaf.c.kind.in_(ends)
        )
    )
    checked = check_ledger(
        connection,
        tenant=tenant,
        ended={JobId(job) for job in ended.scalars()},
        committed={(JobId(row.job_id), row.name) for row in stages},
    )
    said = {(row.job_id, row.name): row.cost_uusd for row in stages}
    return replace(
        checked,
        findings=(
            *checked.findings,
            *_misquoted(connection, tenant, said),
            *check_storage(connection, tenant=tenant),
        ),
    )


def _misquoted(
    connection: sa.Connection, tenant: TenantId, said: Mapping[tuple[str, str], int | None]
) -> tuple[Finding, ...]:
    """Return the stages whose own row quotes another cost than the ledger has for them."""
    found = []
    for job in sorted({job for job, _ in said}):
        for cost in job_costs(connection, tenant=tenant, job=JobId(job)).stages:
            quoted = said.get((job, cost.stage), cost.cost_uusd)
            if quoted != cost.cost_uusd:
                found.append(
                    Finding(
                        rule="stage-cost",
                        row=f"stage {cost.stage} of {job}",
                        wanted=f"{cost.cost_uusd} µUSD, as the ledger has it",
                        found=f"{quoted} µUSD",
                    )
                )
    return tuple(found)

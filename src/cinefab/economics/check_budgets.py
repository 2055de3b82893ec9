"""What budgets say they have used, held against the reservations that took it."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from cinefab.core.ids import TenantId
from cinefab.economics.budgets import Scope, used_since
from cinefab.economics.findings import Finding, as_usd
from cinefab.economics.tables import budget


def check(connection: sa.Connection, *, tenant: TenantId) -> Iterator[Finding]:
    """Yield what does not add up; reservations are held against the journal elsewhere."""
    rows = connection.execute(
        sa.select(budget).where(budget.c.tenant_id == tenant).order_by(budget.c.id)
    ).all()
    for row in rows:
        used = used_since(
            connection,
            tenant=tenant,
            scope=Scope(row.scope),
            subject=row.subject,
            since_us=row.since_us,
        )
        if row.used_uusd != used:
            yield Finding(
                rule="budget",
                row=f"{row.period} budget {row.id} of {row.scope} {row.subject}".rstrip(),
                wanted=f"{as_usd(used)} used, as reservations hold or have posted",
                found=as_usd(row.used_uusd),
            )

"""Quotas: how much a tenant may have at once: jobs in flight, requests a minute, bytes uploaded."""

from __future__ import annotations

from dataclasses import dataclass, fields

import sqlalchemy as sa

from cinefab.core.canonical import Json
from cinefab.core.errors import QuotaExceeded
from cinefab.core.ids import PrincipalId, TenantId
from cinefab.tenancy.principals import hold_tenant, tell
from cinefab.tenancy.tables import quota as quota_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The most of each; None is without a limit."""

    jobs_in_flight: int | None = None
    requests_per_minute: int | None = None
    upload_bytes: int | None = None


NO_QUOTA = Quota()


def find_quota(connection: sa.Connection, *, tenant: TenantId, usual: Quota) -> Quota:
    """Return a tenant's quota; where it has none of its own, what is `usual` in this studio."""
    row = connection.execute(
        sa.select(quota_table).where(quota_table.c.tenant_id == tenant)
    ).first()
    if row is None:
        return usual
    own = {each.name: getattr(row, each.name) for each in fields(Quota)}
    return Quota(
        **{name: getattr(usual, name) if value is None else value for name, value in own.items()}
    )


def set_quota(
    connection: sa.Connection, *, tenant: TenantId, quota: Quota, by: PrincipalId, now_us: int
) -> None:
    """Give a tenant a quota of its own, with an audit leaf; None is what is usual."""
    hold_tenant(connection, tenant)
    values = {each.name: getattr(quota, each.name) for each in fields(Quota)}
    connection.execute(quota_table.delete().where(quota_table.c.tenant_id == tenant))
    connection.execute(quota_table.insert().values(tenant_id=tenant, **values))
    said: Json = {"by": by, **values}
    tell(connection, "quota.set", tenant, said, tenant=tenant, now_us=now_us)


def check_jobs(quota: Quota, *, tenant: TenantId, in_flight: int) -> None:
    """Raise `QuotaExceeded` where a tenant may not have one job more."""
    if quota.jobs_in_flight is not None and in_flight >= quota.jobs_in_flight:
        raise QuotaExceeded(
            attempted=f"order a film for {tenant}",
            found=f"{in_flight} of its {quota.jobs_in_flight} jobs are in flight",
            remedy="Wait until one of them has ended, or cancel one.",
            retry_after_s=None,
        )


def check_upload(quota: Quota, *, tenant: TenantId, held_bytes: int, more_bytes: int) -> None:
    """Raise `QuotaExceeded` where a tenant may not upload so much more than it has."""
    if quota.upload_bytes is not None and held_bytes + more_bytes > quota.upload_bytes:
        raise QuotaExceeded(
            attempted=f"upload {more_bytes} bytes for {tenant}",
            found=f"{held_bytes} of its {quota.upload_bytes} bytes are taken",
            remedy="Delete uploads that nobody needs, or have the quota raised.",
            retry_after_s=None,
        )

"""Whose job it is: a worker works for every tenant of its studio, on each job as its own tenant.

A `Workshop` names the tenant and the principal that rows are written and asked for as. What is
known of a job before its tenant is, by its id alone, is asked here and nowhere else.
"""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from cinefab.core.errors import Unavailable
from cinefab.core.ids import JobId, PrincipalId, TenantId
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop


def working_as(shop: Workshop, *, tenant: TenantId, principal: PrincipalId) -> Workshop:
    """Return the same parts, whose rows are this tenant's and whose acts are this principal's."""
    if (shop.tenant, shop.principal) == (tenant, principal):
        return shop
    return replace(shop, tenant=tenant, principal=principal)


def workshop_of(shop: Workshop, job: JobId) -> Workshop:
    """Return the workshop as whoever ordered a job; raise `Unavailable` if there is no such job.

    It is for those who look after jobs of all tenants, not for a tenant's own questions.
    """
    with shop.recorder.db.read() as connection:
        return workshop_within(connection, shop, job)


def workshop_within(connection: sa.Connection, shop: Workshop, job: JobId) -> Workshop:
    """Do as `workshop_of` does, within the caller's transaction."""
    owner = connection.execute(
        sa.select(job_table.c.tenant_id, job_table.c.principal_id).where(
            job_table.c.public_id == job
        )
    ).first()
    if owner is None:
        raise no_such_job(job)
    return working_as(
        shop, tenant=TenantId(owner.tenant_id), principal=PrincipalId(owner.principal_id)
    )


def no_such_job(job: JobId) -> Unavailable:
    """Return the error for a job that is not there, or is not this tenant's: both read alike."""
    return Unavailable(
        attempted=f"find the job {job}",
        found="there is none by that id here",
        remedy="Give its id (job_…) or its folder, and the --db it was made in.",
    )

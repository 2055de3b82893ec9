"""A job's rounds: it waits for a person at the end of one, and goes on in the next.

Each round is a workflow of its own, under an id that names both, so that nothing has to stay awake
while a person thinks. What a round is given never changes: decisions belong to the rounds before.
"""

from __future__ import annotations

import json
from pathlib import Path

import sqlalchemy as sa

from cinefab.core.brief import Brief
from cinefab.core.ids import JobId, TenantId
from cinefab.ingest.brief import brief_from_document
from cinefab.jobs.owners import no_such_job
from cinefab.jobs.pins import pinned, pins_from_text
from cinefab.jobs.stages import Order
from cinefab.jobs.tables import brief as brief_table
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop
from cinefab.review.items import decisions_of


def workflow_id(job: JobId, round_number: int) -> str:
    """Return the id of the workflow that runs a round of a job: of the first, the job's own."""
    return f"{job}.{round_number}" if round_number else job


def round_of(workflow: str) -> tuple[JobId, int]:
    """Return the job and the round that a workflow runs."""
    job, _, number = workflow.partition(".")
    return JobId(job), int(number or 0)


def current_round(connection: sa.Connection, *, tenant: TenantId, job: JobId) -> int:
    """Return the round that a job is in; raise `Unavailable` if the tenant has no such job."""
    found = connection.execute(
        sa.select(job_table.c.round).where(
            job_table.c.tenant_id == tenant, job_table.c.public_id == job
        )
    ).scalar()
    if found is None:
        raise no_such_job(job)
    return int(found)


def current_workflow(shop: Workshop, job: JobId) -> str:
    """Return the id of the workflow that runs a job now, or ran it last."""
    with shop.recorder.db.read() as connection:
        return workflow_id(job, current_round(connection, tenant=shop.tenant, job=job))


def load_order(shop: Workshop, job: JobId, round_number: int | None = None) -> Order:
    """Return what a job was asked for, as of this round, or of the one that it is in.

    Raises `Unavailable` if there is no such job.
    """
    with shop.recorder.db.read() as connection:
        row = connection.execute(
            sa.select(job_table.c.out, job_table.c.round, job_table.c.models).where(
                job_table.c.tenant_id == shop.tenant, job_table.c.public_id == job
            )
        ).first()
        if row is None:
            raise no_such_job(job)
        at = row.round if round_number is None else round_number
        brief, revision = brief_as_of(connection, tenant=shop.tenant, job=job, round_number=at)
    brief, pins = pinned(brief, pins_from_text(row.models))
    return Order(job=job, brief=brief, out=Path(row.out), round=at, revision=revision, pins=pins)


def load_asked(shop: Workshop, job: JobId) -> Brief:
    """Return the brief of a job as it stands, as it was asked for: pinned to nothing."""
    with shop.recorder.db.read() as connection:
        at = current_round(connection, tenant=shop.tenant, job=job)
        return brief_as_of(connection, tenant=shop.tenant, job=job, round_number=at)[0]


def brief_as_of(
    connection: sa.Connection, *, tenant: TenantId, job: JobId, round_number: int
) -> tuple[Brief, int]:
    """Return the brief that a round of a job makes, and how often it was changed before."""
    revised = [
        made.brief
        for item, made in decisions_of(connection, tenant=tenant, job=job)
        if item.round < round_number and made.brief is not None
    ]
    ordered = sa.select(job_table.c.brief_id).where(
        job_table.c.tenant_id == tenant, job_table.c.public_id == job
    )
    brief_id = revised[-1] if revised else connection.execute(ordered).scalar_one()
    document = connection.execute(
        sa.select(brief_table.c.document).where(
            brief_table.c.tenant_id == tenant, brief_table.c.id == brief_id
        )
    ).scalar_one()
    return brief_from_document(json.loads(document)), len(revised)

"""A job's life: a table of allowed moves, and the one function that applies them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, canonical_json
from cinefab.core.ids import JobId, TenantId
from cinefab.economics.ledger import void_rest
from cinefab.jobs.tables import job
from cinefab.store.facts import AuditLeaf, OutboxEvent, record_event, record_leaf


class JobStatus(StrEnum):
    """Where a job stands; the last five are the end.

    A parked job ended so many processes that nobody takes it up but a person, who orders it again.
    """

    WAITING = "waiting"
    RUNNING = "running"
    NEEDS_PERSON = "needs_person"
    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PARKED = "parked"


ENDED: Final = frozenset(
    {
        JobStatus.DELIVERED,
        JobStatus.REFUSED,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
        JobStatus.PARKED,
    }
)

MOVES: Final[Mapping[JobStatus, frozenset[JobStatus]]] = {
    JobStatus.WAITING: frozenset({JobStatus.RUNNING, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.RUNNING: ENDED | {JobStatus.NEEDS_PERSON},
    # Never straight to delivered: who was asked lets it go on, and a new round delivers it.
    JobStatus.NEEDS_PERSON: frozenset(
        {JobStatus.WAITING, JobStatus.REFUSED, JobStatus.FAILED, JobStatus.CANCELLED}
    ),
    **{end: frozenset() for end in ENDED},
}


def find_status(connection: sa.Connection, *, tenant: TenantId, job_id: JobId) -> JobStatus:
    """Return where a job stands."""
    query = sa.select(job.c.status).where(job.c.tenant_id == tenant, job.c.public_id == job_id)
    return JobStatus(connection.execute(query).scalar_one())


def move_job(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    job_id: JobId,
    to: JobStatus,
    failure: Json = None,
    now_us: int,
    in_round: int | None = None,
) -> bool:
    """Move a job, with its audit leaf and its event; at an end, void what it had reserved.

    Returns False, and changes nothing, when the job is already there or the move is not in the
    table: a job that was cancelled cannot be delivered by whoever comes late. With `in_round`, a
    job that has gone on to another round is left alone too. A job that waits again after a person
    was asked is in its next round.
    """
    allowed_from = [status for status, targets in MOVES.items() if to in targets]
    here = [job.c.tenant_id == tenant, job.c.public_id == job_id, job.c.status.in_(allowed_from)]
    if in_round is not None:
        here.append(job.c.round == in_round)
    moved = connection.execute(
        job.update()
        .where(*here)
        .values(
            status=to,
            failure=None if failure is None else canonical_json(failure).decode(),
            ended_us=now_us if to in ENDED else None,
            round=job.c.round + (1 if to is JobStatus.WAITING else 0),
        )
    )
    if moved.rowcount == 0:
        return False
    facts: Json = {"status": to, "failure": failure}
    if to in ENDED:
        voided = void_rest(connection, tenant=tenant, job=job_id, now_us=now_us)
        facts = {"status": to, "failure": failure, "voided_uusd": voided}
    kind = f"job.{to}"
    record_leaf(
        connection, AuditLeaf(kind=kind, subject=job_id, body=facts), tenant=tenant, now_us=now_us
    )
    record_event(
        connection, OutboxEvent(kind=kind, subject=job_id, body=facts), tenant=tenant, now_us=now_us
    )
    return True

"""Sending a create again leads to the job that it led to: by its key, or by being alike and recent.

Both are asked and written in the transaction that writes the job, under a lock on the key, so that
fifty equal creates at one moment are one job.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from cinefab.core.canonical import Sha256
from cinefab.core.errors import CinefabError
from cinefab.core.ids import JobId, PrincipalId, TenantId
from cinefab.jobs.status import JobStatus
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop
from cinefab.store.schema import idempotency_key

_GIVEN_UP = (JobStatus.CANCELLED, JobStatus.FAILED, JobStatus.REFUSED)


class IdempotencyKeyReused(CinefabError):
    """An idempotency key that was sent before, with another request."""


class Orderer(Protocol):
    """Who asks for something to be made: whoever has a key, or a workshop for a job's owner."""

    @property
    def tenant(self) -> TenantId:
        """Whose it will be."""
        ...

    @property
    def principal(self) -> PrincipalId:
        """Who asks; another one's keys are other keys."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """How a create that is sent again is known: by `key` and the digest of what was asked, `body`.

    Without a key, one for the same brief by the same principal within `within_us` is the same, but
    for the job that is to be made `again`.
    """

    key: str | None
    body: Sha256
    within_us: int
    again: JobId | None = None


def lock_key(connection: sa.Connection, who: Orderer, once: Once) -> None:
    """Let nobody else use the key until the transaction ends; SQLite's writers are alone anyway."""
    if once.key is not None and connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"{who.tenant}:{who.principal}:{once.key}", 1)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def find_by_key(connection: sa.Connection, who: Orderer, once: Once) -> str | None:
    """Return the id that the key led to before; raise `IdempotencyKeyReused` if it was for something else."""
    if once.key is None:
        return None
    row = connection.execute(
        sa.select(idempotency_key.c.job_id, idempotency_key.c.body_digest).where(
            idempotency_key.c.tenant_id == who.tenant,
            idempotency_key.c.principal_id == who.principal,
            idempotency_key.c.key == once.key,
        )
    ).first()
    if row is None:
        return None
    if row.body_digest != once.body:
        raise IdempotencyKeyReused(
            attempted="create something under an Idempotency-Key",
            found=f"the key was sent before with another request, which led to {row.job_id}",
            remedy="Send the same request again under it, or give this one a key of its own.",
        )
    return str(row.job_id)


def find_alike(
    connection: sa.Connection, shop: Workshop, once: Once, brief_id: int
) -> JobId | None:
    """Return what the principal ordered by the same brief a moment ago, unless it was given up."""
    if once.key is not None:
        return None
    found = connection.execute(
        sa.select(job_table.c.public_id)
        .where(
            job_table.c.tenant_id == shop.tenant,
            job_table.c.principal_id == shop.principal,
            job_table.c.brief_id == brief_id,
            job_table.c.status.not_in(_GIVEN_UP),
            job_table.c.public_id != (once.again or ""),
            job_table.c.created_us >= shop.recorder.clock.now_us() - once.within_us,
        )
        .order_by(job_table.c.id.desc())
    ).scalar()
    return None if found is None else JobId(found)


def record_key(
    connection: sa.Connection, who: Orderer, once: Once, made: str, *, now_us: int
) -> None:
    """Write down the id that a key led to, in the transaction that writes what it is of."""
    if once.key is None:
        return
    connection.execute(
        idempotency_key.insert().values(
            tenant_id=who.tenant,
            principal_id=who.principal,
            key=once.key,
            body_digest=once.body,
            job_id=made,
            created_us=now_us,
        )
    )

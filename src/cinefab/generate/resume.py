"""Resume points that outlive their machine: which files a run that broke off continues from.

A run is named by what it makes, so whoever makes the same next goes on with it: the same job on
another worker, or another job that was ordered after the first one failed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.canonical import Sha256, canonical_json
from cinefab.core.ids import JobId, TenantId
from cinefab.generate.tables import resume_point


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPoint:
    """A resume point whose files are blobs: of which part of the run, its name, files by name."""

    part: str
    point: str
    files: Mapping[str, Sha256]


def record_point(
    connection: sa.Connection,
    stored: StoredPoint,
    *,
    run: Sha256,
    tenant: TenantId,
    job: JobId,
    now_us: int,
) -> None:
    """Keep a part's newest resume point instead of the one before it."""
    connection.execute(_open(run, tenant=tenant, part=stored.part).values(ended_us=now_us))
    connection.execute(
        resume_point.insert().values(
            tenant_id=tenant,
            job_id=job,
            run_key=run,
            part=stored.part,
            point=stored.point,
            files=canonical_json(dict(stored.files)).decode(),
            created_us=now_us,
        )
    )


def find_points(
    connection: sa.Connection, run: Sha256, *, tenant: TenantId
) -> tuple[StoredPoint, ...]:
    """Return the newest resume point of each part of a run that is not over."""
    rows = connection.execute(
        sa.select(resume_point)
        .where(
            resume_point.c.tenant_id == tenant,
            resume_point.c.run_key == run,
            resume_point.c.ended_us.is_(None),
        )
        .order_by(resume_point.c.id)
    )
    return tuple(
        StoredPoint(part=row.part, point=row.point, files=json.loads(row.files)) for row in rows
    )


def end_points(connection: sa.Connection, run: Sha256, *, tenant: TenantId, now_us: int) -> None:
    """Write that a run is over: nothing of it is to be continued."""
    connection.execute(_open(run, tenant=tenant).values(ended_us=now_us))


def _open(run: Sha256, *, tenant: TenantId, part: str | None = None) -> sa.Update:
    rows = resume_point.update().where(
        resume_point.c.tenant_id == tenant,
        resume_point.c.run_key == run,
        resume_point.c.ended_us.is_(None),
    )
    return rows if part is None else rows.where(resume_point.c.part == part)

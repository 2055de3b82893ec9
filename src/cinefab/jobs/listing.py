"""A tenant's jobs as its callers see them: one, or a page of many, newest first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, canonical_json
from cinefab.core.ids import AssetId, JobId, PrincipalId, TenantId
from cinefab.deliver.tables import release
from cinefab.jobs.owners import no_such_job
from cinefab.jobs.stages import PREVIEW
from cinefab.jobs.status import ENDED, JobStatus
from cinefab.jobs.tables import brief as brief_table
from cinefab.jobs.tables import job as job_table
from cinefab.record.tables import stage
from cinefab.store.facts import AuditLeaf, record_leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedJob:
    """A job's row with what its brief says of it; `film` is the asset that was released.

    `preview_film` is that of the preview that its brief wanted first, once it is there.
    """

    id: JobId
    principal: PrincipalId
    status: JobStatus
    title: str
    prompt: str
    model: str
    seconds: float
    size: str
    labels: Mapping[str, str]
    round: int
    created_us: int
    deadline_us: int | None
    first_preview_us: int | None
    ended_us: int | None
    failure: Json
    film: AssetId | None
    preview_film: AssetId | None
    is_put_away: bool

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ENDED


_LISTED: Final = (
    sa.select(job_table, brief_table.c.document, release.c.asset_id)
    .join(brief_table, brief_table.c.id == job_table.c.brief_id)
    .outerjoin(
        release,
        sa.and_(
            release.c.tenant_id == sa.bindparam("of"),
            release.c.job_id == job_table.c.public_id,
        ),
    )
    .where(
        job_table.c.tenant_id == sa.bindparam("of"), brief_table.c.tenant_id == sa.bindparam("of")
    )
)

# Built once: it is asked by every status read, and to build it takes as long as to ask.
_ONE: Final = _LISTED.where(job_table.c.public_id == sa.bindparam("job"))


def load_listed(connection: sa.Connection, *, tenant: TenantId, job: JobId) -> ListedJob:
    """Return a job; raise `Unavailable` if the tenant has none by this id."""
    found = _listed_rows(connection, tenant, connection.execute(_ONE, {"of": tenant, "job": job}))
    if not found:
        raise no_such_job(job)
    return found[0]


def list_jobs(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    limit: int,
    after: JobId | None = None,
    status: JobStatus | None = None,
    label: tuple[str, str] | None = None,
    oldest_first: bool = False,
) -> tuple[ListedJob, ...]:
    """Return up to `limit` jobs that were not put away, after another one in the order asked for.

    `label` is a name and a value that their briefs have.

    Raises `Unavailable` if the tenant has no job `after`.
    """
    which: list[sa.ColumnElement[bool]] = [job_table.c.put_away_us.is_(None)]
    if status is not None:
        which.append(job_table.c.status == status)
    if label is not None:
        # As canonical JSON writes it: within a text its quotes would be escaped.
        pair = canonical_json(list(label)).decode()
        which.append(brief_table.c.document.contains(pair, autoescape=True))
    if after is not None:
        row = connection.execute(
            sa.select(job_table.c.id).where(
                job_table.c.tenant_id == tenant, job_table.c.public_id == after
            )
        ).scalar()
        if row is None:
            raise no_such_job(after)
        which.append(job_table.c.id > row if oldest_first else job_table.c.id < row)
    return _rows(connection, tenant, *which, limit=limit, oldest_first=oldest_first)


def count_by_status(connection: sa.Connection) -> Mapping[JobStatus, int]:
    """Return how many jobs of all tenants stand where."""
    query = sa.select(job_table.c.status, sa.func.count()).group_by(job_table.c.status)
    found = {JobStatus(status): int(count) for status, count in connection.execute(query)}
    return {status: found.get(status, 0) for status in JobStatus}


def oldest_waiting_us(connection: sa.Connection) -> int | None:
    """Return when the job was created that waits longest for a worker, of any tenant."""
    query = sa.select(sa.func.min(job_table.c.created_us))
    found = connection.execute(query.where(job_table.c.status == JobStatus.WAITING)).scalar()
    return None if found is None else int(found)


def put_away(connection: sa.Connection, *, tenant: TenantId, job: JobId, now_us: int) -> None:
    """Show a job in no list any more; twice is as once."""
    changed = connection.execute(
        job_table.update()
        .where(
            job_table.c.tenant_id == tenant,
            job_table.c.public_id == job,
            job_table.c.put_away_us.is_(None),
        )
        .values(put_away_us=now_us)
    )
    if changed.rowcount:
        said = AuditLeaf(kind="job.put_away", subject=job, body={})
        record_leaf(connection, said, tenant=tenant, now_us=now_us)


def _rows(
    connection: sa.Connection,
    tenant: TenantId,
    *which: sa.ColumnElement[bool],
    limit: int,
    oldest_first: bool = False,
) -> tuple[ListedJob, ...]:
    found = connection.execute(
        _LISTED.where(*which)
        .order_by(job_table.c.id if oldest_first else job_table.c.id.desc())
        .limit(limit),
        {"of": tenant},
    )
    return _listed_rows(connection, tenant, found)


def _listed_rows(
    connection: sa.Connection, tenant: TenantId, found: Iterable[Any]
) -> tuple[ListedJob, ...]:
    rows = [(row, json.loads(row.document)) for row in found]
    wanted = [row.public_id for row, brief in rows if "preview_first" in brief]
    shown = _preview_films(connection, tenant, wanted) if wanted else {}
    return tuple(_listed(row, brief, shown.get(row.public_id)) for row, brief in rows)


def _preview_films(
    connection: sa.Connection, tenant: TenantId, jobs: list[str]
) -> Mapping[str, AssetId]:
    """Return the newest preview film of each job that has one."""
    signed = connection.execute(
        sa.select(stage.c.job_id, stage.c.assets)
        .where(
            stage.c.tenant_id == tenant,
            stage.c.job_id.in_(jobs),
            stage.c.name.startswith(f"{PREVIEW}deliver"),
        )
        .order_by(stage.c.id)
    )
    return {row.job_id: AssetId(json.loads(row.assets)[0]) for row in signed}


def _listed(row: Any, brief: Any, preview_film: AssetId | None) -> ListedJob:
    status = JobStatus(row.status)
    return ListedJob(
        id=JobId(row.public_id),
        principal=PrincipalId(row.principal_id),
        status=status,
        title=brief["title"],
        prompt=brief["prompt"],
        model=brief["model"],
        seconds=sum(shot["length_ms"] for shot in brief["shots"]) / 1000,
        size="{}x{}".format(*_size(brief)),
        labels=dict(brief["labels"]),
        round=row.round,
        created_us=row.created_us,
        deadline_us=row.deadline_us,
        first_preview_us=row.first_preview_us,
        ended_us=row.ended_us,
        failure=None if row.failure is None else json.loads(row.failure),
        film=AssetId(row.asset_id)
        if row.asset_id is not None and status is JobStatus.DELIVERED
        else None,
        preview_film=preview_film,
        is_put_away=row.put_away_us is not None,
    )


def _size(brief: Any) -> tuple[int, int]:
    output = brief["output"]
    return output["width"], output["height"]

"""The releases that were made: written once per job, found by job or by the file's digest."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import sqlalchemy as sa

from cinefab.core.canonical import Sha256
from cinefab.core.ids import AssetId, JobId, TenantId
from cinefab.deliver.tables import release


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A film that left the building; `digest` is the SHA-256 of the whole signed file."""

    job: JobId
    asset: AssetId
    digest: Sha256
    frames: int
    fps: Fraction


def record_release(
    connection: sa.Connection, made: Release, *, tenant: TenantId, now_us: int
) -> None:
    """Write a release within the caller's transaction."""
    connection.execute(
        release.insert().values(
            tenant_id=tenant,
            job_id=made.job,
            asset_id=made.asset,
            digest=made.digest,
            frames=made.frames,
            fps=str(made.fps),
            created_us=now_us,
        )
    )


def find_release(connection: sa.Connection, *, tenant: TenantId, job: JobId) -> Release | None:
    """Return the job's release, or None while there is none."""
    row = connection.execute(
        sa.select(release).where(release.c.tenant_id == tenant, release.c.job_id == job)
    ).first()
    if row is None:
        return None
    return Release(
        job=JobId(row.job_id),
        asset=AssetId(row.asset_id),
        digest=Sha256(row.digest),
        frames=row.frames,
        fps=Fraction(row.fps),
    )


def delivered_in_all(connection: sa.Connection) -> tuple[int, Fraction]:
    """Return how many films left the building for any tenant, and their seconds together."""
    rows = connection.execute(
        sa.select(release.c.fps, sa.func.count(), sa.func.sum(release.c.frames)).group_by(
            release.c.fps
        )
    ).all()
    seconds = sum((Fraction(int(frames)) / Fraction(fps) for fps, _, frames in rows), Fraction(0))
    return sum(count for _, count, _ in rows), seconds

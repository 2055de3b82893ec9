"""Segments by key: what was made before and need not be made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.ids import AssetId, JobId, TenantId
from cinefab.generate.tables import segment, take


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSegment:
    """A segment that exists: its key, its asset, and the digest of its bytes."""

    key: Sha256
    asset: AssetId
    digest: Sha256
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFacts:
    """What led to a take: everything needed to make it, or to explain it, again.

    `attempt` counts how often its shot was made again before; `refused` is why a check refused it.
    `stage` is what it was made in, as it is recorded, and `pixels` are those of one of its frames.
    """

    model: str
    seed: int
    input: Json
    versions: Json
    attempt: int = 0
    refused: str | None = None
    stage: str | None = None
    pixels: int | None = None


def find_segments(
    connection: sa.Connection, keys: Sequence[Sha256], *, tenant: TenantId
) -> Mapping[Sha256, KeptSegment]:
    """Return those of the tenant's segments that exist, by key."""
    rows = connection.execute(
        sa.select(segment).where(segment.c.tenant_id == tenant, segment.c.key.in_(keys))
    )
    kept = [
        KeptSegment(
            key=Sha256(row.key),
            asset=AssetId(row.asset_id),
            digest=Sha256(row.digest),
            frames=row.frames,
        )
        for row in rows
    ]
    return {found.key: found for found in kept}


def record_segment(
    connection: sa.Connection, made: KeptSegment, *, tenant: TenantId, now_us: int
) -> None:
    """Keep a segment for reuse; where its key is already kept, the first one stays."""
    if find_segments(connection, [made.key], tenant=tenant):
        return
    insert = segment.insert().values(
        tenant_id=tenant,
        key=made.key,
        asset_id=made.asset,
        digest=made.digest,
        frames=made.frames,
        created_us=now_us,
    )
    try:
        # Two jobs may make one segment at the same time; the savepoint keeps the loser's stage.
        with connection.begin_nested():
            connection.execute(insert)
    except sa.exc.IntegrityError:
        return


def forget_segment(connection: sa.Connection, kept: KeptSegment, *, tenant: TenantId) -> bool:
    """Give up a segment whose bytes are wrong; say whether this very one was still kept."""
    deleted = connection.execute(
        segment.delete().where(
            segment.c.tenant_id == tenant,
            segment.c.key == kept.key,
            # Another job may have made it again by now, and that one is to stay.
            segment.c.asset_id == kept.asset,
        )
    )
    return deleted.rowcount > 0


def record_take(
    connection: sa.Connection,
    facts: TakeFacts,
    *,
    tenant: TenantId,
    job: JobId,
    made: KeptSegment,
    now_us: int,
) -> None:
    """Write what led to a take, whether or not its segment was the first of its key."""
    connection.execute(
        take.insert().values(
            tenant_id=tenant,
            job_id=job,
            asset_id=made.asset,
            segment_key=made.key,
            model=facts.model,
            seed=facts.seed,
            input=canonical_json(facts.input).decode(),
            versions=canonical_json(facts.versions).decode(),
            attempt=facts.attempt,
            refused=facts.refused,
            stage=facts.stage,
            frames=made.frames,
            pixels=facts.pixels,
            created_us=now_us,
        )
    )

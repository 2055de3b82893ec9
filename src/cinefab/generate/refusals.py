"""Refused takes by key: what need not be made again to be refused again.

Only what a deterministic model made is remembered: of any other, the same key gives other bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.ids import AssetId, JobId, TenantId
from cinefab.generate.segments import KeptSegment
from cinefab.generate.tables import refused_take


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedTake:
    """A take that was refused: its bytes, by what it was judged, why, and in which job."""

    made: KeptSegment
    judged_by: Sha256
    verdict: Json
    job: JobId


def find_refusals(
    connection: sa.Connection, keys: Sequence[Sha256], *, judged_by: Sha256, tenant: TenantId
) -> Mapping[Sha256, RefusedTake]:
    """Return those of the keys whose takes were refused under the same judgement."""
    rows = connection.execute(
        sa.select(refused_take).where(
            refused_take.c.tenant_id == tenant,
            refused_take.c.segment_key.in_(keys),
            refused_take.c.judged_by == judged_by,
        )
    )
    return {
        Sha256(row.segment_key): RefusedTake(
            made=KeptSegment(
                key=Sha256(row.segment_key),
                asset=AssetId(row.asset_id),
                digest=Sha256(row.digest),
                frames=row.frames,
            ),
            judged_by=judged_by,
            verdict=json.loads(row.verdict),
            job=JobId(row.job_id),
        )
        for row in rows
    }


def record_refusal(
    connection: sa.Connection, refused: RefusedTake, *, tenant: TenantId, now_us: int
) -> None:
    """Remember a refused take; where its key is remembered already, the newer bytes count."""
    forget_refusals(connection, [refused], tenant=tenant)
    insert = refused_take.insert().values(
        tenant_id=tenant,
        job_id=refused.job,
        asset_id=refused.made.asset,
        segment_key=refused.made.key,
        judged_by=refused.judged_by,
        digest=refused.made.digest,
        frames=refused.made.frames,
        verdict=canonical_json(refused.verdict).decode(),
        created_us=now_us,
    )
    try:
        # Two jobs may be refused the same take at the same time; the savepoint keeps both stages.
        with connection.begin_nested():
            connection.execute(insert)
    except sa.exc.IntegrityError:
        return


def forget_refusals(
    connection: sa.Connection, gone: Sequence[RefusedTake], *, tenant: TenantId
) -> None:
    """Forget takes whose bytes are not what they were."""
    for each in gone:
        connection.execute(
            refused_take.delete().where(
                refused_take.c.tenant_id == tenant,
                refused_take.c.segment_key == each.made.key,
                refused_take.c.judged_by == each.judged_by,
            )
        )

"""Figures by piece: what was decoded and looked at once is not decoded for review again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256
from cinefab.core.ids import TenantId
from cinefab.review.tables import piece_figures


def find_figures(
    connection: sa.Connection, pieces: Sequence[Sha256], *, tenant: TenantId, measure: str
) -> Mapping[Sha256, Json]:
    """Return the figures that this measure took of those pieces, by digest, where they are kept."""
    rows = connection.execute(
        sa.select(piece_figures.c.digest, piece_figures.c.figures).where(
            piece_figures.c.tenant_id == tenant,
            piece_figures.c.digest.in_(pieces),
            piece_figures.c.measure == measure,
        )
    )
    return {Sha256(row.digest): json.loads(row.figures) for row in rows}


def record_figures(
    connection: sa.Connection,
    figures: Mapping[Sha256, Json],
    *,
    tenant: TenantId,
    measure: str,
    now_us: int,
) -> None:
    """Keep the figures of pieces by digest; where another job kept them first, those stay."""
    known = find_figures(connection, list(figures), tenant=tenant, measure=measure)
    for digest, document in figures.items():
        if digest in known:
            continue
        insert = piece_figures.insert().values(
            tenant_id=tenant,
            digest=digest,
            measure=measure,
            figures=json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False),
            created_us=now_us,
        )
        try:
            # Two jobs may measure one piece at the same time; the savepoint keeps the loser's stage.
            with connection.begin_nested():
                connection.execute(insert)
        except sa.exc.IntegrityError:
            continue

"""Lineage: everything an asset was made from, and everything that was made from it.

Both walk the edges by one recursive query over ids (UNION, so that a diamond is walked once);
depths and order are worked out from its rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256
from cinefab.core.ids import AssetId, JobId, TenantId
from cinefab.core.stage import Relation, SourceEdge
from cinefab.core.units import BasisPoints
from cinefab.provenance.asset import Asset, asset_from_row
from cinefab.provenance.tables import asset as asset_table
from cinefab.provenance.tables import edge

_IDS_PER_QUERY: Final = 500  # databases limit the parameters of one statement


@dataclass(frozen=True, slots=True)
class Relative:
    """An asset above or below another, and the least number of steps between them."""

    asset: Asset
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageEntry:
    """One asset of a lineage, what it is and what it was made from."""

    asset: AssetId
    kind: str
    sha256: Sha256
    made_by: str
    job: JobId | None
    digital_source_type: str
    sources: tuple[SourceEdge, ...]

    def as_dict(self) -> dict[str, Json]:
        """Return the entry as the report shows it; `sources` are the ids of assets.

        `weights_bp` has the weight of each source, in the same order.
        """
        return {
            "asset": self.asset,
            "kind": self.kind,
            "sha256": self.sha256,
            "made_by": self.made_by,
            "job": self.job,
            "digital_source_type": self.digital_source_type,
            "sources": [source.source for source in self.sources],
            "weights_bp": [source.weight_bp for source in self.sources],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One stored edge, by row ids."""

    dst: int
    src: int
    relation: Relation
    weight_bp: BasisPoints


def ancestors(connection: sa.Connection, tenant: TenantId, asset: Asset) -> tuple[Relative, ...]:
    """Return all that the asset was made from, nearest first, then oldest first."""
    edges = edges_above(connection, tenant, asset)
    return _relatives(connection, tenant, asset, [(e.dst, e.src) for e in edges])


def descendants(connection: sa.Connection, tenant: TenantId, asset: Asset) -> tuple[Relative, ...]:
    """Return all that was made from the asset, nearest first, then oldest first."""
    walk = _walk(tenant, asset, start=edge.c.src, end=edge.c.dst)
    edges = connection.execute(
        sa.select(edge.c.src, edge.c.dst).where(edge.c.src.in_(sa.select(walk.c.id)))
    )
    return _relatives(connection, tenant, asset, [(row.src, row.dst) for row in edges])


def lineage_of(
    connection: sa.Connection, tenant: TenantId, asset: Asset
) -> tuple[LineageEntry, ...]:
    """Return the asset and all that it was made from, each source before its results."""
    edges = edges_above(connection, tenant, asset)
    rows = {a.row_id: a for a in _load(connection, tenant, {asset.row_id, *(e.src for e in edges)})}
    sources: dict[int, list[SourceEdge]] = {row_id: [] for row_id in rows}
    for e in sorted(edges, key=lambda e: (e.src, e.relation)):
        sources[e.dst].append(
            SourceEdge(source=rows[e.src].public_id, relation=e.relation, weight_bp=e.weight_bp)
        )
    # Ids rise from source to result, so their order is a topological one.
    return tuple(
        LineageEntry(
            asset=a.public_id,
            kind=a.kind,
            sha256=a.sha256,
            made_by=a.made_by,
            job=a.job,
            digital_source_type=a.digital_source_type,
            sources=tuple(sources[row_id]),
        )
        for row_id, a in sorted(rows.items())
    )


def edges_above(connection: sa.Connection, tenant: TenantId, asset: Asset) -> tuple[Edge, ...]:
    """Return every edge between the asset and its oldest ancestors, in no particular order."""
    above = ids_above(tenant, asset)
    rows = connection.execute(sa.select(edge).where(edge.c.dst.in_(sa.select(above.c.id))))
    return tuple(
        Edge(
            dst=row.dst,
            src=row.src,
            relation=Relation(row.relation),
            weight_bp=BasisPoints(row.weight_bp),
        )
        for row in rows
    )


def ids_above(tenant: TenantId, asset: Asset) -> sa.CTE:
    """Return a query for the row ids, as `id`, of the asset and all that it was made from."""
    return _walk(tenant, asset, start=edge.c.dst, end=edge.c.src)


def _walk(tenant: TenantId, asset: Asset, *, start: sa.Column[int], end: sa.Column[int]) -> sa.CTE:
    # Edges never leave a tenant, so it is enough that the first asset is the tenant's own.
    walk = (
        sa.select(asset_table.c.id)
        .where(asset_table.c.id == asset.row_id, asset_table.c.tenant_id == tenant)
        .cte("walk", recursive=True)
    )
    return walk.union(sa.select(end).join_from(edge, walk, start == walk.c.id))


def _relatives(
    connection: sa.Connection, tenant: TenantId, asset: Asset, steps: Iterable[tuple[int, int]]
) -> tuple[Relative, ...]:
    nexts: dict[int, list[int]] = {}
    for here, there in steps:
        nexts.setdefault(here, []).append(there)
    depths = {asset.row_id: 0}
    level = [asset.row_id]
    while level:
        found = {there for here in level for there in nexts.get(here, ())} - depths.keys()
        depth = depths[level[0]] + 1
        depths.update(dict.fromkeys(found, depth))
        level = list(found)
    del depths[asset.row_id]
    loaded = (Relative(a, depths[a.row_id]) for a in _load(connection, tenant, set(depths)))
    return tuple(sorted(loaded, key=lambda r: (r.depth, r.asset.row_id)))


def _load(connection: sa.Connection, tenant: TenantId, row_ids: set[int]) -> list[Asset]:
    in_order = sorted(row_ids)
    found: list[Asset] = []
    for first in range(0, len(in_order), _IDS_PER_QUERY):
        some = in_order[first : first + _IDS_PER_QUERY]
        rows = connection.execute(
            sa.select(asset_table).where(
                asset_table.c.id.in_(some), asset_table.c.tenant_id == tenant
            )
        )
        found.extend(asset_from_row(row) for row in rows)
    return found

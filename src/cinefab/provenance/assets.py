"""Assets: recorded with their edges and their signed record in one go, found again by id or digest.

An asset is an event of making. The same bytes made twice are two assets over one blob, unless
the caller asks first whether they are known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cinefab.core.canonical import Sha256, canonical_json
from cinefab.core.errors import ContractMismatch, StorageUnavailable, Unavailable
from cinefab.core.ids import AssetId, IdSource, JobId, TenantId
from cinefab.core.stage import Content, Lineage, SourceEdge
from cinefab.core.units import WHOLE_BP
from cinefab.provenance.asset import Asset, asset_from_row
from cinefab.provenance.records import (
    SourceOfRecord,
    build_record,
    record_signing_key,
    sign_record,
)
from cinefab.provenance.signer import Signer
from cinefab.provenance.tables import asset, edge

__all__ = [
    "Asset",
    "assets_of_job",
    "facts_of_assets",
    "find_asset_by_digest",
    "load_asset",
    "record_asset",
]


def record_asset(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    job: JobId | None,
    content: Content,
    lineage: Lineage,
    signer: Signer,
    ids: IdSource,
    now_us: int,
) -> Asset:
    """Store a new asset, its edges and its signed record within the caller's transaction.

    Raises `Unavailable` for a source that the tenant does not have, and `ContractMismatch` for
    edges that name a source twice or whose weights are negative or do not sum to 10,000.
    """
    public_id = AssetId(ids.new("ast"))
    _check_weights(public_id, lineage.sources)
    sources = _load_sources(connection, tenant, lineage.sources)
    parameters = canonical_json(lineage.parameters).decode()
    record = build_record(
        public_id=public_id,
        tenant=tenant,
        sha256=content.digest,
        kind=content.kind,
        made_by=lineage.made_by,
        prompt_digest=lineage.prompt_digest,
        parameters=parameters,
        sources=tuple(
            SourceOfRecord(
                asset=source.source,
                sha256=Sha256(sources[source.source].sha256),
                relation=source.relation,
                weight_bp=source.weight_bp,
            )
            for source in lineage.sources
        ),
        digital_source_type=lineage.digital_source_type,
        created_us=now_us,
        job=job,
    )
    record_signing_key(connection, signer, now_us=now_us)
    row = connection.execute(
        asset.insert()
        .values(
            public_id=public_id,
            tenant_id=tenant,
            sha256=content.digest,
            kind=content.kind,
            media_type=content.media_type,
            size_bytes=content.size_bytes,
            job_id=job,
            made_by=lineage.made_by,
            prompt_digest=lineage.prompt_digest,
            parameters=parameters,
            digital_source_type=lineage.digital_source_type,
            facts=json.dumps(content.facts, sort_keys=True, allow_nan=False),
            created_us=now_us,
            record=record.decode(),
            signature=sign_record(record, signer=signer),
            key_id=signer.key_id,
        )
        .returning(asset)
    ).one()
    made = asset_from_row(row)
    _insert_edges(connection, made, [(sources[s.source].id, s) for s in lineage.sources])
    return made


def load_asset(connection: sa.Connection, tenant: TenantId, public_id: str) -> Asset:
    """Return the tenant's asset; raise `Unavailable` if it has none by that id."""
    row = connection.execute(
        sa.select(asset).where(asset.c.public_id == public_id, asset.c.tenant_id == tenant)
    ).first()
    if row is None:
        raise _not_found(AssetId(public_id))
    return asset_from_row(row)


def find_asset_by_digest(
    connection: sa.Connection, tenant: TenantId, sha256: Sha256, kind: str
) -> Asset | None:
    """Return the tenant's latest asset of that kind with exactly these bytes, if there is one."""
    row = connection.execute(
        sa.select(asset)
        .where(asset.c.tenant_id == tenant, asset.c.sha256 == sha256, asset.c.kind == kind)
        .order_by(asset.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else asset_from_row(row)


def assets_of_job(
    connection: sa.Connection, tenant: TenantId, job: JobId, kind: str
) -> tuple[Asset, ...]:
    """Return what a job of the tenant's made of that kind, in the order in which it did."""
    rows = connection.execute(
        sa.select(asset)
        .where(asset.c.tenant_id == tenant, asset.c.job_id == job, asset.c.kind == kind)
        .order_by(asset.c.id)
    )
    return tuple(asset_from_row(row) for row in rows)


def facts_of_assets(
    connection: sa.Connection, tenant: TenantId, public_ids: Sequence[AssetId]
) -> Mapping[AssetId, Mapping[str, Any]]:
    """Return what is recorded of the content of each of the tenant's assets among these."""
    rows = connection.execute(
        sa.select(asset.c.public_id, asset.c.facts).where(
            asset.c.public_id.in_(public_ids), asset.c.tenant_id == tenant
        )
    )
    return {AssetId(row.public_id): json.loads(row.facts) for row in rows}


def _check_weights(public_id: AssetId, sources: tuple[SourceEdge, ...]) -> None:
    if not sources:
        return
    weights = [source.weight_bp for source in sources]
    pairs = {(source.source, source.relation) for source in sources}
    if any(weight < 0 for weight in weights) or sum(weights) != WHOLE_BP:
        found = f"weights {weights}, which sum to {sum(weights)}"
        remedy = "Weigh the sources in whole basis points, none below 0, 10000 in all."
    elif len(pairs) != len(sources):
        found = "the same source twice in the same relation"
        remedy = "Name each source once and add up its weights."
    else:
        return
    raise ContractMismatch(attempted=f"record asset {public_id}", found=found, remedy=remedy)


def _load_sources(
    connection: sa.Connection, tenant: TenantId, sources: tuple[SourceEdge, ...]
) -> dict[AssetId, sa.Row[Any, Any, Any]]:
    if not sources:
        return {}
    rows = connection.execute(
        sa.select(asset.c.id, asset.c.public_id, asset.c.sha256).where(
            asset.c.tenant_id == tenant,
            asset.c.public_id.in_({source.source for source in sources}),
        )
    )
    known = {AssetId(row.public_id): row for row in rows}
    for source in sources:
        if source.source not in known:
            raise _not_found(source.source)
    return known


def _insert_edges(
    connection: sa.Connection, made: Asset, sources: list[tuple[int, SourceEdge]]
) -> None:
    if not sources:
        return
    newest = max(row_id for row_id, _ in sources)
    if newest >= made.row_id:
        # Nothing can be made from what comes later; this is what keeps lineage free of cycles.
        raise StorageUnavailable(
            attempted=f"record asset {made.public_id}",
            found=f"its row id {made.row_id} is not above its source's {newest}",
            remedy="The id counter of table asset was set back: set it above the largest id there.",
        )
    connection.execute(
        edge.insert(),
        [
            {"dst": made.row_id, "src": row_id, "relation": e.relation, "weight_bp": e.weight_bp}
            for row_id, e in sources
        ],
    )


def _not_found(public_id: AssetId) -> Unavailable:
    # The same answer whether it never was or is somebody else's: ids of others stay unknown.
    return Unavailable(
        attempted=f"find asset {public_id}",
        found="there is no such asset here",
        remedy="Check the id, and that you look as the tenant and in the database that made it.",
    )

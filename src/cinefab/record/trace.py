"""A trace: everything an asset was made from, with what each making took, cost and was signed by."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from cinefab.core.canonical import Sha256
from cinefab.core.clock import iso_utc
from cinefab.core.errors import Unavailable
from cinefab.core.ids import JobId, TenantId
from cinefab.latency.stage_times import stage_times
from cinefab.provenance.asset import Asset
from cinefab.provenance.assets import load_asset
from cinefab.provenance.lineage import lineage_of
from cinefab.provenance.records import RecordBroken, RecordHolds, verify_record
from cinefab.provenance.rights import royalties_of
from cinefab.provenance.tables import asset as asset_table
from cinefab.record.commit import CommittedStage, load_stages


def find_by_digest(connection: sa.Connection, tenant: TenantId, digest: Sha256) -> Asset:
    """Return the tenant's newest asset with exactly these bytes; raise `Unavailable` if none."""
    row = connection.execute(
        sa.select(asset_table.c.public_id)
        .where(asset_table.c.tenant_id == tenant, asset_table.c.sha256 == digest)
        .order_by(asset_table.c.id.desc())
    ).first()
    if row is None:
        raise Unavailable(
            attempted=f"trace the bytes with SHA-256 {digest}",
            found="nothing here was ever made with exactly these bytes",
            remedy="Check that the file is unchanged and that --db names the database it was made in.",
        )
    return load_asset(connection, tenant, row.public_id)


def trace(
    connection: sa.Connection, *, tenant: TenantId, asset: Asset, anchors_pem: bytes
) -> dict[str, Any]:
    """Return the asset and all its sources, each source before its results, and who is paid.

    `holds` says whether every signature among them does.
    """
    stages: dict[JobId, tuple[CommittedStage, ...]] = {}
    entries = []
    for entry in lineage_of(connection, tenant, asset):
        one = load_asset(connection, tenant, entry.asset)
        if one.job is not None and one.job not in stages:
            stages[one.job] = load_stages(connection, tenant=tenant, job=one.job)
        made_in = next(
            (each for each in stages.get(one.job or JobId(""), ()) if one.public_id in each.assets),
            None,
        )
        entries.append(
            {
                **entry.as_dict(),
                "created": iso_utc(one.created_us),
                "prompt_digest": one.prompt_digest,
                "parameters": json.loads(one.parameters),
                "record": _record(connection, one, anchors_pem),
                **_making(connection, tenant, one, made_in),
            }
        )
    shares = royalties_of(connection, tenant, asset)
    return {
        "asset": asset.public_id,
        "sha256": asset.sha256,
        "holds": all(entry["record"]["holds"] for entry in entries),
        "lineage": entries,
        "royalties": [{"party": each.party, "share_bp": each.share_bp} for each in shares],
    }


def _record(connection: sa.Connection, asset: Asset, anchors_pem: bytes) -> dict[str, Any]:
    match verify_record(connection, asset, anchors_pem=anchors_pem):
        case RecordHolds():
            return {"holds": True, "reason": None, "key_id": asset.key_id}
        case RecordBroken(reason):
            return {"holds": False, "reason": reason, "key_id": asset.key_id}


def _making(
    connection: sa.Connection, tenant: TenantId, asset: Asset, stage: CommittedStage | None
) -> dict[str, Any]:
    if stage is None or asset.job is None:
        return {"stage": None, "ms": None, "cost_uusd": None}
    took = stage_times(connection, tenant=tenant, job=asset.job)[stage.name]
    return {
        "stage": stage.name,
        "ms": round(took.took_us / 1000),
        "cost_uusd": stage.cost_uusd,
    }

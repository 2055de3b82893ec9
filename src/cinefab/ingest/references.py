"""References by the digest of what came in: prepared once per tenant, then found again."""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.ids import AssetId, TenantId
from cinefab.ingest.tables import reference


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReference:
    """A prepared reference: its three assets, and what its own credentials said."""

    original: Sha256
    original_asset: AssetId
    picture: Sha256
    picture_asset: AssetId
    mask: Sha256 | None
    mask_asset: AssetId | None
    confidence_bp: int
    width: int
    height: int
    media_type: str
    credentials: Json


def find_reference(
    connection: sa.Connection, *, tenant: TenantId, original: Sha256, preparation: str
) -> KeptReference | None:
    """Return the reference if this original was prepared in this way before."""
    row = connection.execute(
        sa.select(reference).where(
            reference.c.tenant_id == tenant,
            reference.c.original_digest == original,
            reference.c.preparation == preparation,
        )
    ).first()
    if row is None:
        return None
    return KeptReference(
        original=Sha256(row.original_digest),
        original_asset=AssetId(row.original_asset),
        picture=Sha256(row.picture_digest),
        picture_asset=AssetId(row.picture_asset),
        mask=None if row.mask_digest is None else Sha256(row.mask_digest),
        mask_asset=None if row.mask_asset is None else AssetId(row.mask_asset),
        confidence_bp=row.confidence_bp,
        width=row.width,
        height=row.height,
        media_type=row.media_type,
        credentials=json.loads(row.credentials),
    )


def record_reference(
    connection: sa.Connection,
    kept: KeptReference,
    *,
    tenant: TenantId,
    preparation: str,
    now_us: int,
) -> None:
    """Keep a prepared reference; where another job was first, its row stays."""
    known = find_reference(
        connection, tenant=tenant, original=kept.original, preparation=preparation
    )
    if known is not None:
        return
    insert = reference.insert().values(
        tenant_id=tenant,
        original_digest=kept.original,
        preparation=preparation,
        original_asset=kept.original_asset,
        picture_asset=kept.picture_asset,
        picture_digest=kept.picture,
        mask_asset=kept.mask_asset,
        mask_digest=kept.mask,
        confidence_bp=kept.confidence_bp,
        width=kept.width,
        height=kept.height,
        media_type=kept.media_type,
        credentials=canonical_json(kept.credentials).decode(),
        created_us=now_us,
    )
    try:
        with connection.begin_nested():
            connection.execute(insert)
    except sa.exc.IntegrityError:
        return


def forget_reference(
    connection: sa.Connection, kept: KeptReference, *, tenant: TenantId, preparation: str
) -> bool:
    """Give up a prepared reference whose bytes are wrong; say whether this very one was kept."""
    deleted = connection.execute(
        reference.delete().where(
            reference.c.tenant_id == tenant,
            reference.c.original_digest == kept.original,
            reference.c.preparation == preparation,
            # Another job may have prepared it again by now, and that one is to stay.
            reference.c.picture_asset == kept.picture_asset,
        )
    )
    return deleted.rowcount > 0

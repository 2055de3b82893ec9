"""References by the digest of what came in: prepared once per tenant, then found again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.ids import AssetId, TenantId
from cinefab.core.plan import MediaKind
from cinefab.ingest.tables import reference


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReference:
    """A prepared reference: its assets, its figures, and what its own credentials said.

    `kind` is a `MediaKind`. A picture has no `video` and no `sound`; a sound's `picture` is its
    waveform; references from before there were thumbnails have none.
    """

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
    kind: str = MediaKind.PICTURE
    thumbnail: Sha256 | None = None
    thumbnail_asset: AssetId | None = None
    video: Sha256 | None = None
    video_asset: AssetId | None = None
    sound: Sha256 | None = None
    sound_asset: AssetId | None = None
    facts: Json = field(default_factory=dict)

    @property
    def digests(self) -> tuple[Sha256, ...]:
        """The digests of everything that is kept of it."""
        every = (self.original, self.picture, self.mask, self.thumbnail, self.video, self.sound)
        return tuple(digest for digest in every if digest is not None)


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
    return None if row is None else _kept(row)


def latest_reference(
    connection: sa.Connection, *, tenant: TenantId, original: Sha256
) -> KeptReference | None:
    """Return what this original was prepared as last, in whichever way."""
    row = connection.execute(
        sa.select(reference)
        .where(reference.c.tenant_id == tenant, reference.c.original_digest == original)
        .order_by(reference.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else _kept(row)


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
        kind=kept.kind,
        thumbnail_asset=kept.thumbnail_asset,
        thumbnail_digest=kept.thumbnail,
        video_asset=kept.video_asset,
        video_digest=kept.video,
        sound_asset=kept.sound_asset,
        sound_digest=kept.sound,
        facts=canonical_json(kept.facts).decode(),
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


def _kept(row: Any) -> KeptReference:
    return KeptReference(
        original=Sha256(row.original_digest),
        original_asset=AssetId(row.original_asset),
        picture=Sha256(row.picture_digest),
        picture_asset=AssetId(row.picture_asset),
        mask=_digest(row.mask_digest),
        mask_asset=_asset(row.mask_asset),
        confidence_bp=row.confidence_bp,
        width=row.width,
        height=row.height,
        media_type=row.media_type,
        credentials=json.loads(row.credentials),
        kind=row.kind,
        thumbnail=_digest(row.thumbnail_digest),
        thumbnail_asset=_asset(row.thumbnail_asset),
        video=_digest(row.video_digest),
        video_asset=_asset(row.video_asset),
        sound=_digest(row.sound_digest),
        sound_asset=_asset(row.sound_asset),
        facts=json.loads(row.facts),
    )


def _digest(stored: str | None) -> Sha256 | None:
    return None if stored is None else Sha256(stored)


def _asset(stored: str | None) -> AssetId | None:
    return None if stored is None else AssetId(stored)

"""Files that came from somebody else's engine: kept as they came, with what they say of their origin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256
from cinefab.core.stage import Content, Lineage, Relation, SourceEdge
from cinefab.core.units import WHOLE_BP, BasisPoints, largest_remainder
from cinefab.generate.tables import segment
from cinefab.jobs.workshop import Workshop
from cinefab.media.sandbox.outcome import DecodeRefused
from cinefab.provenance.assets import Asset
from cinefab.provenance.claims import Ingredient
from cinefab.provenance.credential_rows import found_credential, record_credential
from cinefab.provenance.credentials import may_carry_credentials
from cinefab.provenance.tables import asset as asset_table
from cinefab.provenance.tables import edge
from cinefab.record.commit import NewAsset, sibling

DELIVERED: Final = "delivered"
_CREDENTIALS_TASK: Final = "cinefab.provenance.credentials:read_embedded"
_UNKNOWN: Final = "application/octet-stream"
_TYPES: Final = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".mov": "video/quicktime",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A file as an engine delivered it, among the blobs by now, and what its credentials say."""

    digest: Sha256
    name: str
    media_type: str
    size_bytes: int
    credentials: Mapping[str, Json]


def take_in(shop: Workshop, paths: Iterable[str]) -> tuple[Delivered, ...]:
    """Keep files as they came; their credentials are read where a stranger's bytes do no harm."""
    found: dict[Sha256, Delivered] = {}
    for path in map(Path, paths):
        digest = shop.blobs.put_file(path)
        media_type = _TYPES.get(path.suffix.lower(), _UNKNOWN)
        found[digest] = Delivered(
            digest=digest,
            name=path.name,
            media_type=media_type,
            size_bytes=path.stat().st_size,
            credentials=_credentials(shop, path.read_bytes(), media_type),
        )
    return tuple(found.values())


def asset_of(delivered: Delivered, lineage: Lineage) -> NewAsset:
    """Return a file as an asset: it was made from what its takes' model was given."""
    content = Content(
        digest=delivered.digest,
        kind=DELIVERED,
        media_type=delivered.media_type,
        size_bytes=delivered.size_bytes,
        facts={"name": delivered.name},
    )
    return NewAsset(content=content, lineage=lineage)


def made_from(lineage: Lineage, delivered: Sequence[Delivered]) -> Lineage:
    """Return the lineage of takes that were made from these files, the first of their commit.

    What the takes show is still told by their other sources, which the files share.
    """
    if not delivered:
        return lineage
    shares: Iterable[int] = [0] * len(delivered)
    if not lineage.sources:
        shares = largest_remainder(WHOLE_BP, [1] * len(delivered))
    parents = tuple(
        SourceEdge(
            source=sibling(position), relation=Relation.PARENT_OF, weight_bp=BasisPoints(share)
        )
        for position, share in enumerate(shares)
    )
    return replace(lineage, sources=(*parents, *lineage.sources))


def record_origins(
    connection: sa.Connection, delivered: Sequence[Delivered], made: Sequence[Asset]
) -> None:
    """Write down what the files say of their origin, beside their assets."""
    for each, asset in zip(delivered, made, strict=True):
        record_credential(connection, asset, found_credential(each.credentials))


def ingredients_of(shop: Workshop, keys: Sequence[Sha256]) -> list[Ingredient]:
    """Return the delivered files that these segments were made from, as a film's ingredients."""
    source, made = asset_table.alias("source"), asset_table.alias("made")
    query = (
        sa.select(source.c.sha256, source.c.media_type)
        .distinct()
        .select_from(
            segment.join(made, made.c.public_id == segment.c.asset_id)
            .join(edge, edge.c.dst == made.c.id)
            .join(source, source.c.id == edge.c.src)
        )
        .where(
            segment.c.tenant_id == shop.tenant,
            segment.c.key.in_(keys),
            source.c.tenant_id == shop.tenant,
            source.c.kind == DELIVERED,
        )
        .order_by(source.c.sha256)
    )
    with shop.recorder.db.read() as connection:
        rows = connection.execute(query).all()
    return [
        Ingredient(
            name=f"{DELIVERED}-{number}",
            title=f"as delivered, {row.sha256[:12]}",
            media_type=row.media_type,
            path=shop.blobs.local_path(Sha256(row.sha256)),
            sha256=Sha256(row.sha256),
        )
        for number, row in enumerate(rows)
    ]


def _credentials(shop: Workshop, payload: bytes, media_type: str) -> Mapping[str, Json]:
    if not may_carry_credentials(payload):
        return {"state": "absent"}
    try:
        read = shop.sandbox.run(_CREDENTIALS_TASK, payload, arguments={"media_type": media_type})
    except DecodeRefused as error:
        # The takes were made from it all the same: what it says of itself cannot be read.
        return {"state": "invalid", "failures": [error.found]}
    return read.facts

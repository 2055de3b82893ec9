"""An asset as a value."""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256
from cinefab.core.ids import AssetId, JobId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One making of a piece of media, as it is stored.

    `row_id` orders assets (a source's is smaller) and never leaves the database. `parameters`
    and `record` are canonical JSON texts, `signature` is the base64 of the record's ES256 r||s by
    the key `key_id`; `created_us` counts UTC microseconds.
    """

    row_id: int
    public_id: AssetId
    tenant: TenantId
    sha256: Sha256
    kind: str
    media_type: str
    size_bytes: int
    job: JobId | None
    made_by: str
    prompt_digest: Sha256 | None
    parameters: str
    digital_source_type: str
    facts: Json
    created_us: int
    record: str
    signature: str
    key_id: str


def asset_from_row(row: sa.Row[tuple[object, ...]]) -> Asset:
    """Return the asset that a row of the table `asset` holds."""
    return Asset(
        row_id=row.id,
        public_id=AssetId(row.public_id),
        tenant=TenantId(row.tenant_id),
        sha256=Sha256(row.sha256),
        kind=row.kind,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        job=None if row.job_id is None else JobId(row.job_id),
        made_by=row.made_by,
        prompt_digest=None if row.prompt_digest is None else Sha256(row.prompt_digest),
        parameters=row.parameters,
        digital_source_type=row.digital_source_type,
        facts=json.loads(row.facts),
        created_us=row.created_us,
        record=row.record,
        signature=row.signature,
        key_id=row.key_id,
    )

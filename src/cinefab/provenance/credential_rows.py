"""What is stored of an asset's content credentials: those it came with, or those we put in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.ids import AssetId, JobId, TenantId
from cinefab.provenance.asset import Asset
from cinefab.provenance.tables import asset as asset_table
from cinefab.provenance.tables import credential


class CredentialState(StrEnum):
    """How an asset came by its credentials: `SIGNED` by us; the others as they were found."""

    SIGNED = "signed"
    VALID = "valid"
    INVALID = "invalid"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """The content credentials inside an asset's bytes; `body` says what they say."""

    state: CredentialState
    label: str | None
    issuer: str | None
    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRelease:
    """What we know of a file that we signed: its whole digest, its asset, the job that made it."""

    sha256: Sha256
    asset: AssetId
    job: JobId | None


def found_credential(facts: Mapping[str, Json]) -> Credential:
    """Return what `read_embedded` found as a credential to be recorded."""
    label, issuer = facts.get("label"), facts.get("issuer")
    return Credential(
        state=CredentialState(str(facts["state"])),
        label=str(label) if label else None,
        issuer=str(issuer) if issuer else None,
        body=dict(facts),
    )


def record_credential(connection: sa.Connection, asset: Asset, found: Credential) -> None:
    """Store the asset's credentials within the caller's transaction, once for each asset."""
    connection.execute(
        credential.insert().values(
            asset_id=asset.row_id,
            state=found.state,
            label=found.label,
            issuer=found.issuer,
            body=canonical_json(found.body).decode(),
        )
    )


def find_credential(connection: sa.Connection, asset: Asset) -> Credential | None:
    """Return what is stored of the asset's credentials, None if nobody looked for any."""
    row = connection.execute(
        sa.select(credential).where(credential.c.asset_id == asset.row_id)
    ).first()
    if row is None:
        return None
    return Credential(
        state=CredentialState(row.state),
        label=row.label,
        issuer=row.issuer,
        body=json.loads(row.body),
    )


def find_release(connection: sa.Connection, tenant: TenantId, label: str) -> RecordedRelease | None:
    """Return the tenant's file that was signed with the credentials of this label."""
    row = connection.execute(
        sa.select(asset_table.c.sha256, asset_table.c.public_id, asset_table.c.job_id)
        .join_from(credential, asset_table, credential.c.asset_id == asset_table.c.id)
        .where(
            credential.c.label == label,
            credential.c.state == CredentialState.SIGNED,
            asset_table.c.tenant_id == tenant,
        )
        .order_by(asset_table.c.id)
        .limit(1)
    ).first()
    if row is None:
        return None
    return RecordedRelease(
        sha256=Sha256(row.sha256),
        asset=AssetId(row.public_id),
        job=None if row.job_id is None else JobId(row.job_id),
    )

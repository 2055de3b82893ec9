"""What is stored of an asset's content credentials: those it came with, or those we put in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.ids import AssetId, JobId, TenantId
from cinefab.provenance.asset import Asset
from cinefab.provenance.tables import asset as asset_table
from cinefab.provenance.tables import credential

_NAME_MAX: Final = 40
_TEXT_MAX: Final = 300
_ENTRIES_MAX: Final = 64


class CredentialState(StrEnum):
    """How an asset came by its credentials: `SIGNED` by us; the others as they were found."""

    SIGNED = "signed"
    VALID = "valid"
    INVALID = "invalid"
    ABSENT = "absent"


_FOUND: Final = (CredentialState.VALID, CredentialState.INVALID, CredentialState.ABSENT)


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


def found_credential(facts: Mapping[str, Any]) -> Credential:
    """Return what `read_embedded` found, as a credential to be recorded.

    The facts come out of a process that read a stranger's bytes: only texts and lists of texts
    are kept, cut to a length, and a state it could not honestly report counts as invalid.
    """
    some = islice(facts.items(), _ENTRIES_MAX)
    texts = {str(name)[:_NAME_MAX]: _plain(value) for name, value in some}
    body: dict[str, Json] = {name: value for name, value in texts.items() if value}
    state = facts.get("state")
    known = state if state in _FOUND else CredentialState.INVALID
    label, issuer = body.get("label"), body.get("issuer")
    return Credential(
        state=CredentialState(known),
        label=label if isinstance(label, str) else None,
        issuer=issuer if isinstance(issuer, str) else None,
        body=body,
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


def _plain(value: object) -> Json:
    if isinstance(value, str):
        # PostgreSQL stores no zero byte, and no text here needs a control character.
        return "".join(c for c in value[:_TEXT_MAX] if c.isprintable())
    if isinstance(value, list):
        return [_plain(entry) for entry in value[:_ENTRIES_MAX] if isinstance(entry, str)]
    return None

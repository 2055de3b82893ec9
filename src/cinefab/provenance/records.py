"""The signed record of an asset: what was made, by what, from what, when.

The record is canonical JSON; what is signed is its bytes, and its bytes are what is kept. Every
field repeats a column or an edge, so that whoever alters a row without the key is found out.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from cinefab.core.canonical import Json, Sha256, canonical_json, sha256_of
from cinefab.core.clock import iso_utc
from cinefab.provenance.asset import Asset
from cinefab.provenance.certificates import Untrusted, certified_key, key_id_of
from cinefab.provenance.signer import Signer
from cinefab.provenance.tables import asset as asset_table
from cinefab.provenance.tables import edge, signing_key

SCHEMA: Final = "cinefab.record/1"

_SIGNATURE_BYTES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOfRecord:
    """One source as a record names it."""

    asset: str
    sha256: Sha256
    relation: str
    weight_bp: int


@dataclass(frozen=True, slots=True)
class RecordHolds:
    """The record is signed by a key that is trusted here, and the rows say the same."""


@dataclass(frozen=True, slots=True)
class RecordBroken:
    """The record or its rows were altered, or the signer is not trusted here."""

    reason: str


def build_record(
    *,
    public_id: str,
    tenant: str,
    sha256: Sha256,
    kind: str,
    made_by: str,
    prompt_digest: str | None,
    parameters: str,
    sources: tuple[SourceOfRecord, ...],
    digital_source_type: str,
    created_us: int,
    job: str | None,
) -> bytes:
    """Return the record's bytes; `parameters` is canonical JSON and goes in as its digest."""
    in_order = sorted(sources, key=lambda source: (source.asset, source.relation))
    listed: list[Json] = [
        {
            "asset": source.asset,
            "sha256": source.sha256,
            "relation": source.relation,
            "weight_bp": source.weight_bp,
        }
        for source in in_order
    ]
    return canonical_json(
        {
            "schema": SCHEMA,
            "asset": public_id,
            "tenant": tenant,
            "sha256": sha256,
            "kind": kind,
            "made_by": made_by,
            "prompt_digest": prompt_digest,
            "parameters_digest": sha256_of(parameters.encode()),
            "sources": listed,
            "digital_source_type": digital_source_type,
            "created": iso_utc(created_us),
            "job": job,
        }
    )


def sign_record(record: bytes, *, signer: Signer) -> str:
    """Return the base64 of the signer's ES256 signature over the record's bytes."""
    return base64.b64encode(signer.sign(record)).decode()


def verify_record(
    connection: sa.Connection, asset: Asset, *, anchors_pem: bytes
) -> RecordHolds | RecordBroken:
    """Say whether the asset's record was signed under one of the anchors and fits its rows."""
    chain = connection.execute(
        sa.select(signing_key.c.chain_pem).where(signing_key.c.key_id == asset.key_id)
    ).scalar_one_or_none()
    if chain is None:
        return RecordBroken(f"the key {asset.key_id[:16]}… that signed it is not known here")
    key = certified_key(chain.encode(), anchors_pem=anchors_pem, at_us=asset.created_us)
    if isinstance(key, Untrusted):
        return RecordBroken(f"the key that signed it is not trusted: {key.reason}")
    if key_id_of(key) != asset.key_id:
        return RecordBroken("the certificate kept for its key belongs to another key")
    if not _is_signature(key, signature=asset.signature, message=asset.record.encode()):
        return RecordBroken("its signature does not fit its record")
    rebuilt = build_record(
        public_id=asset.public_id,
        tenant=asset.tenant,
        sha256=asset.sha256,
        kind=asset.kind,
        made_by=asset.made_by,
        prompt_digest=asset.prompt_digest,
        parameters=asset.parameters,
        sources=_sources_of(connection, asset),
        digital_source_type=asset.digital_source_type,
        created_us=asset.created_us,
        job=asset.job,
    )
    if rebuilt == asset.record.encode():
        return RecordHolds()
    return RecordBroken(f"its rows were altered after it was signed: {_differing(asset, rebuilt)}")


def record_signing_key(connection: sa.Connection, signer: Signer, *, now_us: int) -> None:
    """Keep the signer's certificates with the records, once for each key."""
    known = sa.select(signing_key.c.key_id).where(signing_key.c.key_id == signer.key_id)
    if connection.execute(known).first() is not None:
        return
    try:
        with connection.begin_nested():
            connection.execute(
                signing_key.insert().values(
                    key_id=signer.key_id,
                    chain_pem=signer.chain_pem.decode(),
                    first_used_us=now_us,
                )
            )
    except sa.exc.IntegrityError:
        # Another process used the key for the first time in the same moment: the row is there.
        assert connection.execute(known).first() is not None


def _sources_of(connection: sa.Connection, asset: Asset) -> tuple[SourceOfRecord, ...]:
    rows = connection.execute(
        sa.select(asset_table.c.public_id, asset_table.c.sha256, edge.c.relation, edge.c.weight_bp)
        .join_from(edge, asset_table, edge.c.src == asset_table.c.id)
        .where(edge.c.dst == asset.row_id, asset_table.c.tenant_id == asset.tenant)
    )
    return tuple(
        SourceOfRecord(
            asset=row.public_id,
            sha256=Sha256(row.sha256),
            relation=row.relation,
            weight_bp=row.weight_bp,
        )
        for row in rows
    )


def _is_signature(key: ec.EllipticCurvePublicKey, *, signature: str, message: bytes) -> bool:
    try:
        raw = base64.b64decode(signature, validate=True)
    except ValueError:
        return False
    if len(raw) != _SIGNATURE_BYTES:
        return False
    half = _SIGNATURE_BYTES // 2
    der = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
    try:
        key.verify(der, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _differing(asset: Asset, rebuilt: bytes) -> str:
    signed, now = json.loads(asset.record), json.loads(rebuilt)
    fields = sorted(
        name for name in signed.keys() | now.keys() if signed.get(name) != now.get(name)
    )
    return ", ".join(fields) or "its spelling"

"""What a report says of the film's origin: credentials, references, lineage, who is paid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.brief import Brief, Reference, RightsSource
from cinefab.core.canonical import Sha256
from cinefab.core.ids import AssetId
from cinefab.core.plan import Plan, PreparedReference
from cinefab.deliver.releases import Release
from cinefab.ingest.references import latest_reference
from cinefab.jobs.effects import BLOB
from cinefab.jobs.stages import latest_stage
from cinefab.jobs.transcribing import transcript_of
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import find_asset_by_digest, load_asset
from cinefab.provenance.credential_rows import find_credential, find_release
from cinefab.provenance.lineage import lineage_of
from cinefab.provenance.rights import royalties_of
from cinefab.provenance.verify import verify_file
from cinefab.record.commit import CommittedStage

_SAID: Final = (
    "label",
    "title",
    "claim_generator",
    "issuer",
    "signer",
    "actions",
    "digital_source_types",
    "ingredients",
)
"""What of the film's credentials is repeated in the report."""


def origin_of(
    shop: Workshop,
    connection: sa.Connection,
    stages: tuple[CommittedStage, ...],
    released: Release | None,
) -> dict[str, Any]:
    """Return the film's credentials, lineage and royalties.

    Of a film that was not released, the lineage is the cut's, as far as there is one: nobody is
    paid for it, and it carries no credentials.
    """
    if released is None:
        assembled = latest_stage(stages, "assemble")
        cut = None if assembled is None else assembled.assets[0]
        return {
            "content_credentials": {"state": "absent"},
            "lineage": [] if cut is None else _lineage(shop, connection, cut),
            "royalties": [],
        }
    film = load_asset(connection, shop.tenant, released.asset)
    verified = verify_file(
        shop.blobs.local_path(released.digest),
        anchors_pem=shop.authority.trust_anchors_pem,
        recorded=lambda label: find_release(connection, shop.tenant, label),
    )
    return {
        "content_credentials": {
            "state": verified.state,
            "reasons": list(verified.reasons),
            "sha256": released.digest,
            "size_bytes": verified.details["size_bytes"],
            # The only authority there is: its root is known where it was made, and nowhere else.
            "authority": "development",
            **{name: verified.details.get(name) for name in _SAID},
        },
        "lineage": _lineage(shop, connection, released.asset),
        "royalties": [
            {"party": share.party, "share_bp": share.share_bp}
            for share in royalties_of(connection, shop.tenant, film)
        ],
    }


def references_of(
    shop: Workshop,
    connection: sa.Connection,
    brief: Brief,
    plan: Plan | None,
    stages: tuple[CommittedStage, ...],
) -> list[dict[str, Any]]:
    """Return what came in: each reference with its figures, rights and credentials."""
    prepared = {} if plan is None else {each.name: each for each in plan.references}
    rights = {source.reference: source for source in brief.rights}
    return [
        {
            "name": reference.name,
            "title": reference.location.rpartition("/")[2] or reference.name,
            **_prepared(reference, prepared.get(reference.name)),
            **_rights(rights.get(reference.name)),
            "content_credentials": _found(shop, connection, prepared.get(reference.name)),
            "media": _media(shop, connection, reference, _original(reference, stages)),
        }
        for reference in brief.references
    ]


def _lineage(shop: Workshop, connection: sa.Connection, asset: AssetId) -> list[dict[str, Any]]:
    made = load_asset(connection, shop.tenant, asset)
    return [entry.as_dict() for entry in lineage_of(connection, shop.tenant, made)]


def _prepared(reference: Reference, found: PreparedReference | None) -> dict[str, Any]:
    if found is None:
        unknown = dict.fromkeys(("sha256", "width", "height", "mask_confidence_bp"))
        return {"role": reference.role, **unknown}
    return {
        "role": found.role,
        "sha256": found.original,
        "width": found.width,
        "height": found.height,
        "mask_confidence_bp": None if found.mask is None else found.confidence_bp,
    }


def _original(reference: Reference, stages: tuple[CommittedStage, ...]) -> Sha256 | None:
    if reference.location.startswith(BLOB):
        return Sha256(reference.location.removeprefix(BLOB).partition("/")[0])
    stage = latest_stage(stages, f"ingest:{reference.name}")
    facts: Any = None if stage is None else stage.facts
    return None if facts is None else Sha256(facts["original"])


def _media(
    shop: Workshop,
    connection: sa.Connection,
    reference: Reference,
    original: Sha256 | None,
) -> dict[str, Any] | None:
    """Return what a reference is like and what was made of it; None where it was not read."""
    kept = original and latest_reference(connection, tenant=shop.tenant, original=original)
    if not kept:
        return None
    facts: Any = kept.facts
    said = None if kept.sound is None else transcript_of(shop, reference, kept)
    if said is not None:
        facts = facts | {"transcript": said}
    return {
        "kind": kept.kind,
        "media_type": kept.media_type,
        "picture": kept.picture,
        "thumbnail": kept.thumbnail,
        "video": kept.video,
        "sound": kept.sound,
        **facts,
    }


def _rights(source: RightsSource | None) -> dict[str, Any]:
    if source is None:
        return {"licence": None, "parties": []}
    parties = [{"party": each.party, "share_bp": each.share_bp} for each in source.parties]
    return {"licence": source.licence, "parties": parties}


def _found(
    shop: Workshop, connection: sa.Connection, reference: PreparedReference | None
) -> Mapping[str, Any]:
    asset = reference and find_asset_by_digest(
        connection, shop.tenant, Sha256(reference.original), "reference"
    )
    credential = asset and find_credential(connection, asset)
    if not credential:
        return {"state": None, "issuer": None}
    return {"state": credential.state, "issuer": credential.issuer}

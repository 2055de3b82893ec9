"""The ingest stage of a job: each reference is read, decoded where it can do no harm, and kept."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from cinefab.core.brief import Reference, Role
from cinefab.core.canonical import Json, Sha256, sha256_of
from cinefab.core.errors import ReferenceRefused, StorageUnavailable
from cinefab.core.ids import AssetId
from cinefab.core.plan import PreparedReference
from cinefab.core.stage import Content, Lineage, Relation, SourceEdge
from cinefab.core.units import WHOLE_BP
from cinefab.ingest.fetch import Fetched
from cinefab.ingest.prepare import PREPARATION, normalised
from cinefab.ingest.references import (
    KeptReference,
    find_reference,
    forget_reference,
    record_reference,
)
from cinefab.jobs.door import BLOB
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.workshop import Workshop
from cinefab.media.sandbox.outcome import DecodeRefused
from cinefab.media.sandbox.pictures import DecodedPicture, decode_picture
from cinefab.media.still import png_bytes
from cinefab.provenance.assets import Asset
from cinefab.provenance.credential_rows import found_credential, record_credential
from cinefab.provenance.credentials import may_carry_credentials
from cinefab.record.commit import NewAsset, StageRef, find_stage, sibling
from cinefab.record.rights import record_rights
from cinefab.store.facts import AuditLeaf, record_leaf

_CUT_TASK: Final = "cinefab.ingest.prepare:cut_product"
_CREDENTIALS_TASK: Final = "cinefab.provenance.credentials:read_embedded"
_CUT_LIMIT_S: Final = 60.0
_FROM_OUTSIDE: Final = "outside"


async def ingest(shop: Workshop, order: Order, reference: Reference) -> Json:
    """Prepare one reference, or find that it was prepared before; return it as JSON."""
    preparation = _preparation(reference)
    ref = StageRef(tenant=shop.tenant, job=order.job, name=f"ingest:{reference.name}")
    committed = await asyncio.to_thread(find_stage, shop.recorder.db, ref)
    if committed is not None:
        # What is behind an address may be another picture by now, or nothing: it was read once.
        assert isinstance(committed.facts, dict), "ingest keeps an object"
        original = Sha256(str(committed.facts["original"]))
        kept = await asyncio.to_thread(_find, shop, original, preparation)
    else:
        kept = await _find_or_prepare(shop, order, reference, ref.name, preparation)
    if kept is None:
        raise StorageUnavailable(
            attempted=f"go on with references.{reference.name} of {order.job}",
            found="what was prepared from it is gone or was altered",
            remedy="Order it again: the reference is read and prepared anew.",
        )
    await asyncio.to_thread(_record_rights, shop, order, reference, kept)
    return asdict(kept)


def kept_from_json(document: Json) -> KeptReference:
    """Return the value that `ingest` gave as JSON."""
    assert isinstance(document, dict), "ingest returns an object"
    return KeptReference(**document)


def prepared(reference: Reference, kept: KeptReference) -> PreparedReference:
    """Return the reference as the planner sees it; an open role is settled by the cut-out."""
    role = reference.role
    if role is Role.AUTO:
        role = Role.PRODUCT if kept.mask is not None else Role.BACKGROUND
    return PreparedReference(
        name=reference.name,
        role=role,
        original=kept.original,
        picture=kept.picture,
        mask=kept.mask,
        confidence_bp=kept.confidence_bp,
        width=kept.width,
        height=kept.height,
    )


def _preparation(reference: Reference) -> str:
    # Backgrounds are shown whole, so no product is looked for in them.
    wants_cut = reference.role not in {Role.BACKGROUND, Role.LOGO}
    return PREPARATION if wants_cut else f"{PREPARATION}/whole"


def _read(shop: Workshop, reference: Reference, field: str) -> Fetched:
    location = reference.location
    if location.startswith(BLOB):
        digest, _, name = location.removeprefix(BLOB).partition("/")
        return Fetched(data=shop.blobs.load(Sha256(digest)), name=name, location=name)
    return shop.fetcher.fetch(location, base=shop.scratch, field=field)


async def _find_or_prepare(
    shop: Workshop, order: Order, reference: Reference, stage: str, preparation: str
) -> KeptReference | None:
    field = f"references.{reference.name}"
    fetched = await asyncio.to_thread(_read, shop, reference, field)
    original = sha256_of(fetched.data)
    kept = await asyncio.to_thread(_find, shop, original, preparation)
    if kept is not None:
        return kept

    async def body() -> StageOutput:
        return await _prepare(shop, reference, fetched, original, preparation)

    await run_stage(shop, order, stage, body)
    return await asyncio.to_thread(_find, shop, original, preparation)


def _find(shop: Workshop, original: Sha256, preparation: str) -> KeptReference | None:
    """Return what was prepared from this original before, unless its bytes are gone or wrong."""
    with shop.recorder.db.read() as connection:
        kept = find_reference(
            connection, tenant=shop.tenant, original=original, preparation=preparation
        )
    if kept is None:
        return None
    digests = [kept.original, kept.picture, *([] if kept.mask is None else [kept.mask])]
    wrong = [digest for digest in digests if not shop.blobs.is_intact(digest)]
    if not wrong:
        return kept
    now_us = shop.recorder.clock.now_us()
    with shop.recorder.db.write() as connection:
        if forget_reference(connection, kept, tenant=shop.tenant, preparation=preparation):
            said: Json = {"original": kept.original, "wrong": wrong}
            leaf = AuditLeaf(kind="reference.given_up", subject=kept.original_asset, body=said)
            record_leaf(connection, leaf, tenant=shop.tenant, now_us=now_us)
    return None


async def _prepare(
    shop: Workshop, reference: Reference, fetched: Fetched, original: Sha256, preparation: str
) -> StageOutput:
    decoded, credentials = await asyncio.to_thread(_decode, shop, reference, fetched)
    picture, picture_png = await asyncio.to_thread(_as_png, decoded.rgb)
    await asyncio.to_thread(shop.blobs.put, fetched.data)
    picture_digest = await asyncio.to_thread(shop.blobs.put, picture_png)
    height, width = picture.shape[:2]
    mask_png, confidence_bp = await _mask(
        shop, decoded, picture_digest, size=(width, height), cut=preparation == PREPARATION
    )
    mask_digest = None if mask_png is None else await asyncio.to_thread(shop.blobs.put, mask_png)
    media_type = f"image/{decoded.format}"
    assets = [
        _asset(original, "reference", media_type, len(fetched.data), made_by=_FROM_OUTSIDE),
        _asset(picture_digest, "picture", "image/png", len(picture_png), source=0),
    ]
    if mask_png is not None and mask_digest is not None:
        assets.append(_asset(mask_digest, "mask", "image/png", len(mask_png), source=1))

    def also(connection: sa.Connection, made: tuple[Asset, ...]) -> None:
        kept = KeptReference(
            original=original,
            original_asset=made[0].public_id,
            picture=picture_digest,
            picture_asset=made[1].public_id,
            mask=mask_digest,
            mask_asset=made[2].public_id if len(made) > 2 else None,
            confidence_bp=confidence_bp,
            width=width,
            height=height,
            media_type=media_type,
            credentials=credentials,
        )
        record_reference(
            connection,
            kept,
            tenant=shop.tenant,
            preparation=preparation,
            now_us=shop.recorder.clock.now_us(),
        )
        record_credential(connection, made[0], found_credential(credentials))

    facts: Json = {"name": fetched.name, "original": original, "credentials": credentials}
    return StageOutput(assets=tuple(assets), facts=facts, also=also)


def _decode(
    shop: Workshop, reference: Reference, fetched: Fetched
) -> tuple[DecodedPicture, dict[str, Json]]:
    try:
        decoded = decode_picture(shop.sandbox, fetched.data, name=fetched.name)
        if not may_carry_credentials(fetched.data):
            return decoded, {"state": "absent"}
        # What a reference says of its own origin is read before anything is made of it, and by
        # the same kind of process: a parser of credentials is a parser of a stranger's bytes.
        read = shop.sandbox.run(
            _CREDENTIALS_TASK,
            fetched.data,
            arguments={"media_type": f"image/{decoded.format}"},
        )
    except DecodeRefused as error:
        raise ReferenceRefused(
            field=f"references.{reference.name}",
            attempted=f"read the picture {fetched.name}",
            found=error.found,
            remedy=error.remedy,
        ) from error
    return decoded, read.facts


async def _mask(
    shop: Workshop,
    decoded: DecodedPicture,
    picture: Sha256,
    *,
    size: tuple[int, int],
    cut: bool,
) -> tuple[bytes | None, int]:
    if decoded.alpha is not None:
        _, mask_png = await asyncio.to_thread(_as_png, decoded.alpha)
        return mask_png, int(WHOLE_BP)
    if not cut:
        return None, 0
    path = shop.scratch / f"mask-{picture}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    local = await asyncio.to_thread(shop.blobs.local_path, picture)
    argument: Json = {"picture": str(local), "mask": str(path)}
    answer = await shop.compute.run(_CUT_TASK, argument, timeout_s=_CUT_LIMIT_S)
    assert isinstance(answer.value, dict), "cut_product returns an object"
    confidence_bp = answer.value["confidence_bp"]
    assert isinstance(confidence_bp, int), "a confidence is whole basis points"
    if not answer.value["kept"]:
        return None, confidence_bp
    content = await asyncio.to_thread(path.read_bytes)
    path.unlink(missing_ok=True)
    return content, confidence_bp


def _as_png(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], bytes]:
    smaller = normalised(pixels)
    return smaller, png_bytes(smaller)


def _asset(
    digest: Sha256,
    kind: str,
    media_type: str,
    size_bytes: int,
    *,
    made_by: str = f"cinefab.ingest@{PREPARATION}",
    source: int | None = None,
) -> NewAsset:
    sources: tuple[SourceEdge, ...] = ()
    if source is not None:
        edge = SourceEdge(source=sibling(source), relation=Relation.PARENT_OF, weight_bp=WHOLE_BP)
        sources = (edge,)
    return NewAsset(
        content=Content(digest=digest, kind=kind, media_type=media_type, size_bytes=size_bytes),
        lineage=Lineage(
            made_by=made_by,
            sources=sources,
            digital_source_type="unstated" if source is None else "algorithmicallyEnhanced",
        ),
    )


def _record_rights(shop: Workshop, order: Order, reference: Reference, kept: KeptReference) -> None:
    for source in order.brief.rights:
        if source.reference == reference.name:
            with shop.recorder.db.write() as connection:
                record_rights(
                    connection,
                    tenant=shop.tenant,
                    asset=AssetId(kept.original_asset),
                    split=source.parties,
                    now_us=shop.recorder.clock.now_us(),
                )

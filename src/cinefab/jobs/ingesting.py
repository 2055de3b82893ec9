"""The ingest stage of a job: each reference is read, decoded where it can do no harm, and kept."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from cinefab.core.brief import Reference, Role
from cinefab.core.canonical import Json, Sha256, sha256_of
from cinefab.core.errors import ReferenceRefused, StorageUnavailable
from cinefab.core.ids import AssetId
from cinefab.core.plan import MediaKind, PreparedReference
from cinefab.ingest.fetch import Fetched
from cinefab.ingest.prepare import FILM_PREPARATION, PREPARATION
from cinefab.ingest.reader import Recognised, Unrecognised, recognise
from cinefab.ingest.references import KeptReference, find_reference, forget_reference
from cinefab.jobs.effects import BLOB
from cinefab.jobs.preparing import Given, prepare_film, prepare_picture
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.workshop import Workshop
from cinefab.record.commit import StageRef, find_stage
from cinefab.record.rights import record_rights
from cinefab.store.facts import AuditLeaf, record_leaf


async def ingest(shop: Workshop, order: Order, reference: Reference) -> Json:
    """Prepare one reference, or find that it was prepared before; return it as JSON."""
    ref = StageRef(tenant=shop.tenant, job=order.job, name=f"ingest:{reference.name}")
    committed = await asyncio.to_thread(find_stage, shop.recorder.db, ref)
    if committed is not None:
        # What is behind an address may be another picture by now, or nothing: it was read once.
        assert isinstance(committed.facts, dict), "ingest keeps an object"
        original = Sha256(str(committed.facts["original"]))
        preparation = str(committed.facts["preparation"])
        kept = await asyncio.to_thread(_find, shop, original, preparation)
    else:
        kept = await _find_or_prepare(shop, order, reference, ref.name)
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


def may_be_heard(reference: Reference, kept: Json) -> bool:
    """Say whether a prepared reference has a sound, or a script that speaks of one."""
    return bool(reference.script) or kept_from_json(kept).sound is not None


def prepared(reference: Reference, kept: KeptReference) -> PreparedReference:
    """Return the reference as the planner sees it; an open role is settled by the cut-out."""
    role = reference.role
    if role is Role.AUTO and kept.kind != MediaKind.SOUND:
        role = Role.PRODUCT if kept.mask is not None else Role.BACKGROUND
    facts: Any = kept.facts
    fps = facts.get("fps")
    return PreparedReference(
        name=reference.name,
        role=role,
        original=kept.original,
        picture=kept.picture,
        mask=kept.mask,
        confidence_bp=kept.confidence_bp,
        width=kept.width,
        height=kept.height,
        kind=MediaKind(kept.kind),
        video=kept.video,
        sound=kept.sound,
        frames=facts.get("frames", 0),
        fps=None if fps is None else Fraction(fps),
        duration_us=facts.get("duration_us", 0),
    )


def _preparation(reference: Reference, kind: MediaKind) -> str:
    if kind is not MediaKind.PICTURE:
        return FILM_PREPARATION
    # Backgrounds are shown whole, so no product is looked for in them.
    wants_cut = reference.role not in {Role.BACKGROUND, Role.LOGO}
    return PREPARATION if wants_cut else f"{PREPARATION}/whole"


def _read(shop: Workshop, reference: Reference, field: str) -> Fetched:
    location = reference.location
    if location.startswith(BLOB):
        digest, _, name = location.removeprefix(BLOB).partition("/")
        return Fetched(data=shop.blobs.load(Sha256(digest)), name=name, location=name)
    return shop.fetcher.fetch(location, base=shop.scratch, field=field)


def _recognise(shop: Workshop, fetched: Fetched, field: str) -> Recognised:
    try:
        return recognise(shop.readers, fetched.data, name=fetched.name)
    except Unrecognised as error:
        raise ReferenceRefused(
            field=field,
            attempted=f"read {fetched.name}",
            found=error.found,
            remedy=error.remedy,
        ) from error


async def _find_or_prepare(
    shop: Workshop, order: Order, reference: Reference, stage: str
) -> KeptReference | None:
    field = f"references.{reference.name}"
    fetched = await asyncio.to_thread(_read, shop, reference, field)
    recognised = _recognise(shop, fetched, field)
    original = sha256_of(fetched.data)
    preparation = _preparation(reference, recognised.card.kind)
    kept = await asyncio.to_thread(_find, shop, original, preparation)
    if kept is not None:
        return kept
    given = Given(
        field=field,
        fetched=fetched,
        original=original,
        recognised=recognised,
        preparation=preparation,
    )

    async def body() -> StageOutput:
        if recognised.card.kind is MediaKind.PICTURE:
            return await prepare_picture(shop, order, given, stage, cut=preparation == PREPARATION)
        return await prepare_film(shop, order, given, stage)

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
    wrong = [digest for digest in kept.digests if not shop.blobs.is_intact(digest)]
    if not wrong:
        return kept
    now_us = shop.recorder.clock.now_us()
    with shop.recorder.db.write() as connection:
        if forget_reference(connection, kept, tenant=shop.tenant, preparation=preparation):
            said: Json = {"original": kept.original, "wrong": wrong}
            leaf = AuditLeaf(kind="reference.given_up", subject=kept.original_asset, body=said)
            record_leaf(connection, leaf, tenant=shop.tenant, now_us=now_us)
    return None


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

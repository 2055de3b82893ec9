"""An upload becomes an asset: decoded in the sandbox, as any reference is, and then only.

It is a workflow of its own, so that whoever received it may die: another worker goes on. Its asset
is what a brief's own file would have become, and a brief that names it finds it prepared.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import sqlalchemy as sa

from cinefab.core.brief import Brief
from cinefab.core.canonical import Json, sha256_of
from cinefab.core.errors import CinefabError, Unavailable
from cinefab.core.ids import AssetId, JobId
from cinefab.core.plan import MediaKind
from cinefab.engine.durable import Status, step
from cinefab.ingest.fetch import Fetched
from cinefab.ingest.prepare import FILM_PREPARATION, PREPARATION
from cinefab.ingest.reader import Unrecognised, recognise
from cinefab.ingest.references import find_reference
from cinefab.ingest.uploads import (
    RECEIVED,
    Upload,
    ended_with_pieces,
    expire,
    find_anyones,
    is_any_late,
    make_ready,
    pieces_of,
    received_before,
    record_dropped,
    refuse,
)
from cinefab.jobs.apart import run_apart
from cinefab.jobs.owners import working_as
from cinefab.jobs.preparing import Given, prepare_film, prepare_picture
from cinefab.jobs.stages import Order, StageOutput
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import StageRef
from cinefab.store.facts import OutboxEvent
from cinefab.store.quarantine import Quarantine

WORKFLOW: Final = "upload"

_log: Final = logging.getLogger(__name__)

_STAGE: Final = "ingest:upload"
_ATTEMPTS_MAX: Final = 8
_START_AFTER_US: Final = 2_000_000
_DROPPED_AT_ONCE: Final = 100


def register_uploads(shop: Workshop) -> None:
    """Tell the engine how uploads are taken in; before it is launched."""

    async def body(which: str) -> Json:
        return await step("take-in", lambda: take_in(shop, which), attempts_max=_ATTEMPTS_MAX)

    shop.durable.workflow(WORKFLOW, body)


async def take_in(shop: Workshop, which: str) -> Json:
    """Decode a received upload and make it an asset, or say why not; twice is as once."""
    found = await asyncio.to_thread(_find, shop, which)
    if found is not None and found.state == RECEIVED:
        owned = working_as(shop, tenant=found.tenant, principal=found.principal)
        try:
            await _take_in(owned, found)
        except Unrecognised as error:
            await asyncio.to_thread(_refuse, owned, found, error.found, error.remedy)
        except Unavailable:
            raise  # it is tried again, and told of by whoever tends uploads if that is in vain
        except CinefabError as error:
            await asyncio.to_thread(_refuse, owned, found, error.found, error.remedy)
        await asyncio.to_thread(drop_pieces, owned, which)
    return {"upload": which}


def drop_pieces(shop: Workshop, which: str) -> None:
    """Take the pieces of an upload that is over out of quarantine."""
    Quarantine(shop.blobs).drop(which)
    with shop.recorder.db.write() as connection:
        record_dropped(connection, which, now_us=shop.recorder.clock.now_us())


def tend_uploads(shop: Workshop, *, starts: bool) -> None:
    """Give up what expired, drop what is over, and, if it `starts`, begin what nobody began.

    Call it every few seconds, of all tenants, where the engine is open.
    """
    now_us = shop.recorder.clock.now_us()
    with shop.recorder.db.read() as connection:
        waiting = received_before(connection, now_us - _START_AFTER_US)
        over = ended_with_pieces(connection, at_most=_DROPPED_AT_ONCE)
        late = is_any_late(connection, now_us=now_us)
    for which in waiting if starts else ():
        status = shop.durable.status(which)
        if status is Status.UNKNOWN:
            shop.durable.start(WORKFLOW, which, which)
        elif status is Status.FAILED:
            _log.warning("upload_failed", extra={"upload": which})
            found = _find(shop, which)
            assert found is not None, "it was just listed"
            owned = working_as(shop, tenant=found.tenant, principal=found.principal)
            _refuse(owned, found, "taking it in failed here", "Send it again.")
    for which in over:
        drop_pieces(shop, which)
    if late:
        with shop.recorder.db.write() as connection:
            expire(connection, now_us=now_us)


async def _take_in(shop: Workshop, upload: Upload) -> None:
    data = await asyncio.to_thread(_load, shop, upload)
    recognised = recognise(shop.readers, data, name=upload.name)
    is_picture = recognised.card.kind is MediaKind.PICTURE
    given = Given(
        field="upload",
        fetched=Fetched(data=data, name=upload.name, location=upload.name),
        original=sha256_of(data),
        recognised=recognised,
        preparation=PREPARATION if is_picture else FILM_PREPARATION,
    )
    known = await asyncio.to_thread(_prepared, shop, given)
    if known is not None:
        await asyncio.to_thread(_make_ready, shop, upload, known)
        return
    order = Order(job=JobId(upload.id), brief=Brief(title=upload.name), out=shop.scratch)

    async def body() -> StageOutput:
        if is_picture:
            made = await prepare_picture(shop, order, given, _STAGE, cut=True)
        else:
            made = await prepare_film(shop, order, given, _STAGE)

        def also(connection: sa.Connection, assets: tuple[Asset, ...]) -> None:
            made.also(connection, assets)
            now_us = shop.recorder.clock.now_us()
            make_ready(connection, upload, assets[0].public_id, now_us=now_us)

        return StageOutput(assets=made.assets, facts=made.facts, also=also)

    event = OutboxEvent(
        kind="upload.decoded",
        subject=upload.id,
        body={"digest": given.original, "preparation": given.preparation},
    )
    ref = StageRef(tenant=shop.tenant, job=JobId(upload.id), name=_STAGE)
    await run_apart(shop, ref, body, event=event)


def _find(shop: Workshop, which: str) -> Upload | None:
    with shop.recorder.db.read() as connection:
        return find_anyones(connection, which)


def _load(shop: Workshop, upload: Upload) -> bytes:
    with shop.recorder.db.read() as connection:
        pieces = pieces_of(connection, upload)
    return Quarantine(shop.blobs).load(upload.id, pieces)


def _prepared(shop: Workshop, given: Given) -> AssetId | None:
    """Return the asset that the very same bytes are already, if all that was made of it is there."""
    with shop.recorder.db.read() as connection:
        kept = find_reference(
            connection,
            tenant=shop.tenant,
            original=given.original,
            preparation=given.preparation,
        )
    if kept is None or not all(shop.blobs.is_intact(digest) for digest in kept.digests):
        return None
    return kept.original_asset


def _make_ready(shop: Workshop, upload: Upload, asset: AssetId) -> None:
    with shop.recorder.db.write() as connection:
        make_ready(connection, upload, asset, now_us=shop.recorder.clock.now_us())


def _refuse(shop: Workshop, upload: Upload, found: str, remedy: str) -> None:
    with shop.recorder.db.write() as connection:
        refuse(
            connection,
            upload,
            found=found.removeprefix("upload: "),
            remedy=remedy,
            now_us=shop.recorder.clock.now_us(),
        )

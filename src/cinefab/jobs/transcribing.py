"""The transcribe stage of a job: what is said in a reference, with the time of each word.

A script that the brief gives is aligned with the recording; other speech goes to a recogniser, if
one is installed. Where there is neither, the transcript is unavailable and nothing is run.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.brief import Reference
from cinefab.core.canonical import Json, Sha256, canonical_json, digest_of
from cinefab.core.errors import BriefInvalid
from cinefab.core.ids import AssetId
from cinefab.core.stage import Content, Lineage, Relation, SourceEdge
from cinefab.core.units import WHOLE_BP
from cinefab.engine.compute import ComputeResult
from cinefab.generate.segments import KeptSegment, record_segment
from cinefab.ingest.references import KeptReference
from cinefab.jobs.ingesting import kept_from_json
from cinefab.jobs.pieces import find_intact
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import NewAsset

_TASK: Final = "cinefab.ingest.transcript:transcribe"
_KEY_SCHEMA: Final = "cinefab.transcript-key/1"
_MADE_BY: Final = "cinefab.transcript@1"
_LIMIT_FIXED_S: Final = 300.0
_LIMIT_PER_MEDIA_SECOND: Final = 4.0


async def transcribe(shop: Workshop, order: Order, reference: Reference, kept: Json) -> Json:
    """Give each word of a reference its time, once for the same sound and script; return the key.

    Null where there is neither a script nor a recogniser. Raises `BriefInvalid` for the script of
    a picture, or of a video without sound.
    """
    found = kept_from_json(kept)
    if found.sound is None:
        raise BriefInvalid(
            attempted=f"align the script of {reference.name}",
            field=f"references.{reference.name}.script",
            found=f"it is a {found.kind} without sound, so nothing is said in it",
            remedy="Remove the script, or give the recording that it belongs to.",
        )
    key = transcript_key(shop, reference, found)
    if key is None:
        return None
    if key in await asyncio.to_thread(find_intact, shop, [key]):
        return key

    async def body() -> StageOutput:
        return await _transcribe(shop, reference, found, key)

    await run_stage(shop, order, f"transcribe:{reference.name}", body)
    return key


def transcript_key(shop: Workshop, reference: Reference, kept: KeptReference) -> Sha256 | None:
    """Return what a reference's transcript is kept under; None where nothing can make one."""
    recognisers = _recognisers(shop)
    if kept.sound is None or not (reference.script or recognisers):
        return None
    return digest_of(
        {
            "schema": _KEY_SCHEMA,
            "tenant": shop.tenant,
            "sound": kept.sound,
            "script": reference.script,
            "language": reference.language,
            "recognisers": list(recognisers),
        }
    )


def transcript_of(
    shop: Workshop, reference: Reference, kept: KeptReference
) -> dict[str, Any] | None:
    """Return the transcript as reports show it, or None if none was made."""
    key = transcript_key(shop, reference, kept)
    piece: Any = None if key is None else find_intact(shop, [key]).get(key)
    if piece is None:
        return None
    said: Any = json.loads(shop.blobs.load(Sha256(piece["digest"])))
    return {"state": said.pop("transcript"), **said}


def _recognisers(shop: Workshop) -> tuple[str, ...]:
    return tuple(entry for _, entry in sorted(shop.recognisers.items()))


async def _transcribe(
    shop: Workshop, reference: Reference, kept: KeptReference, key: Sha256
) -> StageOutput:
    assert kept.sound is not None, "only what is heard is transcribed"
    path = await asyncio.to_thread(shop.blobs.local_path, Sha256(kept.sound))
    argument: Json = {
        "path": str(path),
        "script": reference.script or None,
        "language": reference.language,
        "recognisers": list(_recognisers(shop)),
    }
    facts: Any = kept.facts
    seconds = facts.get("duration_us", 0) / 1_000_000
    limit_s = _LIMIT_FIXED_S + _LIMIT_PER_MEDIA_SECOND * seconds
    answer = await shop.compute.run(_TASK, argument, timeout_s=limit_s)
    return await asyncio.to_thread(_keep, shop, kept, key, answer)


def _keep(shop: Workshop, kept: KeptReference, key: Sha256, answer: ComputeResult) -> StageOutput:
    content = canonical_json(answer.value)
    digest = shop.blobs.put(content)
    made: Any = answer.value
    asset = NewAsset(
        content=Content(
            digest=digest,
            kind="transcript",
            media_type="application/json",
            size_bytes=len(content),
            facts={"key": key},
        ),
        lineage=Lineage(
            made_by=str(made.get("by", _MADE_BY)),
            sources=(
                SourceEdge(
                    source=AssetId(str(kept.sound_asset)),
                    relation=Relation.INPUT_TO,
                    weight_bp=WHOLE_BP,
                ),
            ),
            digital_source_type="algorithmicMedia",
        ),
    )

    def also(connection: sa.Connection, assets: tuple[Asset, ...]) -> None:
        found = KeptSegment(key=key, asset=assets[0].public_id, digest=digest, frames=0)
        record_segment(connection, found, tenant=shop.tenant, now_us=shop.recorder.clock.now_us())

    return StageOutput(
        assets=(asset,),
        facts={"key": key, "transcript": made["transcript"]},
        also=also,
        load_us=answer.load_us,
        work_us=answer.worker_us - answer.load_us,
    )

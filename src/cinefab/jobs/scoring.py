"""The music stage of a job: a bed that a model makes, kept and reused by its key.

It knows of the film only how long it is, so a film whose cuts move keeps the music that it had.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.plan import Plan
from cinefab.core.sound import SAMPLE_RATE, PlannedSound
from cinefab.core.stage import Bill, Content, Lineage
from cinefab.generate.loads import record_load
from cinefab.generate.segments import KeptSegment, record_segment
from cinefab.generate.sounding import bed_key
from cinefab.jobs.containing import GaveUp, blaming, end_for, run_contained
from cinefab.jobs.models import music_model
from cinefab.jobs.pieces import find_intact
from cinefab.jobs.running import WatchedRun
from cinefab.jobs.stages import Attempt, Order, StageOutput
from cinefab.jobs.takes import load_limit_s, require_same_versions
from cinefab.jobs.workshop import Model, Progress, Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import NewAsset

_STAGE: Final = "music"
_BED_TASK: Final = "cinefab.generate.bed:make_bed"
_LIMIT_FIXED_S: Final = 120.0
_LIMIT_PER_ESTIMATE: Final = 40


async def make_bed(
    shop: Workshop, order: Order, plan: Plan, sound: PlannedSound
) -> Mapping[str, Any]:
    """Return the asset and digest of the film's music, made by its model or kept from before."""
    assert sound.music is not None, "a bed is music"
    assert sound.music.model is not None, "it is made by a model"
    model = music_model(shop, sound.music.model)
    samples = math.ceil(plan.frames / plan.fps * SAMPLE_RATE)
    samples = min(samples, model.card.limits.samples_max or samples)
    key = bed_key(sound, samples=samples, machine=shop.machine, tenant=shop.tenant)
    kept: Any = await asyncio.to_thread(find_intact, shop, [key])
    if key in kept:
        found: Mapping[str, Any] = kept[key]
        return found

    async def body(attempt: Attempt) -> StageOutput:
        require_same_versions(shop, order, plan)
        return await _make(shop, order, sound, model, key, samples, attempt)

    committed = await run_contained(shop, order, _STAGE, model, body)
    if isinstance(committed, GaveUp):
        raise await end_for(shop, order, committed)
    facts: Any = committed.facts
    return {"asset": committed.assets[0], "digest": facts["bed"], "frames": samples}


async def _make(
    shop: Workshop,
    order: Order,
    sound: PlannedSound,
    model: Model,
    key: Sha256,
    samples: int,
    attempt: Attempt,
) -> StageOutput:
    assert sound.music is not None, "a bed is music"

    def done(share: float) -> None:
        stage = order.named(_STAGE)
        shop.tell(Progress(job=order.job, stage=stage, done=min(0.99, share)))

    async def no_picture(_picture: Path) -> None:
        return

    run = WatchedRun(shop, order, key, model, on_done=done, on_picture=no_picture)
    await run.restore()
    given: Json = {"prompt": sound.music.prompt, "references": []}
    path = shop.scratch / order.job / f"{key}.flac"
    argument: Json = {
        **model.address,
        "run_folder": str(run.folder),
        "confinement": str(shop.sandbox.confinement),
        "input": given,
        "seed": sound.seed,
        "samples": samples,
        "path": str(path),
    }
    card = model.card
    estimate_us = card.cost_us_fixed + samples // SAMPLE_RATE * card.cost_us_per_megapixel

    def hear(news: Json) -> None:
        if isinstance(news, dict) and "billed" in news:
            billed: Any = news["billed"]
            attempt.bills.append(Bill(**billed))
        else:
            run.hear(news)

    assert attempt.seat is not None, "a body runs on a seat"
    limit_s = _LIMIT_FIXED_S + _LIMIT_PER_ESTIMATE * estimate_us / 1_000_000
    limit_s += await asyncio.to_thread(load_limit_s, shop, model, attempt)
    with blaming(attempt):
        answer = await run.follow(
            attempt.seat.compute.run(
                _BED_TASK,
                argument,
                affinity=model.affinity,
                on_progress=hear,
                timeout_s=limit_s,
                silence_s=card.silence_s or shop.containment.silence_s,
            )
        )
    value: Any = answer.value
    load_us = answer.load_us + value["load_us"]
    said: Mapping[str, Any] = value.get("run", {})
    digest = await asyncio.to_thread(shop.blobs.put_file, path)
    path.unlink(missing_ok=True)
    bed = NewAsset(
        content=Content(
            digest=digest,
            kind="sound",
            media_type="audio/flac",
            size_bytes=value["size_bytes"],
            facts={"key": key, "samples": samples},
        ),
        lineage=Lineage(
            made_by=card.ref,
            sources=(),
            digital_source_type=card.digital_source_type,
            prompt_digest=digest_of({"prompt": sound.music.prompt}),
            # First, so that a model cannot say something else of what it was asked.
            parameters={**said.get("notes", {}), "seed": sound.seed, "input": given},
        ),
    )

    def also(connection: sa.Connection, made: tuple[Asset, ...]) -> None:
        (asset,) = made
        now_us = shop.recorder.clock.now_us()
        record_load(
            connection,
            model=card.ref,
            device_class=model.device_class,
            load_us=load_us if value["load_us"] else 0,
            now_us=now_us,
        )
        run.forget(connection)
        record_segment(
            connection,
            KeptSegment(key=key, asset=asset.public_id, digest=digest, frames=samples),
            tenant=shop.tenant,
            now_us=now_us,
        )

    output = StageOutput(
        assets=(bed,),
        facts={"bed": digest, "samples": samples},
        also=also,
        load_us=load_us,
        work_us=answer.worker_us - load_us,
        bills=tuple(Bill(**bill) for bill in said.get("bills", ())),
    )
    await asyncio.to_thread(run.close)
    return output

"""The preview stage of a job: the film's first picture, small and at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.effect import asked_size
from cinefab.core.plan import Plan, PlannedShot
from cinefab.core.stage import Content, Lineage
from cinefab.generate.preview_film import preview_size
from cinefab.generate.segments import KeptSegment, record_segment
from cinefab.jobs.containing import GaveUp, blaming, run_contained
from cinefab.jobs.effects import effects_said
from cinefab.jobs.models import model_of
from cinefab.jobs.pieces import missing_of, pieces_from, still_key
from cinefab.jobs.stages import Attempt, Order, StageOutput
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.takes import (
    ask_model,
    finish_of_still,
    input_said,
    prompt_of,
    request_now,
    require_same_versions,
    sources_of,
)
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import NewAsset

_STILL_TASK: Final = "cinefab.generate.take:make_still"
_LIMIT_S: Final = 120.0


def has_quick_look(shop: Workshop, order: Order, plan: Plan) -> bool:
    """Say whether a picture of the first shot can be had without making the whole of it."""
    return "any-frame" in model_of(shop, order, plan.shots[0]).card.capabilities


async def preview(
    shop: Workshop, order: Order, plan: Plan, references: Sequence[Json], kept: Json
) -> Json:
    """Make the film's first picture, small and at once, and put it where the film will be."""
    key = still_key(plan)
    found = pieces_from(kept).get(key)
    if found is None:

        async def body(run: Attempt) -> StageOutput:
            missing = [shot for shot in plan.shots[1:] if missing_of(plan, shot, pieces_from(kept))]
            return await _make_still(shop, order, plan, key, references, missing, run)

        model = model_of(shop, order, plan.shots[0])
        committed = await run_contained(shop, order, "preview", model, body)
        if isinstance(committed, GaveUp):
            # The takes will say what is wrong with it, or be made by another model.
            return None
        assert isinstance(committed.facts, dict), "preview keeps an object"
        digest = Sha256(str(committed.facts["digest"]))
    else:
        digest = Sha256(found["digest"])

    await asyncio.to_thread(lambda: show(shop, order, shop.blobs.local_path(digest)))
    return {"digest": digest}


def show(shop: Workshop, order: Order, picture: Path) -> None:
    """Put a picture where the film will be, and note when the first one was there."""
    shop.target.publish(str(order.out), {"preview.jpg": picture})
    with shop.recorder.db.write() as connection:
        connection.execute(
            job_table.update()
            .where(
                job_table.c.tenant_id == shop.tenant,
                job_table.c.public_id == order.job,
                job_table.c.first_preview_us.is_(None),
            )
            .values(first_preview_us=shop.recorder.clock.now_us())
        )


def _requests(
    shop: Workshop,
    order: Order,
    plan: Plan,
    missing: Sequence[PlannedShot],
    references: Sequence[Json],
) -> tuple[Json, list[Json]]:
    """Return the still's own request, and those that the other shots are checked by."""
    require_same_versions(shop, order, plan)
    small = preview_size(plan.size)

    def check(shot: PlannedShot) -> Json:
        # Where effects enlarge, the model draws less than the film's size, or than a still's.
        full = asked_size(shot.effects, plan.size)
        smaller = min(small, full, key=lambda size: size.width)
        return {
            "shot": shot.index,
            **model_of(shop, order, shot).address,
            "small": request_now(shop, order, plan, shot, references, smaller),
            "full": request_now(shop, order, plan, shot, references, full),
        }

    # A film that cannot be made to its end should not show a picture of its beginning.
    checks = [check(shot) for shot in missing]
    if asked_size(plan.shots[0].effects, plan.size).width < small.width:
        checks.append(check(plan.shots[0]))
    return request_now(shop, order, plan, plan.shots[0], references, small), checks


async def _make_still(
    shop: Workshop,
    order: Order,
    plan: Plan,
    key: Sha256,
    references: Sequence[Json],
    missing: Sequence[PlannedShot],
    running: Attempt,
) -> StageOutput:
    shot = plan.shots[0]
    model = model_of(shop, order, shot)
    path = shop.scratch / order.job / "preview.jpg"
    request, checks = await asyncio.to_thread(_requests, shop, order, plan, missing, references)
    argument: Json = {
        **model.address,
        "request": request,
        "first_frame": shot.frames // 2,
        "path": str(path),
        "checks": checks,
        **await asyncio.to_thread(finish_of_still, shop, order, shot, references),
    }
    # Another process may be idle for longer and would have to load the model first.
    with blaming(running):
        answer = await ask_model(
            shop,
            order,
            shot,
            _STILL_TASK,
            argument,
            attempt=running,
            affinity=model.affinity,
            timeout_s=_LIMIT_S,
        )
    value: Any = answer.value
    load_us = answer.load_us + value["load_us"]
    digest = await asyncio.to_thread(shop.blobs.put_file, path)
    path.unlink(missing_ok=True)
    asset = NewAsset(
        content=Content(
            digest=digest, kind="preview", media_type="image/jpeg", size_bytes=value["size_bytes"]
        ),
        lineage=Lineage(
            made_by=model.card.ref,
            sources=sources_of(shop, order, shot, references),
            digital_source_type=model.card.digital_source_type,
            prompt_digest=digest_of(prompt_of(shot)),
            parameters={
                "seed": shot.seed,
                "input": input_said(shot),
                "shot": shot.index,
                **effects_said(shot),
            },
        ),
    )

    def also(connection: sa.Connection, made: tuple[Asset, ...]) -> None:
        kept = KeptSegment(key=key, asset=made[0].public_id, digest=digest, frames=1)
        record_segment(connection, kept, tenant=shop.tenant, now_us=shop.recorder.clock.now_us())

    return StageOutput(
        assets=(asset,),
        facts={"digest": digest},
        also=also,
        load_us=load_us,
        work_us=answer.worker_us - load_us,
    )

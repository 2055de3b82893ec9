"""Takes that were refused before: they are known by their keys, and not made to be refused again.

The walk is answered as if they had just been made and refused, so it goes on with the attempt after
them: where that one passed, it is kept under its own key and reused. What is remembered holds for
the same checks, lines and order alone; whose bytes are gone is made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.plan import Plan, PlannedSegment, PlannedShot
from cinefab.generate.refusals import (
    RefusedTake,
    find_refusals,
    forget_refusals,
    record_refusal,
)
from cinefab.generate.segments import KeptSegment
from cinefab.jobs.lines import lines_of
from cinefab.jobs.models import model_of
from cinefab.jobs.ordered import ordered_of_shots
from cinefab.jobs.pieces import missing_of, pieces_from
from cinefab.jobs.refining import REFUSED, REMEMBERED
from cinefab.jobs.stages import Order, stage_ref
from cinefab.jobs.workshop import Workshop
from cinefab.media.look import LOOK
from cinefab.record.commit import find_stage
from cinefab.review.figures import MEASURE, ordered_document

_SCHEMA: Final = "cinefab.judgement/1"


def judgement_of(shop: Workshop, order: Order, plan: Plan, shot: PlannedShot) -> Sha256 | None:
    """Return what names a take's judgement, or None where what is refused cannot be remembered."""
    judges = [check for check in shop.checks if check.takes]
    if not judges or shot.shows_clip:
        return None
    if "deterministic" not in model_of(shop, order, shot).card.capabilities:
        return None
    ordered = ordered_of_shots(shop, order, plan, [shot], frames=shot.frames)
    judged: dict[str, Any] = {
        "schema": _SCHEMA,
        "checks": [f"{check.name}@{check.version}" for check in judges],
        "ordered": ordered_document(ordered),
        "size": [plan.size.width, plan.size.height],
        "fps": str(plan.fps),
        "thresholds": lines_of(shop, order.brief).as_dict(),
        "measure": MEASURE,
        "look": LOOK,
    }
    return digest_of(judged)


async def find_remembered(
    shop: Workshop, order: Order, plan: Plan, stages: Mapping[int, str], kept: Json
) -> Json:
    """Return, by shot, what making it would come to if its takes were refused before.

    `stages` are what making each shot is called. A stage that this job has committed is no memory:
    what it made counts as it was.
    """

    def find() -> Json:
        known: dict[str, Json] = {}
        for index, stage in stages.items():
            missing = missing_of(plan, plan.shots[index], pieces_from(kept))
            answer = _find(shop, order, plan, plan.shots[index], missing, stage)
            if answer is not None:
                known[str(index)] = answer
        return known

    return await asyncio.to_thread(find)


def _find(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    missing: Sequence[PlannedSegment],
    stage: str,
) -> Json:
    judged_by = judgement_of(shop, order, plan, shot)
    if judged_by is None or not missing:
        return None
    keys = [each.key for each in missing]
    with shop.recorder.db.read() as connection:
        known = find_refusals(connection, keys, judged_by=judged_by, tenant=shop.tenant)
    if len(known) < len(keys):
        return None
    if find_stage(shop.recorder.db, stage_ref(shop, order, stage)) is not None:
        return None
    lost = [each for each in known.values() if not shop.blobs.is_intact(each.made.digest)]
    if lost:
        with shop.recorder.db.write() as connection:
            forget_refusals(connection, lost, tenant=shop.tenant)
        return None
    first = known[keys[0]]
    return {
        "pieces": {
            key: {
                "asset": known[key].made.asset,
                "digest": known[key].made.digest,
                "frames": known[key].made.frames,
            }
            for key in keys
        },
        REFUSED: first.verdict,
        REMEMBERED: {"job": first.job, "seed": shot.seed},
    }


def known_refusal(shop: Workshop, key: Sha256, judged_by: Sha256) -> Json:
    """Return why the take of this key was refused under this judgement, or null."""
    with shop.recorder.db.read() as connection:
        found = find_refusals(connection, [key], judged_by=judged_by, tenant=shop.tenant)
    return found[key].verdict if key in found else None


def remember(
    shop: Workshop,
    connection: sa.Connection,
    order: Order,
    made: Sequence[KeptSegment],
    *,
    judged_by: Sha256,
    verdict: Json,
) -> None:
    """Remember a refused take's segments: part of the commit of what was made."""
    now_us = shop.recorder.clock.now_us()
    for kept in made:
        refused = RefusedTake(made=kept, judged_by=judged_by, verdict=verdict, job=order.job)
        record_refusal(connection, refused, tenant=shop.tenant, now_us=now_us)

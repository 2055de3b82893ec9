"""What takes are judged by, and kept takes that are judged anew because a brief moved a line.

A take is judged when it is made, under the lines of the job that made it. A brief that moves lines
may find takes kept that would not have passed under its own: those are refused as if they had been
made now, before there is a cut, so that their shots can be made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.ids import AssetId
from cinefab.core.plan import Part, Plan, PlannedShot
from cinefab.core.stage import Content, Lineage, Relation
from cinefab.generate.segments import KeptSegment
from cinefab.generate.tables import take
from cinefab.jobs.lines import lines_of
from cinefab.jobs.looks import find_looks, where_they_lie
from cinefab.jobs.ordered import ordered_of_shots
from cinefab.jobs.pieces import Pieces, edges_by_weight, pieces_from
from cinefab.jobs.refining import REFUSED, REMEMBERED
from cinefab.jobs.remembering import judgement_of, known_refusal, remember
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import Asset, load_asset
from cinefab.record.commit import NewAsset
from cinefab.review.figures import MEASURE, ordered_document
from cinefab.review.kept_figures import find_figures

_JUDGE_TASK: Final = "cinefab.jobs.making:judge_kept"
_MADE_BY: Final = "cinefab.review@1"
_LIMIT_FIXED_S: Final = 120.0
_LIMIT_PER_MEDIA_SECOND: Final = 10


def judge_of(shop: Workshop, order: Order, plan: Plan, shot: PlannedShot) -> dict[str, Json]:
    """Return what a take is judged by as soon as it is made, so that a bad one is never kept.

    A clip is what was ordered, whatever it shows; the film's review has its say about it.
    """
    checks = [check.entry for check in shop.checks if check.takes]
    if not checks or shot.shows_clip:
        return {}
    ordered = ordered_of_shots(shop, order, plan, [shot], frames=shot.frames)
    looks = find_looks(shop, ordered.looked_at)
    unknown = {each: mask for each, mask in ordered.looked_at.items() if each not in looks}
    return {
        "judge": {
            "ordered": ordered_document(ordered),
            "size": [plan.size.width, plan.size.height],
            "fps": str(plan.fps),
            "checks": checks,
            "thresholds": lines_of(shop, order.brief).as_dict(),
            "looks": {str(name): look for name, look in looks.items()},
            "pictures": where_they_lie(shop, unknown),
        }
    }


def shots_to_judge(order: Order, plan: Plan, kept: Json, *, but: set[str]) -> list[PlannedShot]:
    """Return the shots whose kept takes were judged by other lines, those `but` these keys' left out.

    A brief that moves no line is content with how its takes were judged.
    """
    if not order.brief.review.thresholds:
        return []
    pieces = pieces_from(kept)
    return [
        shot
        for shot in plan.shots
        if not shot.shows_clip and (key := body_of(shot)) in pieces and key not in but
    ]


def body_of(shot: PlannedShot) -> Sha256:
    """Return the key of what is seen of a shot alone: what a take is judged by."""
    return next(each.key for each in shot.segments if each.part is Part.BODY)


def judging_of(shot: PlannedShot) -> str:
    """Return what the judging of a shot's kept take is called: another take of it, another stage."""
    return f"judge:{shot.index}:k{body_of(shot)[:12]}"


async def judge_kept(
    shop: Workshop, order: Order, plan: Plan, shot: PlannedShot, kept: Json
) -> Json:
    """Judge a kept take by this brief's lines; return null if it passes, else as if just refused."""
    pieces: dict[str, Mapping[str, Any]] = {
        each.key: pieces_from(kept)[each.key]
        for each in shot.segments
        if each.key in pieces_from(kept)
    }
    judged_by = await asyncio.to_thread(judgement_of, shop, order, plan, shot)
    if judged_by is None or await asyncio.to_thread(_is_judged, shop, order, shot):
        return None
    verdict = await asyncio.to_thread(known_refusal, shop, body_of(shot), judged_by)
    if verdict is None:

        async def body() -> StageOutput:
            return await _judge(shop, order, plan, shot, pieces, judged_by)

        committed = await run_stage(shop, order, judging_of(shot), body)
        facts: Any = committed.facts
        verdict = facts[REFUSED]
    if verdict is None:
        return None
    made_in = await asyncio.to_thread(_job_of, shop, AssetId(pieces[body_of(shot)]["asset"]))
    return {"pieces": {}, REFUSED: verdict, REMEMBERED: {"job": made_in, "seed": shot.seed}}


async def _judge(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    pieces: Pieces,
    judged_by: Sha256,
) -> StageOutput:
    shown = pieces[body_of(shot)]
    digest = Sha256(shown["digest"])
    argument: dict[str, Json] = {
        "path": str(await asyncio.to_thread(shop.blobs.local_path, digest)),
        "frames": shown["frames"],
        "figures": await asyncio.to_thread(_figures, shop, digest),
        **await asyncio.to_thread(judge_of, shop, order, plan, shot),
    }
    limit_s = _LIMIT_FIXED_S + _LIMIT_PER_MEDIA_SECOND * float(shown["frames"] / plan.fps)
    answer = await shop.compute.run(_JUDGE_TASK, argument, timeout_s=limit_s)
    value: Any = answer.value
    verdict = value[REFUSED]
    content = canonical_json({"piece": digest, "judged_by": judged_by, REFUSED: verdict})
    document = NewAsset(
        content=Content(
            digest=await asyncio.to_thread(shop.blobs.put, content),
            kind="review",
            media_type="application/json",
            size_bytes=len(content),
        ),
        lineage=Lineage(
            made_by=_MADE_BY,
            sources=edges_by_weight([(AssetId(shown["asset"]), Relation.INPUT_TO, 1)]),
            digital_source_type="algorithmicMedia",
        ),
    )

    def also(connection: sa.Connection, _made: tuple[Asset, ...]) -> None:
        if verdict is not None:
            remember(shop, connection, order, _kept(pieces), judged_by=judged_by, verdict=verdict)

    return StageOutput(
        assets=(document,),
        facts={REFUSED: verdict},
        also=also,
        load_us=answer.load_us,
        work_us=answer.worker_us - answer.load_us,
    )


def _kept(pieces: Mapping[str, Mapping[str, Any]]) -> Sequence[KeptSegment]:
    return [
        KeptSegment(
            key=Sha256(key),
            asset=AssetId(each["asset"]),
            digest=Sha256(each["digest"]),
            frames=each["frames"],
        )
        for key, each in pieces.items()
    ]


def _is_judged(shop: Workshop, order: Order, shot: PlannedShot) -> bool:
    """Say whether this job made the take itself, under these lines: its brief was never changed."""
    if order.revision:
        return False
    with shop.recorder.db.read() as connection:
        ours = sa.select(take.c.id).where(
            take.c.tenant_id == shop.tenant,
            take.c.segment_key == body_of(shot),
            take.c.job_id == order.job,
        )
        return connection.execute(ours).first() is not None


def _figures(shop: Workshop, digest: Sha256) -> Json:
    with shop.recorder.db.read() as connection:
        return find_figures(connection, [digest], tenant=shop.tenant, measure=MEASURE).get(digest)


def _job_of(shop: Workshop, asset: AssetId) -> str | None:
    with shop.recorder.db.read() as connection:
        return load_asset(connection, shop.tenant, asset).job

"""The assemble stage of a job: transitions are blended, then everything is joined by packets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from cinefab.assemble.cut import assemble_cut, cut_order
from cinefab.core.canonical import Json, Sha256
from cinefab.core.ids import AssetId
from cinefab.core.plan import Part, Plan, PlannedTransition
from cinefab.core.stage import Content, Lineage, Relation
from cinefab.core.units import WHOLE_BP
from cinefab.engine.compute import ComputeResult
from cinefab.generate.segments import KeptSegment, record_segment
from cinefab.jobs.models import film_source_type, source_type_of
from cinefab.jobs.pieces import edges_by_weight, pieces_of
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.takes import require_same_versions
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import NewAsset
from cinefab.review.figures import MEASURE
from cinefab.review.kept_figures import record_figures

_BLEND_TASK: Final = "cinefab.jobs.making:blend_and_measure"
_BLEND_LIMIT_S: Final = 120.0
_MADE_BY: Final = "cinefab.assemble@1"
_SOUND_WEIGHT_BP: Final = 2_000
"""What a film owes to its sound; the rest is shared by its pictures, by how long they are seen."""

Pieces = Mapping[str, Any]


async def make(
    shop: Workshop, order: Order, plan: Plan, transition: PlannedTransition, pieces: Pieces
) -> Json:
    """Blend one transition from the tail before it and its head; return it by key."""
    tail = pieces[_segment_key(plan, transition.into - 1, Part.TAIL)]
    head = pieces[_segment_key(plan, transition.into, Part.HEAD)]
    path = shop.scratch / order.job / f"{transition.key}.mp4"

    source_type = source_type_of(shop, order, plan.shots[transition.into - 1 : transition.into + 1])

    async def body() -> StageOutput:
        require_same_versions(shop, order, plan)
        local = shop.blobs.local_path
        argument: Json = {
            "tail": str(await asyncio.to_thread(local, Sha256(tail["digest"]))),
            "head": str(await asyncio.to_thread(local, Sha256(head["digest"]))),
            "path": str(path),
            "kind": transition.kind,
            "frames": transition.frames,
            "colour": transition.colour,
            "size": [plan.size.width, plan.size.height],
            "fps": str(plan.fps),
            "quality": plan.quality,
        }
        answer = await shop.compute.run(_BLEND_TASK, argument, timeout_s=_BLEND_LIMIT_S)
        value: Any = answer.value
        return await asyncio.to_thread(
            _keep, shop, source_type, transition, value, [tail, head], answer
        )

    return pieces_of(await run_stage(shop, order, f"transition:{transition.into}", body))


async def assemble(
    shop: Workshop, order: Order, plan: Plan, pieces: Pieces, sound: Json = None
) -> Json:
    """Join the pieces and the soundtrack into the cut; return its asset, digest and length."""

    async def body() -> StageOutput:
        return await asyncio.to_thread(_join, shop, order, plan, pieces, sound)

    committed = await run_stage(shop, order, "assemble", body)
    facts: Any = committed.facts
    return {"asset": committed.assets[0], "digest": facts["digest"], "frames": facts["frames"]}


def _join(shop: Workshop, order: Order, plan: Plan, pieces: Pieces, sound: Any) -> StageOutput:
    used = [pieces[piece.key] for piece in cut_order(plan)]
    path = Path(shop.scratch) / order.job / "cut.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    assemble_cut(
        [shop.blobs.local_path(Sha256(piece["digest"])) for piece in used],
        path,
        fps=plan.fps,
        frames_wanted=plan.frames,
        sound=sound and shop.blobs.local_path(Sha256(sound["digest"])),
    )
    size_bytes = path.stat().st_size
    digest = shop.blobs.put_file(path)
    path.unlink()
    content = Content(
        digest=digest,
        kind="cut",
        media_type="video/mp4",
        size_bytes=size_bytes,
        facts={"frames": plan.frames},
    )
    sources = [(AssetId(each["asset"]), Relation.COMPONENT_OF, each["frames"]) for each in used]
    if sound is not None:
        weight = max(1, plan.frames * _SOUND_WEIGHT_BP // (WHOLE_BP - _SOUND_WEIGHT_BP))
        sources.append((AssetId(sound["asset"]), Relation.COMPONENT_OF, weight))
    lineage = Lineage(
        made_by=_MADE_BY,
        sources=edges_by_weight(sources),
        digital_source_type=film_source_type(shop, order, plan),
    )
    return StageOutput(
        assets=(NewAsset(content=content, lineage=lineage),),
        facts={"digest": digest, "frames": plan.frames},
    )


def _keep(
    shop: Workshop,
    source_type: str,
    transition: PlannedTransition,
    value: Mapping[str, Any],
    sources: list[Any],
    answer: ComputeResult,
) -> StageOutput:
    path = Path(value["path"])
    digest = shop.blobs.put_file(path)
    path.unlink(missing_ok=True)
    content = Content(
        digest=digest,
        kind="transition",
        media_type="video/mp4",
        size_bytes=value["size_bytes"],
        facts={"frames": value["frames"], "key": transition.key},
    )
    lineage = Lineage(
        made_by=_MADE_BY,
        sources=edges_by_weight(
            [(AssetId(each["asset"]), Relation.COMPONENT_OF, 1) for each in sources]
        ),
        digital_source_type=source_type,
        parameters={"kind": transition.kind, "frames": transition.frames},
    )

    def also(connection: sa.Connection, made: tuple[Asset, ...]) -> None:
        kept = KeptSegment(
            key=transition.key, asset=made[0].public_id, digest=digest, frames=value["frames"]
        )
        now_us = shop.recorder.clock.now_us()
        record_segment(connection, kept, tenant=shop.tenant, now_us=now_us)
        record_figures(
            connection,
            {digest: value["figures"]},
            tenant=shop.tenant,
            measure=MEASURE,
            now_us=now_us,
        )

    facts: Json = {
        "segments": [{"key": transition.key, "digest": digest, "frames": value["frames"]}]
    }
    return StageOutput(
        assets=(NewAsset(content=content, lineage=lineage),),
        facts=facts,
        also=also,
        load_us=answer.load_us,
        work_us=answer.worker_us - answer.load_us,
    )


def _segment_key(plan: Plan, shot: int, part: Part) -> Sha256:
    return next(each.key for each in plan.shots[shot].segments if each.part is part)

"""The generate stage of a job: what is kept is found, what is missing is made, shot by shot."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.brief import Size
from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.ids import AssetId
from cinefab.core.plan import Part, Plan, PlannedSegment, PlannedShot
from cinefab.core.stage import Content, Lineage, Relation, SourceEdge
from cinefab.core.units import WHOLE_BP, BasisPoints, largest_remainder
from cinefab.engine.compute import ComputeResult
from cinefab.generate.segments import (
    KeptSegment,
    TakeFacts,
    find_segments,
    record_segment,
    record_take,
)
from cinefab.jobs.door import find_model
from cinefab.jobs.ingesting import kept_from_json
from cinefab.jobs.planning import brand_files
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Progress, Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import CommittedStage, NewAsset

_TAKES_TASK: Final = "cinefab.generate.take:make_takes"
_STILL_TASK: Final = "cinefab.generate.take:make_still"
_LIMIT_FIXED_S: Final = 120.0
_LIMIT_PER_ESTIMATE: Final = 40
_PREVIEW_WIDTH_MAX_PX: Final = 640

Pieces = Mapping[str, Mapping[str, Any]]
"""Segments that exist, as steps hand them on: key → asset, digest, frames."""


async def find_kept(shop: Workshop, plan: Plan) -> Json:
    """Return those of the plan's segments, transitions and stills that were made before."""
    keys = [segment.key for shot in plan.shots for segment in shot.segments]
    keys += [transition.key for transition in plan.transitions]
    keys.append(_still_key(plan))

    def find() -> Json:
        with shop.recorder.db.read() as connection:
            found = find_segments(connection, keys, tenant=shop.tenant)
        return {key: _piece(kept) for key, kept in found.items()}

    return await asyncio.to_thread(find)


def is_missing(plan: Plan, shot: PlannedShot, kept: Json) -> bool:
    """Say whether a shot has anything that must be made."""
    return bool(_missing(plan, shot, _pieces(kept)))


async def generate(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    references: Sequence[Json],
    kept: Json,
) -> Json:
    """Make a shot's missing segments in one run of its model; return them by key."""
    missing = _missing(plan, shot, _pieces(kept))

    async def body() -> StageOutput:
        return await _make(shop, order, plan, shot, missing, references)

    committed = await run_stage(shop, order, f"generate:{shot.index}", body)
    return pieces_of(committed)


async def preview(
    shop: Workshop, order: Order, plan: Plan, references: Sequence[Json], kept: Json
) -> Json:
    """Make the film's first picture, small and at once, and put it where the film will be."""
    key = _still_key(plan)
    found = _pieces(kept).get(key)
    if found is None:

        async def body() -> StageOutput:
            return await _make_still(shop, order, plan, key, references)

        committed = await run_stage(shop, order, "preview", body)
        assert isinstance(committed.facts, dict), "preview keeps an object"
        digest = Sha256(str(committed.facts["digest"]))
    else:
        digest = Sha256(found["digest"])

    def show() -> None:
        still = shop.blobs.local_path(digest)
        shop.target.publish(str(order.out), {"preview.jpg": still})
        with shop.recorder.db.write() as connection:
            connection.execute(
                job_table.update()
                .where(job_table.c.public_id == order.job, job_table.c.first_preview_us.is_(None))
                .values(first_preview_us=shop.recorder.clock.now_us())
            )

    await asyncio.to_thread(show)
    return {"digest": digest}


def all_segments(kept: Json, made: Sequence[Json]) -> dict[str, Any]:
    """Return what was kept and what was made, by key."""
    pieces = dict(_pieces(kept))
    for each in made:
        pieces |= _pieces(each)
    return pieces


def pieces_of(committed: CommittedStage) -> Json:
    """Return the segments that a stage committed, by key, each with its asset."""
    facts: Any = committed.facts
    return {
        piece["key"]: {"asset": asset, "digest": piece["digest"], "frames": piece["frames"]}
        for piece, asset in zip(facts["segments"], committed.assets, strict=True)
    }


def edges_by_weight(weighted: Sequence[tuple[AssetId, Relation, int]]) -> tuple[SourceEdge, ...]:
    """Return edges whose weights are in proportion to those given and sum to a whole.

    A source that is named twice in one relation is named once, with its weights added.
    """
    together: dict[tuple[AssetId, Relation], int] = {}
    for source, relation, weight in weighted:
        together[source, relation] = together.get((source, relation), 0) + weight
    if not any(together.values()):
        together = dict.fromkeys(together, 1)
    if not together:
        return ()
    shares = largest_remainder(WHOLE_BP, list(together.values()))
    return tuple(
        SourceEdge(source=source, relation=relation, weight_bp=BasisPoints(share))
        for (source, relation), share in zip(together, shares, strict=True)
    )


def _missing(plan: Plan, shot: PlannedShot, kept: Pieces) -> list[PlannedSegment]:
    # A head and the tail before it are needed only to make a transition that is not kept.
    blended = {each.into for each in plan.transitions if each.key not in kept}
    needed = {
        Part.HEAD: shot.index in blended,
        Part.BODY: True,
        Part.TAIL: shot.index + 1 in blended,
    }
    return [each for each in shot.segments if needed[each.part] and each.key not in kept]


async def _make(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    missing: Sequence[PlannedSegment],
    references: Sequence[Json],
) -> StageOutput:
    model = find_model(shop, order.brief)
    folder = shop.scratch / order.job
    frames = sum(each.frames for each in missing)
    stage = f"generate:{shot.index}"
    argument: Json = {
        "entry": model.entry,
        "request": _request(shop, order, plan, shot, references, plan.size),
        "quality": plan.quality,
        "parts": [
            {
                "key": each.key,
                "part": each.part,
                "first_frame": each.first_frame,
                "frames": each.frames,
                "path": str(folder / f"{each.key}.mp4"),
            }
            for each in missing
        ],
    }

    def tell(news: Json) -> None:
        assert isinstance(news, dict), "a model's process reports objects"
        done = min(0.99, int(str(news["frames"])) / frames)
        shop.tell(Progress(job=order.job, stage=stage, done=done))

    estimate_s = sum(each.estimate_device_us for each in missing) / 1_000_000
    answer = await shop.compute.run(
        _TAKES_TASK,
        argument,
        affinity=f"{order.job}:{shot.index}",
        on_progress=tell,
        timeout_s=_LIMIT_FIXED_S + _LIMIT_PER_ESTIMATE * estimate_s,
    )
    value: Any = answer.value
    return await asyncio.to_thread(_keep, shop, order, plan, shot, value, references, answer)


def _keep(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    value: Mapping[str, Any],
    references: Sequence[Json],
    answer: ComputeResult,
) -> StageOutput:
    model = find_model(shop, order.brief)
    lineage = Lineage(
        made_by=plan.model,
        sources=_sources(order, shot, references),
        digital_source_type=model.card.digital_source_type,
        prompt_digest=digest_of(_prompt(shot)),
        parameters={"seed": shot.seed, "input": shot.input, "shot": shot.index},
    )
    assets = []
    for part in value["parts"]:
        path = Path(part["path"])
        digest = shop.blobs.put_file(path)
        path.unlink(missing_ok=True)
        content = Content(
            digest=digest,
            kind="segment",
            media_type="video/mp4",
            size_bytes=part["size_bytes"],
            facts={"frames": part["frames"], "key": part["key"]},
        )
        assets.append(NewAsset(content=content, lineage=lineage))
    facts = TakeFacts(
        model=plan.model,
        seed=shot.seed,
        input=shot.input,
        versions={
            "machine": plan.versions.machine,
            "encoder": plan.versions.encoder,
            "contract": plan.versions.contract,
        },
    )

    def also(connection: sa.Connection, made: tuple[Asset, ...]) -> None:
        now_us = shop.recorder.clock.now_us()
        for part, asset in zip(value["parts"], made, strict=True):
            kept = KeptSegment(
                key=Sha256(part["key"]),
                asset=asset.public_id,
                digest=asset.sha256,
                frames=part["frames"],
            )
            record_segment(connection, kept, tenant=shop.tenant, now_us=now_us)
            record_take(
                connection, facts, tenant=shop.tenant, job=order.job, made=kept, now_us=now_us
            )

    load_us = answer.load_us + value["load_us"]
    return StageOutput(
        assets=tuple(assets),
        facts={"segments": [_made(part) for part in value["parts"]]},
        also=also,
        load_us=load_us,
        work_us=answer.worker_us - load_us,
    )


async def _make_still(
    shop: Workshop, order: Order, plan: Plan, key: Sha256, references: Sequence[Json]
) -> StageOutput:
    model = find_model(shop, order.brief)
    shot = plan.shots[0]
    path = shop.scratch / order.job / "preview.jpg"
    argument: Json = {
        "entry": model.entry,
        "request": _request(shop, order, plan, shot, references, _preview_size(plan.size)),
        "first_frame": shot.frames // 2,
        "path": str(path),
    }
    answer = await shop.compute.run(_STILL_TASK, argument, timeout_s=_LIMIT_FIXED_S)
    value: Any = answer.value
    load_us = answer.load_us + value["load_us"]
    digest = await asyncio.to_thread(shop.blobs.put_file, path)
    path.unlink(missing_ok=True)
    asset = NewAsset(
        content=Content(
            digest=digest, kind="preview", media_type="image/jpeg", size_bytes=value["size_bytes"]
        ),
        lineage=Lineage(
            made_by=plan.model,
            sources=_sources(order, shot, references),
            digital_source_type=model.card.digital_source_type,
            prompt_digest=digest_of(_prompt(shot)),
            parameters={"seed": shot.seed, "input": shot.input, "shot": shot.index},
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


def _request(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    references: Sequence[Json],
    size: Size,
) -> Json:
    by_name = {
        reference.name: kept_from_json(kept)
        for reference, kept in zip(order.brief.references, references, strict=True)
    }
    used = {name: by_name[name] for name in shot.references}
    return {
        "input": shot.input,
        "seed": shot.seed,
        "size": [size.width, size.height],
        "fps": str(plan.fps),
        "shot_frames": shot.frames,
        "references": {
            name: str(shop.blobs.local_path(kept.picture)) for name, kept in used.items()
        },
        "masks": {
            name: str(shop.blobs.local_path(kept.mask))
            for name, kept in used.items()
            if kept.mask is not None
        },
        "files": {
            name: str(shop.blobs.local_path(digest)) for name, digest in brand_files(order).items()
        },
    }


def _sources(order: Order, shot: PlannedShot, references: Sequence[Json]) -> tuple[SourceEdge, ...]:
    by_name = {
        reference.name: kept_from_json(kept)
        for reference, kept in zip(order.brief.references, references, strict=True)
    }
    # A logo is seen in every shot, and nobody's share of a film is a share of its logo.
    logo = order.brief.brand.logo
    shown = [
        (by_name[name].picture_asset, Relation.COMPONENT_OF, 0 if name == logo else 1)
        for name in shot.references
    ]
    masks = [
        (mask, Relation.INPUT_TO, 0)
        for name in shot.references
        if (mask := by_name[name].mask_asset) is not None
    ]
    return edges_by_weight([*shown, *masks])


def _prompt(shot: PlannedShot) -> Json:
    assert isinstance(shot.input, Mapping), "a shot's input is an object"
    return {"prompt": shot.input["prompt"], "caption": shot.input["caption"]}


def _still_key(plan: Plan) -> Sha256:
    # The body's key stands for all that determines the shot's pixels.
    body = next(each for each in plan.shots[0].segments if each.part is Part.BODY)
    return digest_of({"still": body.key, "width": _preview_size(plan.size).width})


def _preview_size(size: Size) -> Size:
    if size.width <= _PREVIEW_WIDTH_MAX_PX:
        return size
    height = size.height * _PREVIEW_WIDTH_MAX_PX // size.width
    return Size(_PREVIEW_WIDTH_MAX_PX, height - height % 2)


def _pieces(document: Json) -> Pieces:
    assert isinstance(document, Mapping), "pieces are kept by key"
    return document  # type: ignore[return-value]  # the steps above wrote it


def _made(part: Mapping[str, Any]) -> Json:
    return {"key": part["key"], "digest": part["digest"], "frames": part["frames"]}


def _piece(kept: KeptSegment) -> Json:
    return {"asset": kept.asset, "digest": kept.digest, "frames": kept.frames}

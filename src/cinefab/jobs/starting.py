"""From a preview film to the film: what is shared, and the pictures that shots begin with.

A preview is an order of its own within the job: the same brief on another model, with stages of its
own. A film whose model begins with a picture is given one of each shot as the preview composed it.
Where the preview's model makes any frame alone it draws that one anew, at the film's size and
without what is laid over it later: words, logo, effects. Of other models a frame of the take is
used as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from cinefab.core.brief import Size
from cinefab.core.canonical import Json, Sha256
from cinefab.core.ids import AssetId
from cinefab.core.plan import Part, Plan, PlannedSegment, PlannedShot
from cinefab.core.stage import Content, Lineage, Relation
from cinefab.generate.preview_film import preview_brief, start_of, starts_wanted, with_starts
from cinefab.jobs.asked_models import find_model
from cinefab.jobs.effects import BLOB
from cinefab.jobs.models import model_of
from cinefab.jobs.pieces import edges_by_weight
from cinefab.jobs.stages import Attempt, Order, StageOutput, run_stage
from cinefab.jobs.takes import (
    ask_model,
    input_said,
    request_now,
    require_same_versions,
    weighted_sources_of,
)
from cinefab.jobs.workshop import Workshop
from cinefab.record.commit import NewAsset

START: Final = "start"
"""The kind of asset that a starting picture is."""

_START_TASK: Final = "cinefab.generate.take:make_start"
_MADE_BY: Final = "cinefab.generate@1"
_LIMIT_S: Final = 120.0


def preview_order(order: Order) -> Order:
    """Return the order of the preview of a film that wants one."""
    # A version that is tried is tried on films.
    return replace(order, brief=preview_brief(order.brief), film=order.brief, pins=None)


def shots_to_start(shop: Workshop, order: Order) -> list[int]:
    """Return the shots of a film whose model is given a picture of its preview to begin with."""
    return list(starts_wanted(order.brief, find_model(shop, order.brief).card))


async def take_start(
    shop: Workshop,
    order: Order,
    plan: Plan,
    index: int,
    pieces: Mapping[str, Any],
    references: Sequence[Json],
) -> Json:
    """Make the picture that a shot begins with, of its preview; return it as a prepared reference.

    `order`, `plan` and `pieces` are the preview's; the stage, and what it costs, are the film's.
    """
    shot = plan.shots[index]
    model = model_of(shop, order, shot)
    is_drawn = "any-frame" in model.card.capabilities

    attempt = Attempt()

    async def body() -> StageOutput:
        return await _take(shop, order, plan, shot, pieces, references, attempt, is_drawn=is_drawn)

    of_film = replace(order, film=None)
    committed = await run_stage(
        shop,
        of_film,
        f"start:{index}",
        body,
        model=model if is_drawn else None,
        attempt=attempt,
    )
    facts: Any = committed.facts
    digest, asset = facts["digest"], committed.assets[0]
    return {
        "original": digest,
        "original_asset": asset,
        "picture": digest,
        "picture_asset": asset,
        "mask": None,
        "mask_asset": None,
        "confidence_bp": 0,
        "width": facts["width"],
        "height": facts["height"],
        "media_type": "image/png",
        "credentials": {"state": "absent"},
    }


def with_pictures(shop: Workshop, order: Order, starts: Sequence[Json]) -> Order:
    """Return the order of the film itself, whose shots begin with these pictures, if with any."""
    if not starts:
        return order
    places = {}
    for index, start in zip(shots_to_start(shop, order), starts, strict=True):
        facts: Any = start
        places[index] = start_of(index, location=f"{BLOB}{facts['picture']}/preview-{index}.png")
    card = find_model(shop, order.brief).card
    return replace(order, brief=with_starts(order.brief, card, places))


async def _take(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    pieces: Mapping[str, Any],
    references: Sequence[Json],
    attempt: Attempt,
    *,
    is_drawn: bool,
) -> StageOutput:
    assert order.film is not None, "a preview is of a film"
    moves = find_model(shop, order.film).card.task.endswith("-video")
    # Motion graphics enter one by one: only later is there the whole of a composition.
    enters = model_of(shop, order, shot).card.task == "motion-graphics"
    part, number = _where(shot, pieces, at_once=moves and not enters)
    take = pieces[part.key]
    path = shop.scratch / order.job / f"start-{shot.index}.png"
    argument: dict[str, Json] = {"path": str(path)}
    weighted = [(AssetId(take["asset"]), Relation.PARENT_OF, 1)]
    if is_drawn:
        model = model_of(shop, order, shot)
        require_same_versions(shop, order, plan)
        clean = _undressed(shot)
        size = _size(order.film.output.size, plan.size, model.card.limits)
        argument |= {
            **model.address,
            "request": await asyncio.to_thread(
                request_now, shop, order, plan, clean, references, size
            ),
            "first_frame": part.first_frame + number,
        }
        answer = await ask_model(
            shop,
            order,
            shot,
            _START_TASK,
            argument,
            attempt=attempt,
            affinity=model.affinity,
            timeout_s=_LIMIT_S,
        )
        made_by, source_type = model.card.ref, model.card.digital_source_type
        # It shows what the take shows, by its own hand: the take is its pattern, and no part of it.
        weighted = [
            (AssetId(take["asset"]), Relation.INPUT_TO, 0),
            *weighted_sources_of(shop, order, clean, references),
        ]
    else:
        argument |= {
            "take": str(await asyncio.to_thread(shop.blobs.local_path, Sha256(take["digest"]))),
            "frame": number,
        }
        answer = await shop.compute.run(_START_TASK, argument, timeout_s=_LIMIT_S)
        made_by = _MADE_BY
        source_type = model_of(shop, order, shot).card.digital_source_type
    value: Any = answer.value
    digest = await asyncio.to_thread(shop.blobs.put_file, path)
    path.unlink(missing_ok=True)
    picture = NewAsset(
        content=Content(
            digest=digest,
            kind=START,
            media_type="image/png",
            size_bytes=value["size_bytes"],
            facts={"shot": shot.index, "frame": part.first_frame + number},
        ),
        lineage=Lineage(
            made_by=made_by,
            sources=edges_by_weight(weighted),
            digital_source_type=source_type,
            parameters={"seed": shot.seed, "input": input_said(shot), "shot": shot.index},
        ),
    )
    load_us = answer.load_us + value["load_us"]
    return StageOutput(
        assets=(picture,),
        facts={"digest": digest, "width": value["width"], "height": value["height"]},
        load_us=load_us,
        work_us=answer.worker_us - load_us,
    )


def _where(
    shot: PlannedShot, pieces: Mapping[str, Any], *, at_once: bool
) -> tuple[PlannedSegment, int]:
    """Return the segment and the frame of it that shows a shot: its first one, or its middle."""
    body = next(each for each in shot.segments if each.part is Part.BODY)
    if not at_once:
        return body, body.frames // 2
    first = shot.segments[0]
    return (first, 0) if first.key in pieces else (body, 0)


def _undressed(shot: PlannedShot) -> PlannedShot:
    """Return a shot without words, logo and effects, which are laid over the film's own pictures."""
    given: Any = shot.input
    logo = given["logo"]
    names = tuple(name for name in shot.references if name != logo or name in given["references"])
    plain = {**given, "caption": "", "logo": None}
    plain["roles"] = {name: given["roles"][name] for name in names}
    return replace(shot, input=plain, references=names, effects=())


def _size(wanted: Size, small: Size, limits: Any) -> Size:
    fits = wanted.width <= limits.width_max and wanted.height <= limits.height_max
    return wanted if fits else small

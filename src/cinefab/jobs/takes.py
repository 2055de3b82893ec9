"""What a model is asked for a shot, and what its answer is held against.

The request is made of blobs, by paths on this machine. What the model cannot show comes back with
the path of the brief; a machine whose versions are not those of the plan is not asked at all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from cinefab.core.brief import Size
from cinefab.core.canonical import Json, Sha256
from cinefab.core.effect import settings_text
from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.core.ids import AssetId
from cinefab.core.plan import Plan, PlannedShot
from cinefab.core.stage import Relation, SourceEdge
from cinefab.engine.compute import ComputeResult, Report
from cinefab.generate.backend import SHOTS_OWN
from cinefab.generate.loads import expected_load
from cinefab.ingest.references import KeptReference
from cinefab.jobs.asked_models import find_model, versions_of
from cinefab.jobs.effects import (
    BLOB,
    file_assets_of,
    finish_for,
    references_of_effects,
    unlike_here,
)
from cinefab.jobs.ingesting import kept_from_json
from cinefab.jobs.pieces import edges_by_weight
from cinefab.jobs.planning import brand_files
from cinefab.jobs.stages import Attempt, Order
from cinefab.jobs.workshop import Model, Workshop

_LIMIT_PER_LOAD: Final = 40


async def request_for(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    references: Sequence[Json],
    size: Size,
) -> Json:
    """Return what all parts of a shot share as the model's process reads it.

    Raises `ContractMismatch` if this machine would not make the pixels that the plan's keys name,
    and what `Blobs.local_path` raises.
    """
    require_same_versions(shop, order, plan)
    # From a bucket this is a download, which must not hold up every other stage.
    return await asyncio.to_thread(request_now, shop, order, plan, shot, references, size)


def request_now(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    references: Sequence[Json],
    size: Size,
) -> Json:
    """Do what `request_for` does, but for the versions, in the calling thread, which may wait."""
    by_name = _by_name(order, references)
    used = {name: by_name[name] for name in shot.references}
    shown = {name: _shown(kept, shot) for name, kept in used.items()}
    return {
        "input": shot.input,
        "seed": shot.seed,
        "size": [size.width, size.height],
        "fps": str(plan.fps),
        "shot_frames": shot.frames,
        "references": {
            name: str(shop.blobs.local_path(digest)) for name, (digest, _) in shown.items()
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


async def ask_model(
    shop: Workshop,
    order: Order,
    shot: PlannedShot,
    task: str,
    argument: Json,
    *,
    attempt: Attempt,
    timeout_s: float,
    silence_s: float | None = None,
    affinity: str | None = None,
    on_progress: Report | None = None,
) -> ComputeResult:
    """Run a task where the attempt has its seat; what it cannot show is named as the brief names it."""
    assert attempt.seat is not None, "a body runs on a seat"
    try:
        return await attempt.seat.compute.run(
            task,
            argument,
            affinity=affinity,
            on_progress=on_progress,
            timeout_s=timeout_s,
            silence_s=silence_s,
        )
    except BriefInvalid as error:
        raise in_the_brief(error, order, shot) from error


def load_limit_s(shop: Workshop, model: Model, attempt: Attempt) -> float:
    """Return how long loading may take before a run begins: no time where the model is warm."""
    is_quick = "any-frame" in model.card.capabilities
    if is_quick or (attempt.seat is not None and attempt.seat.was_warm):
        return 0.0
    with shop.recorder.db.read() as connection:
        once_us = expected_load(connection, model.card, device_class=model.device_class)
    return _LIMIT_PER_LOAD * once_us / 1_000_000


def require_same_versions(shop: Workshop, order: Order, plan: Plan) -> None:
    """Raise `ContractMismatch` if what is installed here is not what the plan was made for."""
    planned = asdict(plan.versions)
    found = asdict(versions_of(shop, find_model(shop, order.brief)))
    unlike = [
        f"{name} {planned[name]!r} there and {found[name]!r} here"
        for name in found
        if planned[name] != found[name]
    ]
    unlike += unlike_here(shop, plan.shots)
    if unlike:
        raise ContractMismatch(
            attempted=f"go on with {order.job} as it was planned",
            found=f"it was planned on a machine with other versions: {', '.join(unlike)}",
            remedy="Order it again: it is planned anew here; what this machine made is reused.",
        )


def in_the_brief(error: BriefInvalid, order: Order, shot: PlannedShot) -> BriefInvalid:
    """Return a model's error as the brief's author sees it: its path, and names of files."""
    found = error.found.removeprefix(f"{error.field}: ")
    for place in (order.brief.brand.font, order.brief.brand.lut):
        if place is not None and place.startswith(BLOB):
            # The model saw a blob, whose name is its digest.
            digest, _, name = place.removeprefix(BLOB).partition("/")
            found = found.replace(digest, name)
    return BriefInvalid(
        field=_path(error.field, order, shot),
        found=found,
        remedy=error.remedy.replace("a font_file", "a brand.font"),
        attempted=error.attempted,
    )


def sources_of(
    shop: Workshop, order: Order, shot: PlannedShot, references: Sequence[Json]
) -> tuple[SourceEdge, ...]:
    """Return the edges from what a shot shows; masks, the logo and effects' own without weight."""
    return edges_by_weight(weighted_sources_of(shop, order, shot, references))


def weighted_sources_of(
    shop: Workshop, order: Order, shot: PlannedShot, references: Sequence[Json]
) -> list[tuple[AssetId, Relation, int]]:
    """Return what a shot shows, with weights that are yet to be brought to a whole."""
    by_name = _by_name(order, references)
    # A logo is seen in every shot, and nobody's share of a film is a share of its logo.
    logo = order.brief.brand.logo
    shown = [
        (_shown(by_name[name], shot)[1], Relation.COMPONENT_OF, 0 if name == logo else 1)
        for name in shot.references
    ]
    masks = [
        (mask, Relation.INPUT_TO, 0)
        for name in shot.references
        if (mask := by_name[name].mask_asset) is not None
    ]
    return [*shown, *masks, *_given_to_effects(shop, shot, by_name)]


def input_said(shot: PlannedShot) -> Json:
    """Return what a lineage says of a model's input: its settings as text, as they may be broken numbers."""
    given: Any = shot.input
    if "settings" not in given:
        return shot.input
    return {**given, "settings": settings_text(given["settings"])}


def prompt_of(shot: PlannedShot) -> Json:
    """Return the words that a shot was made from."""
    assert isinstance(shot.input, Mapping), "a shot's input is an object"
    return {"prompt": shot.input["prompt"], "caption": shot.input["caption"]}


def finish_of(
    shop: Workshop, order: Order, shot: PlannedShot, references: Sequence[Json]
) -> dict[str, Json]:
    """Return what a take is asked beside its request where the shot has effects."""
    return finish_for(shop, shot, _by_name(order, references))


def finish_of_still(
    shop: Workshop, order: Order, shot: PlannedShot, references: Sequence[Json]
) -> dict[str, Json]:
    """Return what a still is asked beside its request where the shot has effects."""
    return finish_for(shop, shot, _by_name(order, references), still=True)


def _by_name(order: Order, references: Sequence[Json]) -> dict[str, KeptReference]:
    return {
        reference.name: kept_from_json(kept)
        for reference, kept in zip(order.brief.references, references, strict=True)
    }


def _shown(kept: KeptReference, shot: PlannedShot) -> tuple[Sha256, AssetId]:
    """Return what a shot is made from: a clip from its video, everything else from a picture."""
    assert isinstance(shot.input, Mapping), "a shot's input is an object"
    if "clip" in shot.input and kept.video is not None and kept.video_asset is not None:
        return kept.video, kept.video_asset
    return kept.picture, kept.picture_asset


def _given_to_effects(
    shop: Workshop, shot: PlannedShot, by_name: Mapping[str, KeptReference]
) -> list[tuple[AssetId, Relation, int]]:
    if not shot.effects:
        return []
    with shop.recorder.db.read() as connection:
        files = file_assets_of(shop, connection, shot)
    laid_over = references_of_effects(shot, by_name)
    # Like the brand's logo, what an effect lays over a picture is nobody's share of the film.
    return [
        *((kept.picture_asset, Relation.COMPONENT_OF, 0) for kept in laid_over),
        *((mask, Relation.INPUT_TO, 0) for kept in laid_over if (mask := kept.mask_asset)),
        *((asset, Relation.INPUT_TO, 0) for asset in files),
    ]


def _path(field: str, order: Order, shot: PlannedShot) -> str:
    setting = field.removeprefix("model_settings.")
    # A setting that a shot has laid over the film's stands in the shot; a bare prompt has none.
    written = order.brief.shots[shot.index : shot.index + 1] if setting != field else ()
    its_own = any(setting in json.loads(each.model_settings) for each in written)
    if field in SHOTS_OWN or its_own:
        return f"shots[{shot.index}].{field}"
    return "brand.colours" if field == "colours" else field

"""The plan stage of a job: the exact plan is made, kept as data and as an OpenTimelineIO file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cinefab.core.brief import Brief
from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.effect import ChainOf
from cinefab.core.plan import Plan
from cinefab.core.sound import SpokenLine
from cinefab.core.stage import Content, Lineage
from cinefab.generate.captions import plan_cues
from cinefab.generate.plan import (
    make_plan,
    placed_lines,
    plan_document,
    plan_from_document,
    starts_ms_of,
)
from cinefab.generate.sounding import line_from_document
from cinefab.generate.timeline import write_timeline
from cinefab.jobs.asked_models import clips_card, find_model, versions_of
from cinefab.jobs.clips import check_compared
from cinefab.jobs.effects import BLOB, chain_of, files_as_assets
from cinefab.jobs.estimating import instead_by, price_ahead, trial_of
from cinefab.jobs.ingesting import kept_from_json, prepared
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.workshop import Model, Workshop
from cinefab.record.commit import NewAsset


async def plan(
    shop: Workshop,
    order: Order,
    references: Sequence[Json],
    spoken: Sequence[Json] = (),
    *,
    stage: str = "plan",
    said: Mapping[str, Json] = MappingProxyType({}),
    instead: Mapping[int, str] = MappingProxyType({}),
) -> Json:
    """Make the plan and keep it; return the digests of its two forms, and what else is `said`.

    `spoken` are the film's lines, as `jobs.speaking.speak` returned them; `instead` names the model
    of the shots that the film's own does not make.
    """

    async def body() -> StageOutput:
        output = await asyncio.to_thread(_plan, shop, order, references, spoken, instead)
        assert isinstance(output.facts, Mapping), "a plan's facts have names"
        return replace(output, facts={**output.facts, **said})

    committed = await run_stage(shop, order, stage, body)
    return committed.facts


def load_plan(shop: Workshop, planned: Json) -> Plan:
    """Return the plan that `plan` kept: the same on every worker, whatever is installed there."""
    assert isinstance(planned, dict), "plan returns an object"
    return plan_from_document(json.loads(shop.blobs.load(Sha256(str(planned["plan"])))))


def instead_of(planned: Json) -> dict[int, str]:
    """Return which shots of a plan another model makes, and which, by their indexes."""
    facts: Any = planned
    return {int(index): model for index, model in facts.get("instead", {}).items()}


def brand_files(order: Order) -> dict[str, Sha256]:
    """Return the digests of the files that the brand brings, by what they are for."""
    places = {"font": order.brief.brand.font, "lut": order.brief.brand.lut}
    return {
        name: Sha256(place.removeprefix(BLOB).partition("/")[0])
        for name, place in places.items()
        if place is not None
    }


def plan_now(
    shop: Workshop,
    order: Order,
    references: Sequence[Json],
    spoken: Sequence[Any],
    instead: Mapping[int, str],
) -> Plan:
    """Return the plan without keeping it; raise what `make_plan` raises."""
    lines = [line_from_document(each["line"]) for each in spoken]
    model = find_model(shop, order.brief)
    ready = [
        prepared(reference, kept_from_json(kept))
        for reference, kept in zip(order.brief.references, references, strict=True)
    ]
    if (compare := order.brief.review.compare) is not None:
        # What was behind a URL could not be looked at before.
        check_compared(compare, next(each.kind for each in ready if each.name == compare.reference))
    cues = _cues(order.brief, lines)
    return make_plan(
        order.brief,
        references=ready,
        card=model.card,
        versions=versions_of(shop, model),
        tenant=shop.tenant,
        files=brand_files(order),
        nusd_per_s=price_ahead(shop, model),
        chain_of=_chain(shop, order.brief, cues, model),
        spoken=lines,
        clips=clips_card(shop),
        instead={
            **trial_of(shop, order.brief, order.pins, order.job, cues=cues),
            **{
                index: instead_by(shop, order.brief, shop.models[name], cues=cues)
                for index, name in instead.items()
            },
        },
    )


def _plan(
    shop: Workshop,
    order: Order,
    references: Sequence[Json],
    spoken: Sequence[Any],
    instead: Mapping[int, str],
) -> StageOutput:
    made = plan_now(shop, order, references, spoken, instead)
    path = Path(shop.scratch) / f"{order.job}.otio"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_timeline(made, path)
    timeline = path.read_bytes()
    path.unlink()
    document = canonical_json(plan_document(made))
    digest = shop.blobs.put(document)
    timeline_digest = shop.blobs.put(timeline)
    lineage = Lineage(
        made_by=f"cinefab.plan@{made.versions.contract}",
        sources=(),
        digital_source_type="algorithmicMedia",
    )
    # What effects are given becomes an asset before there is anything that it went into.
    files = files_as_assets(shop, order.brief) if any(shot.effects for shot in made.shots) else ()
    assets = (
        *files,
        _asset(digest, "plan", "application/json", len(document), lineage),
        _asset(timeline_digest, "timeline", "application/json", len(timeline), lineage),
    )
    facts: Json = {"plan": digest, "timeline": timeline_digest, "notes": list(made.notes)}
    return StageOutput(assets=assets, facts=facts)


def _cues(brief: Brief, lines: Sequence[SpokenLine]) -> list[dict[str, Any]] | None:
    """Return what captions show as effects are given it, None where no line was spoken."""
    cues = plan_cues(brief, placed_lines(brief, lines), starts_ms=starts_ms_of(brief))
    # Where nobody can speak, what would have been said is still shown over its shot.
    return [
        {"start_ms": cue.start_ms, "end_ms": cue.end_ms, "lines": list(cue.lines)} for cue in cues
    ] or None


def _chain(
    shop: Workshop,
    brief: Brief,
    cues: Sequence[Mapping[str, Any]] | None,
    model: Model,
) -> ChainOf:
    burn = brief.captions is not None and brief.captions.burn
    draws = model.card.capabilities
    return chain_of(shop, brief, draws=draws, cues=cues, burn=burn, of_model=model.chain)


def _asset(
    digest: Sha256, kind: str, media_type: str, size_bytes: int, lineage: Lineage
) -> NewAsset:
    content = Content(digest=digest, kind=kind, media_type=media_type, size_bytes=size_bytes)
    return NewAsset(content=content, lineage=lineage)

"""What a report says of a preview film: what it is, what it cost, who said yes, what it handed on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cinefab.core.brief import Brief
from cinefab.core.canonical import Sha256
from cinefab.core.clock import iso_utc
from cinefab.core.ids import JobId, TenantId
from cinefab.core.plan import Plan
from cinefab.core.units import Uusd
from cinefab.economics.report import JobCosts
from cinefab.generate.plan import plan_from_document
from cinefab.jobs.report_attempts import is_planning
from cinefab.jobs.stages import PREVIEW, latest_stage, stage_called
from cinefab.jobs.workshop import Workshop
from cinefab.record.commit import CommittedStage
from cinefab.review.items import decision_document, decisions_of

Stages = tuple[CommittedStage, ...]


def preview_of_film(
    shop: Workshop,
    connection: sa.Connection,
    job: JobId,
    brief: Brief,
    stages: Stages,
    costs: JobCosts,
    *,
    out: str,
) -> dict[str, Any]:
    """Return the report's `preview_first`; nothing of a film that is made without a preview.

    `answer` is what a person said to this very preview. `begins_with` are the pictures that the
    film's shots begin with; where there are none the two share the plan and the seeds.
    """
    first = brief.preview_first
    if first is None:
        return {}
    plan = _latest_plan(shop, stages)
    shown = latest_stage(stages, f"{PREVIEW}deliver")
    cut = latest_stage(stages, f"{PREVIEW}assemble")
    facts: Any = {} if shown is None else shown.facts
    cost_uusd = _cost(costs)
    return {
        "preview_first": {
            "model": first.model if plan is None else plan.model,
            "size": None if plan is None else str(plan.size),
            "film": None if shown is None else f"{out}/preview.mp4",
            "asset": None if shown is None else shown.assets[0],
            "sha256": facts.get("digest"),
            "ask": first.ask,
            "answer": None if cut is None else _answer(connection, shop.tenant, job, cut),
            "cost_uusd": cost_uusd,
            "film_cost_uusd": None
            if cost_uusd is None or costs.total_uusd is None
            else costs.total_uusd - cost_uusd,
            "begins_with": _starts(stages),
        }
    }


def preview_notes(brief: Brief, stages: Stages) -> list[str]:
    """Return what is to be known of how far a film follows its preview."""
    if brief.preview_first is None or latest_stage(stages, "plan") is None or _starts(stages):
        return []
    shared = "the film shares the preview's plan and seeds alone"
    return [f"preview_first: {brief.model} does not begin with a picture, so {shared}"]


def preview_keys(shop: Workshop, stages: Stages) -> set[str]:
    """Return the keys of what was planned for previews, every revision and attempt of them."""
    plans = (_plan(shop, stage) for stage in _plannings(stages))
    return {each.key for plan in plans for shot in plan.shots for each in shot.segments}


def first_picture(stages: Stages) -> str | None:
    """Return the first picture that a preview showed, which is the job's first one."""
    shown = latest_stage(stages, f"{PREVIEW}preview")
    facts: Any = None if shown is None else shown.facts
    return None if facts is None else str(facts["digest"])


def _plannings(stages: Stages) -> list[CommittedStage]:
    return [each for each in stages if is_planning(each, of_preview=True)]


def _latest_plan(shop: Workshop, stages: Stages) -> Plan | None:
    made = _plannings(stages)
    return _plan(shop, made[-1]) if made else None


def _plan(shop: Workshop, stage: CommittedStage) -> Plan:
    facts: Any = stage.facts
    return plan_from_document(json.loads(shop.blobs.load(Sha256(facts["plan"]))))


def _cost(costs: JobCosts) -> Uusd | None:
    paid = [each.cost_uusd for each in costs.stages if each.stage.startswith(PREVIEW)]
    return None if None in paid else Uusd(sum(each or 0 for each in paid))


def _answer(
    connection: sa.Connection, tenant: TenantId, job: JobId, cut: CommittedStage
) -> dict[str, Any] | None:
    facts: Any = cut.facts
    given = [
        made
        for item, made in decisions_of(connection, tenant=tenant, job=job)
        if item.cut == facts["digest"]
    ]
    if not given:
        return None
    return {**decision_document(given[-1]), "at": iso_utc(given[-1].decided_us)}


def _starts(stages: Sequence[CommittedStage]) -> list[dict[str, Any]]:
    latest: dict[int, dict[str, Any]] = {}
    for stage in stages:
        kind, _, index = stage_called(stage.name).partition(":")
        if kind == "start":
            facts: Any = stage.facts
            latest[int(index)] = {
                "shot": int(index),
                "asset": stage.assets[0],
                "sha256": facts["digest"],
            }
    return [latest[index] for index in sorted(latest)]

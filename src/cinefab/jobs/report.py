"""What a job says of itself when it ends: the film, its segments, time, cost, origin, who is paid.

The same document is written beside the film and printed by `--json`. Money is whole µUSD, and
null where it is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, assert_never

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256
from cinefab.core.clock import iso_utc
from cinefab.core.ids import JobId
from cinefab.core.plan import Plan
from cinefab.core.verdict import NeedsPerson, Passed, Refused, Verdict
from cinefab.deliver.releases import Release, find_release
from cinefab.economics.bills import StageBill
from cinefab.economics.metrics import cost_per_delivered_minute_uusd, first_pass_yield
from cinefab.economics.report import JobCosts, LeaseCost, job_costs
from cinefab.generate.plan import plan_from_document
from cinefab.generate.tables import take
from cinefab.jobs.falling_back import fallbacks_of
from cinefab.jobs.report_attempts import attempts_of, is_planning
from cinefab.jobs.report_effects import effects_of
from cinefab.jobs.report_failures import failures_of
from cinefab.jobs.report_origin import origin_of, references_of
from cinefab.jobs.report_preview import (
    first_picture,
    preview_keys,
    preview_notes,
    preview_of_film,
)
from cinefab.jobs.report_publications import published_of
from cinefab.jobs.report_sound import sound_of
from cinefab.jobs.report_timeline import (
    film_facts,
    preview_of,
    segments_of,
    shots_of,
    transitions_of,
)
from cinefab.jobs.rounds import brief_as_of
from cinefab.jobs.stages import latest_stage
from cinefab.jobs.status import JobStatus
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop
from cinefab.latency.stage_times import stage_times
from cinefab.record.commit import CommittedStage, load_stages
from cinefab.review.check import conclude
from cinefab.review.items import (
    decision_document,
    decisions_of,
    find_latest_item,
    item_document,
)
from cinefab.review.results import finding_from_json, latest_findings

SCHEMA: Final = "cinefab.report/1"


def build_report(shop: Workshop, job: JobId) -> dict[str, Any]:
    """Return the report of a job as it stands; of one that ended, the same each time."""
    with shop.recorder.db.read() as connection:
        row = connection.execute(
            sa.select(job_table).where(
                job_table.c.tenant_id == shop.tenant, job_table.c.public_id == job
            )
        ).one()
        brief, _ = brief_as_of(connection, tenant=shop.tenant, job=job, round_number=row.round)
        stages = load_stages(connection, tenant=shop.tenant, job=job)
        released = find_release(connection, tenant=shop.tenant, job=job)
        costs = job_costs(connection, tenant=shop.tenant, job=job)
        plan = _plan(shop, stages)
        return {
            "schema": SCHEMA,
            "job": job,
            "status": row.status,
            "failure": None if row.failure is None else json.loads(row.failure),
            "title": brief.title if plan is None else plan.title,
            "out": row.out,
            "film": f"{row.out}/film.mp4" if row.status == JobStatus.DELIVERED else None,
            **_times(row),
            **film_facts(plan),
            "seed": brief.seed,
            "budget_uusd": brief.budget_uusd,
            **_timeline(shop, connection, job, plan, stages),
            **sound_of(connection, plan, stages, tenant=shop.tenant),
            "references": references_of(shop, connection, brief, plan, stages),
            "stages": _stages(shop, connection, job, costs, requested_us=row.requested_us),
            "leases": [_lease(each) for each in costs.leases],
            **({"bills": [_bill(each) for each in costs.bills]} if costs.bills else {}),
            "effects": effects_of(stages, costs),
            "attempts": attempts_of(connection, stages, costs, tenant=shop.tenant),
            **failures_of(connection, job, costs, tenant=shop.tenant),
            **fallbacks_of(next((s.facts for s in reversed(stages) if is_planning(s)), {})),
            **_money(costs, released),
            **preview_of_film(shop, connection, job, brief, stages, costs, out=row.out),
            "yield": _yield(shop, connection, job, row.status, plan, stages),
            "verdict": _verdict(connection, shop, plan, stages),
            **({"thresholds": dict(brief.review.thresholds)} if brief.review.thresholds else {}),
            **_asked(connection, shop, job),
            **published_of(connection, job, tenant=shop.tenant),
            **({} if row.template is None else {"template": json.loads(row.template)}),
            **origin_of(shop, connection, stages, released),
            "notes": [] if plan is None else [*plan.notes, *preview_notes(brief, stages)],
        }


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as reports show it."""
    match verdict:
        case Passed():
            return {"state": "passed"}
        case Refused():
            return {"state": "refused", **asdict(verdict)}
        case NeedsPerson():
            return {"state": "needs_person", **asdict(verdict)}
        case _:
            assert_never(verdict)


def verdict_from_document(document: Json) -> Verdict:
    """Return the verdict that `verdict_document` wrote."""
    assert isinstance(document, dict), "a verdict is an object"
    fields: dict[str, Any] = {name: each for name, each in document.items() if name != "state"}
    match document["state"]:
        case "passed":
            return Passed()
        case "refused":
            return Refused(**fields)
        case state:
            assert state == "needs_person", f"there is no verdict {state!r}"
            return NeedsPerson(**fields)


def _plan(shop: Workshop, stages: tuple[CommittedStage, ...]) -> Plan | None:
    # A shot that was refused is planned anew, so the newest plan is the one that the film is of.
    stage = next((each for each in reversed(stages) if is_planning(each)), None)
    if stage is None:
        return None
    facts: Any = stage.facts
    return plan_from_document(json.loads(shop.blobs.load(Sha256(facts["plan"]))))


def _times(row: Any) -> dict[str, Any]:
    ended_us, preview_us = row.ended_us, row.first_preview_us
    return {
        "created": iso_utc(row.created_us),
        "seconds": None if ended_us is None else (ended_us - row.requested_us) / 1_000_000,
        "first_preview_ms": (
            None if preview_us is None else (preview_us - row.requested_us) // 1000
        ),
        "deadline": None if row.deadline_us is None else iso_utc(row.deadline_us),
        "late": (
            None
            if row.deadline_us is None or ended_us is None
            else bool(ended_us > row.deadline_us)
        ),
    }


def _timeline(
    shop: Workshop,
    connection: sa.Connection,
    job: JobId,
    plan: Plan | None,
    stages: tuple[CommittedStage, ...],
) -> dict[str, Any]:
    if plan is None:
        return {"preview": first_picture(stages), "shots": [], "segments": [], "transitions": []}
    return {
        "preview": preview_of(connection, plan, tenant=shop.tenant) or _shown_first(stages),
        "shots": shots_of(plan),
        "segments": segments_of(connection, plan, tenant=shop.tenant, job=job),
        "transitions": transitions_of(connection, plan, stages, tenant=shop.tenant),
    }


def _shown_first(stages: tuple[CommittedStage, ...]) -> str | None:
    """Return the picture that this job showed first: of a shot that was made again later, say."""
    shown = latest_stage(stages, "preview")
    facts: Any = None if shown is None else shown.facts
    return first_picture(stages) if facts is None else str(facts["digest"])


def _lease(lease: LeaseCost) -> dict[str, Any]:
    return {
        "stage": lease.stage,
        "device_class": lease.device_class,
        "nusd_per_s": lease.nusd_per_s,
        "device_us": lease.device_us,
        "cost_uusd": lease.cost_uusd,
        "charged": lease.charged,
        "by_class": {str(name): us for name, us in lease.by_class.items()},
    }


def _bill(bill: StageBill) -> dict[str, Any]:
    return {
        "stage": bill.stage,
        "supplier": bill.supplier,
        "reference": bill.reference,
        "amount_uusd": bill.amount_uusd,
        "basis": bill.basis,
        "time_class": bill.time_class,
    }


def _stages(
    shop: Workshop, connection: sa.Connection, job: JobId, costs: JobCosts, *, requested_us: int
) -> list[dict[str, Any]]:
    by_name = {stage.stage: stage for stage in costs.stages}
    return [
        {
            "name": name,
            "ms": round(took.took_us / 1000),
            "start_ms": round((took.started_us - requested_us) / 1000),
            "started": iso_utc(took.started_us),
            "device_us": by_name[name].device_us,
            "cost_uusd": by_name[name].cost_uusd,
        }
        for name, took in stage_times(connection, tenant=shop.tenant, job=job).items()
    ]


def _money(costs: JobCosts, released: Release | None) -> dict[str, Any]:
    minute = None
    if released is not None:
        minute = cost_per_delivered_minute_uusd(
            costs.total_uusd, delivered_frames=released.frames, fps=released.fps
        )
    return {
        "cost_uusd": costs.total_uusd,
        "overhead_uusd": costs.overhead_uusd,
        "reserved_uusd": costs.reserved_uusd,
        "voided_uusd": costs.voided_uusd,
        "device_us_by_class": {str(name): us for name, us in costs.by_class.items()},
        "delivered_seconds": 0 if released is None else float(released.frames / released.fps),
        "cost_per_delivered_minute_uusd": minute,
    }


def _yield(
    shop: Workshop,
    connection: sa.Connection,
    job: JobId,
    status: str,
    plan: Plan | None,
    stages: tuple[CommittedStage, ...],
) -> float | None:
    ours = sa.select(take.c.segment_key, take.c.refused).where(
        # What is made again is no other item, and the first time it was not right.
        take.c.tenant_id == shop.tenant,
        take.c.job_id == job,
        take.c.attempt == 0,
    )
    rows = connection.execute(ours).all()
    # What was made to be looked at alone is no part of what the film needed.
    shown = preview_keys(shop, stages) if rows else set()
    started = [row for row in rows if row.segment_key not in shown]
    # What a person sent back was made for nothing, however good it was.
    used = set() if plan is None else {each.key for shot in plan.shots for each in shot.segments}
    right = {row.segment_key for row in started if row.refused is None}
    accepted = len(used & right) if status == JobStatus.DELIVERED else 0
    share = first_pass_yield(accepted_without_rework=accepted, started=len(started))
    return None if share is None else float(share)


def _verdict(
    connection: sa.Connection,
    shop: Workshop,
    plan: Plan | None,
    stages: tuple[CommittedStage, ...],
) -> Mapping[str, Any] | None:
    cut = latest_stage(stages, "assemble")
    if plan is None or cut is None:
        return None
    facts: Any = cut.facts
    found = latest_findings(connection, tenant=shop.tenant, cut=Sha256(facts["digest"]))
    if not isinstance(found, list):
        return None
    verdict = verdict_document(conclude(finding_from_json(finding) for finding in found))
    for finding in found:
        for shown in finding.setdefault("frames", []):
            shown["file"] = f"verdict-{shown['check']}-{shown['frame']}.jpg"
            if (shown["check"], shown["frame"]) == (verdict.get("check"), verdict.get("frame")):
                verdict |= {"shot": shown["shot"], "picture": shown["file"]}
    return {**verdict, "findings": found}


def verdict_pictures(report: Mapping[str, Any]) -> dict[str, Sha256]:
    """Return the frames that speak against a film: the names of their files, and their blobs."""
    verdict = report["verdict"]
    findings = [] if verdict is None else verdict["findings"]
    return {
        shown["file"]: Sha256(shown["sha256"])
        for finding in findings
        for shown in finding["frames"]
    }


def _asked(connection: sa.Connection, shop: Workshop, job: JobId) -> dict[str, Any]:
    item = find_latest_item(connection, tenant=shop.tenant, subject=job)
    if item is None:
        return {}
    decided = decisions_of(connection, tenant=shop.tenant, job=job)
    return {
        "asked": {
            **item_document(item),
            "opened": iso_utc(item.opened_us),
            "due": iso_utc(item.due_us),
            "decisions": [
                {**decision_document(made), "at": iso_utc(made.decided_us)} for _, made in decided
            ],
        }
    }

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

from cinefab.core.canonical import Sha256
from cinefab.core.clock import iso_utc
from cinefab.core.ids import JobId
from cinefab.core.plan import Plan
from cinefab.core.verdict import NeedsPerson, Passed, Refused, Verdict
from cinefab.deliver.releases import Release, find_release
from cinefab.economics.metrics import cost_per_delivered_minute_uusd, first_pass_yield
from cinefab.economics.report import JobCosts, LeaseCost, job_costs
from cinefab.generate.plan import plan_from_document
from cinefab.generate.tables import take
from cinefab.ingest.brief import brief_from_document
from cinefab.jobs.report_effects import effects_of
from cinefab.jobs.report_origin import origin_of, references_of
from cinefab.jobs.report_timeline import (
    film_facts,
    preview_of,
    segments_of,
    shots_of,
    transitions_of,
)
from cinefab.jobs.status import JobStatus
from cinefab.jobs.tables import brief as brief_table
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop
from cinefab.latency.stage_times import stage_times
from cinefab.record.commit import CommittedStage, load_stages
from cinefab.review.check import conclude
from cinefab.review.results import finding_from_json, latest_findings

SCHEMA: Final = "cinefab.report/1"


def build_report(shop: Workshop, job: JobId) -> dict[str, Any]:
    """Return the report of a job as it stands; of one that ended, the same each time."""
    with shop.recorder.db.read() as connection:
        row = connection.execute(
            sa.select(job_table, brief_table.c.document)
            .join_from(job_table, brief_table)
            .where(job_table.c.tenant_id == shop.tenant, job_table.c.public_id == job)
        ).one()
        brief = brief_from_document(json.loads(row.document))
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
            "references": references_of(shop, connection, brief, plan),
            "stages": _stages(shop, connection, job, costs, requested_us=row.requested_us),
            "leases": [_lease(each) for each in costs.leases],
            "effects": effects_of(stages, costs),
            **_money(costs, released),
            "yield": _yield(shop, connection, job, row.status),
            "verdict": _verdict(connection, shop, plan, stages),
            **origin_of(shop, connection, stages, released),
            "notes": [] if plan is None else list(plan.notes),
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


def _plan(shop: Workshop, stages: tuple[CommittedStage, ...]) -> Plan | None:
    for stage in stages:
        if stage.name == "plan":
            facts: Any = stage.facts
            return plan_from_document(json.loads(shop.blobs.load(Sha256(facts["plan"]))))
    return None


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
        return {"preview": None, "shots": [], "segments": [], "transitions": []}
    return {
        "preview": preview_of(connection, plan, tenant=shop.tenant),
        "shots": shots_of(plan),
        "segments": segments_of(connection, plan, tenant=shop.tenant, job=job),
        "transitions": transitions_of(connection, plan, stages, tenant=shop.tenant),
    }


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


def _yield(shop: Workshop, connection: sa.Connection, job: JobId, status: str) -> float | None:
    count = sa.select(sa.func.count(), sa.func.count(sa.distinct(take.c.segment_key)))
    ours = count.where(take.c.tenant_id == shop.tenant, take.c.job_id == job)
    started, accepted = connection.execute(ours).one()
    if status != JobStatus.DELIVERED:
        accepted = 0
    share = first_pass_yield(accepted_without_rework=accepted, started=started)
    return None if share is None else float(share)


def _verdict(
    connection: sa.Connection,
    shop: Workshop,
    plan: Plan | None,
    stages: tuple[CommittedStage, ...],
) -> Mapping[str, Any] | None:
    cut = next((stage for stage in stages if stage.name == "assemble"), None)
    if plan is None or cut is None:
        return None
    facts: Any = cut.facts
    found = latest_findings(connection, tenant=shop.tenant, cut=Sha256(facts["digest"]))
    if not isinstance(found, list):
        return None
    verdict = conclude(finding_from_json(finding) for finding in found)
    return {**verdict_document(verdict), "findings": found}

"""What a report says of the film's timeline: its shots, and where each piece of it came from.

Frames are counted from the film's first one, except of heads and tails: those lie under a
transition, and say so by their part.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import sqlalchemy as sa

from cinefab.core.canonical import Sha256
from cinefab.core.ids import JobId, TenantId
from cinefab.core.plan import Plan, PlannedShot
from cinefab.generate.segments import find_segments
from cinefab.generate.tables import take
from cinefab.jobs.pieces import still_key
from cinefab.jobs.stages import stage_called
from cinefab.provenance.assets import facts_of_assets
from cinefab.record.commit import CommittedStage


def film_facts(plan: Plan | None) -> dict[str, Any]:
    """Return what was planned of the film as a whole; nulls where no plan was made."""
    if plan is None:
        return dict.fromkeys(("size", "fps", "frames", "quality", "model"))
    return {
        "size": {"width": plan.size.width, "height": plan.size.height},
        "fps": f"{plan.fps.numerator}/{plan.fps.denominator}",
        "frames": plan.frames,
        "quality": plan.quality.value,
        "model": plan.versions.model,
    }


def shots_of(plan: Plan) -> list[dict[str, Any]]:
    """Return the shots in order, with what each shows and where on the timeline it lies."""
    return [
        {
            "index": shot.index,
            "first_frame": first,
            "frames": shot.frames,
            "caption": _text(shot, "caption"),
            "prompt": _text(shot, "prompt"),
            "seed": shot.seed,
            "references": list(shot.references),
        }
        for shot, first in zip(plan.shots, _starts(plan), strict=True)
    ]


def segments_of(
    connection: sa.Connection, plan: Plan, *, tenant: TenantId, job: JobId
) -> list[dict[str, Any]]:
    """Return the segments that exist, each with its origin: which run of which model, and whose."""
    keys = [segment.key for shot in plan.shots for segment in shot.segments]
    kept = find_segments(connection, keys, tenant=tenant)
    run = set(
        connection.execute(
            sa.select(take.c.segment_key).where(take.c.tenant_id == tenant, take.c.job_id == job)
        ).scalars()
    )
    made = {
        row.asset_id: row
        for row in connection.execute(
            sa.select(take.c.asset_id, take.c.job_id, take.c.model, take.c.seed).where(
                take.c.tenant_id == tenant, take.c.segment_key.in_(keys)
            )
        )
    }
    facts = facts_of_assets(connection, tenant, [found.asset for found in kept.values()])
    return [
        {
            "key": segment.key,
            "shot": shot.index,
            "part": segment.part,
            "first_frame": first + segment.first_frame,
            "frames": segment.frames,
            "made_by": "run" if segment.key in run else "reuse",
            "asset": kept[segment.key].asset,
            "sha256": kept[segment.key].digest,
            "thumbnail": facts.get(kept[segment.key].asset, {}).get("thumbnail"),
            **_origin(made.get(kept[segment.key].asset)),
        }
        for shot, first in zip(plan.shots, _starts(plan), strict=True)
        for segment in shot.segments
        if segment.key in kept
    ]


def transitions_of(
    connection: sa.Connection,
    plan: Plan,
    stages: tuple[CommittedStage, ...],
    *,
    tenant: TenantId,
) -> list[dict[str, Any]]:
    """Return the transitions that hold pixels of their own."""
    made = {stage_called(stage.name) for stage in stages}
    starts = _starts(plan)
    kept = find_segments(connection, [each.key for each in plan.transitions], tenant=tenant)
    return [
        {
            "key": each.key,
            "into": each.into,
            "kind": each.kind,
            "first_frame": starts[each.into] - each.frames // 2,
            "frames": each.frames,
            "made_by": "run" if f"transition:{each.into}" in made else "reuse",
            "asset": kept[each.key].asset if each.key in kept else None,
            "sha256": kept[each.key].digest if each.key in kept else None,
        }
        for each in plan.transitions
    ]


def preview_of(connection: sa.Connection, plan: Plan, *, tenant: TenantId) -> Sha256 | None:
    """Return the digest of the film's first picture, if it was made."""
    key = still_key(plan)
    found = find_segments(connection, [key], tenant=tenant).get(key)
    return None if found is None else found.digest


def _starts(plan: Plan) -> list[int]:
    return list(accumulate((shot.frames for shot in plan.shots), initial=0))[:-1]


def _text(shot: PlannedShot, name: str) -> str | None:
    # What a model is given is in the words of its contract; only texts of these names are shown.
    value = shot.input.get(name) if isinstance(shot.input, Mapping) else None
    return value if isinstance(value, str) and value else None


def _origin(row: Any) -> dict[str, Any]:
    if row is None:
        return dict.fromkeys(("model", "seed", "job"))
    return {"model": row.model, "seed": row.seed, "job": row.job_id}

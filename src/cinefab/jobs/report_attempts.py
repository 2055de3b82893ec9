"""What a report says of shots that were made more than once: why, with what, and at whose cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from cinefab.core.ids import TenantId
from cinefab.economics.report import JobCosts
from cinefab.generate.tables import take
from cinefab.jobs.refining import REFUSED, REMEMBERED
from cinefab.jobs.stages import PREVIEW, stage_called
from cinefab.record.commit import CommittedStage


def attempts_of(
    connection: sa.Connection,
    stages: tuple[CommittedStage, ...],
    costs: JobCosts,
    *,
    tenant: TenantId,
) -> list[dict[str, Any]]:
    """Return every run of a shot that was refused, or made again, in order.

    `refused` says by which check and why, null for the take that was kept; `after` is what was
    changed for this attempt, in the words of the check that had refused the one before. One that
    was refused before names that job as `remembered`: it was not made again.
    """
    runs = [
        (*_shot_and_attempt(stage.name), stage)
        for stage in stages
        if stage.name.startswith("generate:")
    ]
    found = [each for each in runs if each[1] or _refusal(each[2])]
    seeds = _seeds(connection, [stage for _, _, stage in found], tenant=tenant)
    advised = _advised(stages)
    spent = {stage.stage: stage for stage in costs.stages}
    made = [
        {
            "shot": shot,
            "attempt": attempt,
            "stage": stage.name,
            "seed": seeds.get(stage.assets[-1]),
            "after": advised.get((shot, attempt)),
            "refused": _refusal(stage),
            "device_us": spent[stage.name].device_us if stage.name in spent else None,
            "cost_uusd": spent[stage.name].cost_uusd if stage.name in spent else None,
        }
        for shot, attempt, stage in found
    ]
    known = [
        {
            "shot": each["shot"],
            "attempt": each["attempt"],
            "stage": None,
            "seed": each["seed"],
            "after": advised.get((each["shot"], each["attempt"])),
            "refused": each[REFUSED],
            "device_us": 0,
            "cost_uusd": 0,
            REMEMBERED: each["job"],
        }
        for stage in stages
        if is_planning(stage)
        for each in _remembered(stage)
    ]
    return sorted([*made, *known], key=lambda each: (each["shot"], each["attempt"]))


def is_planning(stage: CommittedStage, *, of_preview: bool = False) -> bool:
    """Say whether a stage made a plan: the film's first one, or one with some shots anew.

    A preview of the film has plans of its own.
    """
    called = stage_called(stage.name)
    if of_preview:
        if not called.startswith(PREVIEW):
            return False
        called = called.removeprefix(PREVIEW)
    return called == "plan" or called.startswith(("refine:", "fallback:"))


def _shot_and_attempt(name: str) -> tuple[int, int]:
    _, shot, *attempt = stage_called(name).split(":")
    return int(shot), int(attempt[0]) if attempt else 0


def _remembered(stage: CommittedStage) -> list[Mapping[str, Any]]:
    facts: Any = stage.facts
    known: list[Mapping[str, Any]] = facts.get(REMEMBERED, [])
    return known


def _refusal(stage: CommittedStage) -> Mapping[str, Any] | None:
    facts: Any = stage.facts
    refused: Mapping[str, Any] | None = facts.get(REFUSED)
    return refused


def _seeds(
    connection: sa.Connection, stages: list[CommittedStage], *, tenant: TenantId
) -> Mapping[str, int]:
    rows = connection.execute(
        sa.select(take.c.asset_id, take.c.seed).where(
            take.c.tenant_id == tenant,
            take.c.asset_id.in_([stage.assets[-1] for stage in stages]),
        )
    )
    return {row.asset_id: row.seed for row in rows}


def _advised(stages: tuple[CommittedStage, ...]) -> Mapping[tuple[int, int], str]:
    """Return, by shot and attempt, what was advised for it."""
    advised: dict[tuple[int, int], str] = {}
    for stage in stages:
        facts: Any = stage.facts
        if is_planning(stage):
            for shot, words in facts.get("tries", {}).items():
                advised |= {(int(shot), number + 1): word for number, word in enumerate(words)}
    return advised

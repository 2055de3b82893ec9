"""What the report says of effects: each one's share of the stage that it ran in."""

from __future__ import annotations

from typing import Any

from cinefab.core.units import Uusd, largest_remainder
from cinefab.economics.report import JobCosts, StageCost
from cinefab.jobs.stages import stage_called
from cinefab.record.commit import CommittedStage


def effects_of(stages: tuple[CommittedStage, ...], costs: JobCosts) -> list[dict[str, Any]]:
    """Return each effect's device time, and its share of its stage's cost.

    What is left of a stage went into the model's frames and the encoder; it is the last entry of
    each stage, without an effect's name, so that a stage's entries sum to its cost exactly.
    """
    by_name = {stage.stage: stage for stage in costs.stages}
    found: list[dict[str, Any]] = []
    for stage in stages:
        facts: Any = stage.facts
        if stage.name.startswith("generate:") and facts.get("effects"):
            asked = sum(each.amount_uusd or 0 for each in costs.bills if each.stage == stage.name)
            found += _of_stage(stage.name, facts["effects"], by_name[stage.name], asked)
    # Shots are made side by side and end in any order; each keeps its own effects' order.
    return sorted(found, key=lambda each: each["shot"])


def _of_stage(
    name: str, spent: list[dict[str, Any]], charged: StageCost, asked: int
) -> list[dict[str, Any]]:
    times = [each["device_us"] for each in spent]
    parts = [*times, max(0, charged.device_us - sum(times))]
    costs: tuple[int | None, ...] = (None,) * len(parts)
    if charged.cost_uusd is not None:
        # What somebody else asks is for the model's frames, whoever spent the time.
        asked = min(asked, charged.cost_uusd)
        *shares, model = largest_remainder(Uusd(charged.cost_uusd - asked), parts)
        costs = (*shares, model + asked)
    names = [each["effect"].split("@") for each in spent]
    return [
        {
            "shot": int(stage_called(name).split(":")[1]),
            "stage": name,
            "effect": effect,
            "version": version,
            "device_us": device_us,
            "cost_uusd": cost,
        }
        for (effect, version), device_us, cost in zip(
            [*names, (None, None)], parts, costs, strict=True
        )
    ]

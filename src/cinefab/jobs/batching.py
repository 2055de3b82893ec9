"""Shots of a film that are made in one run of their model, each in a stage of its own.

Which shots those are is said by the plan and by what was kept, never by who happens to wait: a run
that is made again, after a crash or on another worker, is of the same shots in the same order, so it
goes on from the same resume points and gives the same bytes. Shots of other jobs are not among them
for that reason. The run takes one place, and its time is split over the stages that it made.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from cinefab.core.canonical import Json, canonical_json
from cinefab.core.effect import settings_text
from cinefab.core.ids import LeaseId
from cinefab.core.plan import Plan, PlannedShot
from cinefab.core.stage import Elapsed
from cinefab.core.units import DeviceUs
from cinefab.jobs.containing import blaming
from cinefab.jobs.models import model_of
from cinefab.jobs.pieces import is_missing
from cinefab.jobs.stages import (
    Attempt,
    Order,
    StageBody,
    charge_of,
    commit_output,
    give_up,
    open_stage_lease,
    stage_ref,
)
from cinefab.jobs.workshop import Model, Progress, Workshop
from cinefab.record.commit import CommittedStage, find_stage
from cinefab.schedule.shared_run import SharedRun


def companions(
    shop: Workshop, order: Order, plan: Plan, shot: PlannedShot, kept: Json
) -> tuple[PlannedShot, ...]:
    """Return the shots that `shot` is made with in one run, itself among them, in the film's order."""
    card = model_of(shop, order, shot).card
    most = card.limits.batch_max if "batch" in card.capabilities else 1
    if most < 2 or "any-frame" in card.capabilities:
        return (shot,)
    alike = [
        each
        for each in plan.shots
        if is_missing(plan, each, kept) and each.model == shot.model and _kind(each) == _kind(shot)
    ]
    first = [each.index for each in alike].index(shot.index) // most * most
    return tuple(alike[first : first + most])


async def run_together(
    shop: Workshop,
    order: Order,
    name: str,
    body: StageBody,
    *,
    model: Model,
    attempt: Attempt,
    shared: SharedRun,
    index: int,
) -> CommittedStage:
    """Run a stage of a job once, as `run_stage` does, whose body waits for a run that others share.

    While the run goes on one lease is open, of the stage that came first; the others' are opened
    when it is over. Together their times are the run's, and so are their prices, to the µUSD.
    """
    ref = stage_ref(shop, order, name)
    known = await asyncio.to_thread(find_stage, shop.recorder.db, ref)
    if known is not None:
        return known
    device_class, devices = model.device_class, model.devices
    shared.enter(index)
    lease = None

    def opened() -> LeaseId:
        return open_stage_lease(shop, order, ref, device_class, devices, now_us=shared.opened_us)

    try:
        await shared.begun()
        shop.tell(Progress(job=order.job, stage=order.named(name), done=0.0))
        if shared.leads(index):
            lease = await asyncio.to_thread(opened)
        with blaming(attempt):
            await shared.made()
        if lease is None:
            lease = await asyncio.to_thread(opened)
        output = await body()
        attempt.bills += output.bills
        share = shared.share_of(index)
        charge = charge_of(shop, ref, lease, device_class, devices, share.device_us, output)
        charge = replace(charge, since_us=DeviceUs(share.since_us * devices))
        took = Elapsed(started_us=shared.opened_us, took_us=shared.lasted_us)
        committed = await asyncio.to_thread(commit_output, shop, order, ref, output, charge, took)
    except BaseException:
        await asyncio.shield(shared.leave(index))
        if lease is not None:
            since_us, lost_us = (DeviceUs(us * devices) for us in shared.lost_of(index))
            # Cancellation must not cut short what keeps the books right.
            await asyncio.shield(
                asyncio.to_thread(give_up, shop, lease, lost_us, attempt, since_us=since_us)
            )
        raise
    await shared.leave(index)
    shop.tell(Progress(job=order.job, stage=order.named(name), done=1.0))
    return committed


def _kind(shot: PlannedShot) -> bytes:
    """Return what shots must have in common to be made in one run, as far as the plan tells."""
    given: Any = shot.input
    return canonical_json(
        {
            "frames": len(shot.extent),
            "begins_with_a_picture": bool(shot.references),
            "settings": settings_text(given.get("settings", {})),
            "effects": [[each.ref, each.settings] for each in shot.effects],
        }
    )

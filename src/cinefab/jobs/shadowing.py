"""The shadow stage of a job: another version of its model makes a shot again, beside the film.

Nothing of it is delivered or found for reuse, and nobody is charged for it: all of its time is of
the class `shadow`, which is ours to bear. What it makes is judged by the checks that judged the
shot of the film; what came of both is kept in pairs, and with it what the version takes and costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.brief import Tier
from cinefab.core.canonical import Json, canonical_json, digest_of
from cinefab.core.errors import Cancelled, CinefabError, StorageUnavailable
from cinefab.core.plan import Plan, PlannedShot
from cinefab.core.stage import Bill, Content, Lineage, TimeClass
from cinefab.engine.compute import ComputeResult
from cinefab.engine.wire import Fault
from cinefab.generate.tables import shadow_take, take
from cinefab.jobs import planning
from cinefab.jobs.generating import ask_for_takes, take_stage
from cinefab.jobs.models import model_of
from cinefab.jobs.pins import Trial, exact
from cinefab.jobs.refining import REFUSED
from cinefab.jobs.running import WatchedRun, run_key
from cinefab.jobs.stages import Attempt, Order, StageOutput, run_stage, stage_ref
from cinefab.jobs.takes import input_said, prompt_of, sources_of
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import NewAsset

SHADOW: Final = "shadow"
"""The kind of asset that is made beside a film, and never delivered."""

_MADE_BY: Final = "cinefab.shadow@1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowTake:
    """A shot that a version is to make beside the film; `stage` is what that is called."""

    trial: Trial
    shot: int
    stage: str


def takes_beside(order: Order, plan: Plan) -> list[ShadowTake]:
    """Return the shots that versions in the shadow make of a job: the same whenever it is asked."""
    shadows = () if order.pins is None else order.pins.shadows
    return [
        ShadowTake(trial=trial, shot=shot.index, stage=f"{SHADOW}:{shot.index}:{number}")
        for number, trial in enumerate(shadows)
        for shot in plan.shots
        if not shot.shows_clip and trial.gets(order.job, shot.index)
    ]


async def make_beside(
    shop: Workshop,
    order: Order,
    plan: Plan,
    beside: ShadowTake,
    references: Sequence[Json],
    spoken: Sequence[Json],
) -> Json:
    """Have a version make its shot and keep what came of it; return the `outcome` and why.

    What the version does not take, or fails of, is an outcome, too. `plan` is the film's.
    """
    model = exact(shop, beside.trial.ref)
    if model is None:
        return {"outcome": "skipped", "why": f"{beside.trial.ref} is not installed here"}
    running = Attempt()

    async def body() -> StageOutput:
        return await _make(shop, order, plan, beside, references, spoken, running)

    # Nobody waits for it, so it may load what is cold, whatever the film may.
    patient = replace(order, brief=replace(order.brief, tier=Tier.BATCH))
    committed = await run_stage(shop, patient, beside.stage, body, model=model, attempt=running)
    return committed.facts


async def _make(
    shop: Workshop,
    order: Order,
    plan: Plan,
    beside: ShadowTake,
    references: Sequence[Json],
    spoken: Sequence[Json],
    running: Attempt,
) -> StageOutput:
    brief = replace(order.brief, model=beside.trial.ref)
    own = replace(order, brief=brief, pins=None)
    run: WatchedRun | None = None
    try:
        its_plan = await asyncio.to_thread(planning.plan_now, shop, own, references, spoken, {})
        shot = its_plan.shots[beside.shot]
        run = _watched(shop, own, shot)
        answer = await ask_for_takes(
            shop,
            own,
            its_plan,
            shot,
            shot.segments,
            references,
            running,
            stage=beside.stage,
            run=run,
        )
    except (Cancelled, StorageUnavailable):
        raise
    except (CinefabError, Fault) as error:
        return await asyncio.to_thread(_failed, shop, order, plan, beside, error, running, run)
    output = await asyncio.to_thread(
        _keep, shop, own, plan, its_plan, beside, references, answer, run
    )
    if run is not None:
        await asyncio.to_thread(run.close)
    return output


def _watched(shop: Workshop, order: Order, shot: PlannedShot) -> WatchedRun | None:
    """Return a run that goes on where it was when its process dies, and shows nobody anything."""
    model = model_of(shop, order, shot)
    if "any-frame" in model.card.capabilities:
        return None

    async def show_nobody(_picture: Path) -> None:
        return

    return WatchedRun(
        shop, order, run_key([shot]), model, on_done=lambda _share: None, on_picture=show_nobody
    )


def _keep(
    shop: Workshop,
    order: Order,
    plan: Plan,
    its_plan: Plan,
    beside: ShadowTake,
    references: Sequence[Json],
    answer: ComputeResult,
    run: WatchedRun | None,
) -> StageOutput:
    value: Any = answer.value
    shot = its_plan.shots[beside.shot]
    model = model_of(shop, order, shot)
    said = value.get("run", {})
    refused = value.get(REFUSED)
    lineage = Lineage(
        made_by=model.card.ref,
        sources=sources_of(shop, order, shot, references),
        digital_source_type=model.card.digital_source_type,
        prompt_digest=digest_of(prompt_of(shot)),
        parameters={
            **said.get("notes", {}),
            "seed": shot.seed,
            "input": input_said(shot),
            "shot": shot.index,
            "beside": _maker(plan, beside.shot),
        },
    )
    assets = [_take_in(shop, part, lineage) for part in value["parts"]]
    frames = sum(part["frames"] for part in value["parts"])
    why = None if refused is None else f"{refused['check']}: {refused['reason']}"
    outcome = "passed" if refused is None else "refused"
    bills = tuple(Bill(**bill) for bill in said.get("bills", ()))
    return _output(
        shop,
        order,
        plan,
        beside,
        assets,
        outcome=outcome,
        why=why,
        frames=frames,
        bills=bills,
        run=run,
    )


def _failed(
    shop: Workshop,
    order: Order,
    plan: Plan,
    beside: ShadowTake,
    error: CinefabError | Fault,
    running: Attempt,
    run: WatchedRun | None,
) -> StageOutput:
    kind = error.kind if isinstance(error, Fault) else type(error).__name__
    found = error.message if isinstance(error, Fault) else error.found
    bills, running.bills = tuple(running.bills), []
    why = f"{kind}: {found}"[:500]
    output = _output(
        shop, order, plan, beside, [], outcome="failed", why=why, frames=0, bills=bills, run=run
    )
    if run is not None:
        run.close()
    return output


def _output(
    shop: Workshop,
    order: Order,
    plan: Plan,
    beside: ShadowTake,
    takes: Sequence[NewAsset],
    *,
    outcome: str,
    why: str | None,
    frames: int,
    bills: tuple[Bill, ...],
    run: WatchedRun | None,
) -> StageOutput:
    film_refused = _refusal_of_film(shop, order, beside.shot)
    facts: dict[str, Json] = {
        "model": beside.trial.ref,
        "beside": _maker(plan, beside.shot),
        "shot": beside.shot,
        "outcome": outcome,
        "why": why,
        "beside_refused": film_refused,
    }
    document = canonical_json(facts)
    lineage = Lineage(made_by=_MADE_BY, sources=(), digital_source_type="algorithmicMedia")
    content = Content(
        digest=shop.blobs.put(document),
        kind="shadow-report",
        media_type="application/json",
        size_bytes=len(document),
    )

    def also(connection: sa.Connection, _made: tuple[Asset, ...]) -> None:
        if run is not None:
            run.forget(connection)
        connection.execute(
            shadow_take.insert().values(
                tenant_id=shop.tenant,
                job_id=order.job,
                stage=stage_ref(shop, order, beside.stage).name,
                shot=beside.shot,
                model=beside.trial.ref,
                beside=facts["beside"],
                outcome=outcome,
                why=why,
                beside_refused=film_refused,
                frames=frames,
                pixels=plan.size.width * plan.size.height,
                created_us=shop.recorder.clock.now_us(),
            )
        )

    return StageOutput(
        assets=(*takes, NewAsset(content=content, lineage=lineage)),
        facts=facts,
        also=also,
        # All of it, loading too: nobody ordered this.
        work_class=TimeClass.SHADOW,
        bills=bills,
    )


def _take_in(shop: Workshop, part: Any, lineage: Lineage) -> NewAsset:
    path = Path(part["path"])
    digest = shop.blobs.put_file(path)
    path.unlink(missing_ok=True)
    if part.get("thumbnail") is not None:
        Path(part["thumbnail"]).unlink(missing_ok=True)
    content = Content(
        digest=digest,
        kind=SHADOW,
        media_type="video/mp4",
        size_bytes=part["size_bytes"],
        facts={"frames": part["frames"]},
    )
    return NewAsset(content=content, lineage=lineage)


def _refusal_of_film(shop: Workshop, order: Order, index: int) -> str | None:
    """Return why the film's own first take of a shot was refused; one that was reused was not."""
    query = sa.select(take.c.refused).where(
        take.c.tenant_id == shop.tenant,
        take.c.job_id == order.job,
        take.c.stage == stage_ref(shop, order, take_stage(index, attempt=0, via=0)).name,
    )
    with shop.recorder.db.read() as connection:
        found: str | None = connection.execute(query.limit(1)).scalar()
    return found


def _maker(plan: Plan, index: int) -> str:
    """Return which version made a shot of the film."""
    return plan.shots[index].model or plan.versions.model

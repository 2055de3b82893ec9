"""The generate stage of a job: what is missing is made, shot by shot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.errors import BriefInvalid, CinefabError, OutOfMemory, StepHung, WorkerLost
from cinefab.core.plan import Plan, PlannedSegment, PlannedShot
from cinefab.core.stage import Bill, Content, Lineage, TimeClass
from cinefab.economics.bills import hear_bill
from cinefab.engine.compute import ComputeResult
from cinefab.engine.wire import Fault, decode_error, encode_error
from cinefab.generate.loads import record_load
from cinefab.generate.segments import KeptSegment, TakeFacts, record_segment, record_take
from cinefab.jobs.batching import companions, run_together
from cinefab.jobs.containing import GaveUp, blaming, end_for, run_contained
from cinefab.jobs.effects import effects_said
from cinefab.jobs.falling_back import GAVE_UP, is_named
from cinefab.jobs.judging import judge_of
from cinefab.jobs.looks import record_looks
from cinefab.jobs.models import model_of
from cinefab.jobs.ordered import ordered_of_shots
from cinefab.jobs.pieces import (
    all_segments,
    edges_by_weight,
    find_kept,
    is_missing,
    missing_of,
    pieces_from,
    pieces_of,
)
from cinefab.jobs.previewing import has_quick_look, preview, show
from cinefab.jobs.refining import REFUSED
from cinefab.jobs.remembering import judgement_of, remember
from cinefab.jobs.running import WatchedRun, run_key
from cinefab.jobs.stages import Attempt, Order, StageOutput, run_stage, stage_ref
from cinefab.jobs.takes import (
    ask_model,
    finish_of,
    in_the_brief,
    input_said,
    load_limit_s,
    prompt_of,
    request_for,
    sources_of,
)
from cinefab.jobs.workshop import Model, Progress, Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import CommittedStage, NewAsset, find_stage
from cinefab.review.figures import MEASURE
from cinefab.review.kept_figures import record_figures
from cinefab.schedule.containment import Ended
from cinefab.schedule.failures import failed_runs_of
from cinefab.schedule.shared_run import Made, SharedRun

if TYPE_CHECKING:
    from cinefab.jobs.delivered import Delivered

__all__ = [
    "all_segments",
    "edges_by_weight",
    "find_kept",
    "generate",
    "has_quick_look",
    "is_missing",
    "pieces_of",
    "preview",
]

_TAKES_TASK: Final = "cinefab.jobs.making:make_and_measure"
_TOGETHER_TASK: Final = "cinefab.jobs.making:make_and_measure_together"
_TOGETHER_ATTEMPTS: Final = 2
_LIMIT_FIXED_S: Final = 120.0
_LIMIT_PER_ESTIMATE: Final = 40


async def generate(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    references: Sequence[Json],
    kept: Json,
    *,
    attempt: int = 0,
    via: int = 0,
    made_before: int | None = None,
) -> Json:
    """Make a shot's missing segments in one run of its model, and have them judged.

    Return the `pieces` by key, and why they were `refused`, or None: whether a refused shot is made
    again, as another `attempt`, is the walk's to decide. Where the model cannot make it and another
    is named, what it `gave_up` for is returned; `via` counts how many were asked before.
    `made_before` counts the attempts that this job made itself, where not all of them.
    """
    again = attempt if made_before is None else made_before
    missing = missing_of(plan, shot, pieces_from(kept))
    name = take_stage(shot.index, attempt=attempt, via=via)
    shots = companions(shop, order, plan, shot, kept)
    if len(shots) > 1 and not await asyncio.to_thread(_has_failed, shop, order, name):
        committed = await _with_others(
            shop, order, plan, shots, shot, references, kept, attempt=attempt, via=via, again=again
        )
        return await _answer(shop, order, shot, name, committed)

    async def body(run: Attempt) -> StageOutput:
        recorded = stage_ref(shop, order, name).name
        return await _make(shop, order, plan, shot, missing, references, again, recorded, run)

    committed = await run_contained(shop, order, name, model_of(shop, order, shot), body)
    return await _answer(shop, order, shot, name, committed)


async def _answer(
    shop: Workshop,
    order: Order,
    shot: PlannedShot,
    name: str,
    committed: CommittedStage | GaveUp,
) -> Json:
    if isinstance(committed, GaveUp):
        if not is_named(shop, order, shot) or shot.shows_clip:
            raise await end_for(shop, order, committed)
        error = encode_error(committed.error, attempted=f"run {name}")
        return {"pieces": {}, REFUSED: None, GAVE_UP: error}
    facts: Any = committed.facts
    return {"pieces": pieces_of(committed), REFUSED: facts.get(REFUSED)}


def take_stage(index: int, *, attempt: int, via: int) -> str:
    """Return what a shot's making is called, after so many refusals and models that gave it up."""
    if via:
        return f"generate:{index}:{attempt}:{via}"
    return f"generate:{index}:{attempt}" if attempt else f"generate:{index}"


async def _make(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    missing: Sequence[PlannedSegment],
    references: Sequence[Json],
    again: int,
    recorded: str,
    running: Attempt,
) -> StageOutput:
    model = model_of(shop, order, shot)
    run = _watched(shop, order, [shot], model)
    answer = await ask_for_takes(
        shop,
        order,
        plan,
        shot,
        missing,
        references,
        running,
        stage=order.named(f"generate:{shot.index}"),
        run=run,
    )
    value: Any = answer.value
    output = await asyncio.to_thread(
        _keep, shop, order, plan, shot, value, references, answer, again, recorded, run
    )
    if run is not None:
        await asyncio.to_thread(run.close)
    return output


async def ask_for_takes(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    missing: Sequence[PlannedSegment],
    references: Sequence[Json],
    running: Attempt,
    *,
    stage: str,
    run: WatchedRun | None,
) -> ComputeResult:
    """Have a shot's model make these segments and have them judged; return what its process says.

    `run` is watched, None for a model that makes any frame in no time; news is of `stage`. The
    model is blamed in `running` for what it raises.
    """
    model = model_of(shop, order, shot)
    frames = sum(each.frames for each in missing)
    argument: dict[str, Json] = {
        **model.address,
        **await _asked(shop, order, plan, shot, missing, references),
    }
    if run is not None:
        await run.restore()
        argument["run_folder"] = str(run.folder)
        argument["confinement"] = str(shop.sandbox.confinement)

    writing: set[asyncio.Task[None]] = set()

    def tell(news: Json) -> None:
        assert isinstance(news, dict), "a model's process reports objects"
        if "billed" in news:
            billed: Any = news["billed"]
            heard = Bill(**billed)
            running.bills.append(heard)
            writing.add(asyncio.create_task(asyncio.to_thread(_hear, shop, running, heard)))
        elif "frames" in news:
            done = min(0.99, int(str(news["frames"])) / frames)
            shop.tell(Progress(job=order.job, stage=stage, done=done))
        elif run is not None:
            run.hear(news)

    asked = ask_model(
        shop,
        order,
        shot,
        _TAKES_TASK,
        argument,
        attempt=running,
        affinity=f"{order.job}:{shot.index}" if run is None else model.affinity,
        on_progress=tell,
        timeout_s=_limit_s(missing) + await asyncio.to_thread(load_limit_s, shop, model, running),
        silence_s=_silence_s(shop, model),
    )
    try:
        with blaming(running):
            return await asked if run is None else await run.follow(asked)
    finally:
        # Before the lease is closed, which takes up what was written.
        await asyncio.gather(*writing, return_exceptions=True)


def _hear(shop: Workshop, running: Attempt, heard: Bill) -> None:
    """Write down what was billed for a run under way: this worker may not live to say so."""
    if running.lease is None:
        return
    with shop.recorder.db.write() as connection:
        hear_bill(
            connection,
            heard,
            tenant=shop.tenant,
            lease=running.lease,
            now_us=shop.recorder.clock.now_us(),
        )


async def _asked(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    missing: Sequence[PlannedSegment],
    references: Sequence[Json],
) -> dict[str, Json]:
    """Return what a shot's takes are asked for, beside the model that makes them."""
    folder = shop.scratch / order.job
    return {
        "request": await request_for(shop, order, plan, shot, references, plan.size),
        "quality": plan.quality,
        "extent": [shot.extent.start, shot.extent.stop],
        "parts": [
            {
                "key": each.key,
                "part": each.part,
                "first_frame": each.first_frame,
                "frames": each.frames,
                "path": str(folder / f"{each.key}.mp4"),
            }
            for each in missing
        ],
        **await asyncio.to_thread(finish_of, shop, order, shot, references),
        **await asyncio.to_thread(judge_of, shop, order, plan, shot),
    }


def _limit_s(missing: Sequence[PlannedSegment]) -> float:
    estimate_s = sum(each.estimate_device_us for each in missing) / 1_000_000
    return _LIMIT_FIXED_S + _LIMIT_PER_ESTIMATE * estimate_s


async def _with_others(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shots: Sequence[PlannedShot],
    shot: PlannedShot,
    references: Sequence[Json],
    kept: Json,
    *,
    attempt: int,
    via: int,
    again: int,
) -> CommittedStage | GaveUp:
    """Make a shot's takes in one run with those of others, and commit what is this shot's."""
    model = model_of(shop, order, shot)
    run = _watched(shop, order, shots, model)
    assert run is not None, "a model that makes several shots in one run makes each whole"
    missing = {each.index: missing_of(plan, each, pieces_from(kept)) for each in shots}
    names = [take_stage(each.index, attempt=attempt, via=via) for each in shots]
    waiting = await asyncio.to_thread(_uncommitted, shop, order, names)

    together = Attempt()

    @asynccontextmanager
    async def place() -> AsyncIterator[None]:
        async with shop.seats.take(model, order.brief.tier) as seat:
            together.seat = seat
            yield

    async def make() -> Made:
        asked = [
            await _asked(shop, order, plan, each, missing[each.index], references) for each in shots
        ]
        limit_s = sum(_limit_s(missing[each.index]) for each in shots)
        limit_s += await asyncio.to_thread(load_limit_s, shop, model, together)
        return await _make_together(shop, order, shots, model, run, asked, limit_s, together)

    def start() -> SharedRun:
        return SharedRun(
            make,
            place=place(),
            clock=shop.recorder.clock,
            size=max(1, waiting),
        )

    group = f"{order.job}:{order.revision}:{names[0]}:{run.key}"
    shared = shop.shared_runs.join(group, start)

    recorded = stage_ref(shop, order, take_stage(shot.index, attempt=attempt, via=via)).name
    is_alone = False

    def run_once(*given: Any, **named: Any) -> Awaitable[CommittedStage]:
        nonlocal is_alone
        if is_alone:
            return run_stage(*given, **named)
        # Once: a shot whose own run failed is tried again without the others.
        is_alone = True
        return run_together(*given, **named, shared=shared, index=shot.index)

    async def body(running: Attempt) -> StageOutput:
        if shared.is_given(shot.index):
            own = missing[shot.index]
            return await _make(shop, order, plan, shot, own, references, again, recorded, running)
        made, share = await shared.made(), shared.share_of(shot.index)
        value = made.of_shots[shot.index]
        if isinstance(value, BriefInvalid):
            raise in_the_brief(value, order, shot)
        with blaming(running):
            if isinstance(value, Exception):
                raise value
        answer = ComputeResult(
            value=None,
            worker_us=share.load_us + share.work_us,
            load_us=share.load_us,
            waited_us=0,
        )
        # Loading was the whole run's: it is remembered once, with the first of its shots.
        loaded_us = made.load_us if shot is shots[0] else 0
        told = {**value, "load_us": 0, "loaded_us": loaded_us, **_with_whom(value, shots)}
        return await asyncio.to_thread(
            _keep, shop, order, plan, shot, told, references, answer, again, recorded, None
        )

    try:
        return await run_contained(
            shop,
            order,
            take_stage(shot.index, attempt=attempt, via=via),
            model,
            body,
            run=run_once,
        )
    finally:
        # Until then the others may need what their run can be gone on from.
        if shop.shared_runs.forget(group, shared):
            await asyncio.to_thread(run.end)


def _has_failed(shop: Workshop, order: Order, name: str) -> bool:
    """Say whether a shot's stage has failed before: then it is made alone, and hinders nobody.

    A worker that died says nothing of a shot.
    """
    stage = stage_ref(shop, order, name).name
    with shop.recorder.db.read() as connection:
        failed = failed_runs_of(connection, tenant=shop.tenant, job=order.job)
    return any(each.stage == stage and each.ended is not Ended.WORKER for each in failed)


async def _make_together(
    shop: Workshop,
    order: Order,
    shots: Sequence[PlannedShot],
    model: Model,
    run: WatchedRun,
    asked: Sequence[dict[str, Json]],
    limit_s: float,
    together: Attempt,
) -> Made:
    """Run the model for all of the shots; where that does not go, for each of them alone.

    A process that dies under them is replaced once, and goes on where it was. If it dies again, or
    has no room for all of them, one shot's fault is not to be the others'.
    """
    await run.restore()

    def hear(news: Json) -> None:
        if isinstance(news, dict) and "frames" not in news:
            run.hear(news)

    def ask(members: Sequence[dict[str, Json]]) -> Coroutine[Any, Any, ComputeResult]:
        argument: Json = {
            **model.address,
            "run_folder": str(run.folder),
            "confinement": str(shop.sandbox.confinement),
            "members": list(members),
        }
        return ask_model(
            shop,
            order,
            shots[0],
            _TOGETHER_TASK,
            argument,
            attempt=together,
            affinity=model.affinity,
            on_progress=hear,
            timeout_s=limit_s,
            silence_s=_silence_s(shop, model),
        )

    for _ in range(_TOGETHER_ATTEMPTS):
        try:
            return _made_of(shots, await run.follow(ask(asked)))
        except (WorkerLost, StepHung):
            continue
        except (OutOfMemory, Fault):
            break
    alone = [
        await _alone(each, run, ask([member])) for each, member in zip(shots, asked, strict=True)
    ]
    return Made(
        of_shots={index: value for each in alone for index, value in each.of_shots.items()},
        worker_us=sum(each.worker_us for each in alone),
        load_us=sum(each.load_us for each in alone),
    )


async def _alone(
    shot: PlannedShot, run: WatchedRun, asked: Coroutine[Any, Any, ComputeResult]
) -> Made:
    try:
        return _made_of([shot], await run.follow(asked))
    except (CinefabError, Fault) as error:
        return Made(of_shots={shot.index: error}, worker_us=0, load_us=0)


def _made_of(shots: Sequence[PlannedShot], answer: ComputeResult) -> Made:
    value: Any = answer.value
    return Made(
        of_shots={
            shot.index: decode_error(member["error"]) if "error" in member else member
            for shot, member in zip(shots, value["members"], strict=True)
        },
        worker_us=answer.worker_us,
        load_us=answer.load_us + value["load_us"],
    )


def _with_whom(value: Mapping[str, Any], shots: Sequence[PlannedShot]) -> dict[str, Any]:
    """Return what is said of a shot's run, with the shots that were made in it, if they were."""
    said = value.get("run", {})
    notes = said.get("notes", {})
    if "batch" not in notes:
        return {}
    batch = {**notes["batch"], "shots": [each.index for each in shots]}
    return {"run": {**said, "notes": {**notes, "batch": batch}}}


def _uncommitted(shop: Workshop, order: Order, names: Sequence[str]) -> int:
    found = (find_stage(shop.recorder.db, stage_ref(shop, order, name)) for name in names)
    return sum(each is None for each in found)


def _silence_s(shop: Workshop, model: Model) -> float | None:
    """Return how long a model may tell nothing: its card's word, else the studio's for one that tells."""
    if model.card.silence_s is not None:
        return model.card.silence_s
    return shop.containment.silence_s if "progress" in model.card.capabilities else None


def _watched(
    shop: Workshop, order: Order, shots: Sequence[PlannedShot], model: Model
) -> WatchedRun | None:
    """Return a run that is watched, of a model that makes shots whole; others are done in no time."""
    stages = [order.named(f"generate:{shot.index}") for shot in shots]
    if "any-frame" in model.card.capabilities:
        return None

    async def show_picture(picture: Path) -> None:
        shop.tell(Progress(job=order.job, stage=stages[0], done=run.done, preview=picture))
        if shots[0].index == 0 and not run.has_shown:
            run.has_shown = True
            await asyncio.to_thread(show, shop, order, picture)

    def done(share: float) -> None:
        for stage in stages:
            shop.tell(Progress(job=order.job, stage=stage, done=min(0.99, share)))

    run = WatchedRun(shop, order, run_key(shots), model, on_done=done, on_picture=show_picture)
    return run


def _keep(
    shop: Workshop,
    order: Order,
    plan: Plan,
    shot: PlannedShot,
    value: Mapping[str, Any],
    references: Sequence[Json],
    answer: ComputeResult,
    again: int,
    recorded: str,
    run: WatchedRun | None,
) -> StageOutput:
    refused = value.get(REFUSED)
    load_us = answer.load_us + value["load_us"]
    said: Mapping[str, Any] = value.get("run", {})
    model = model_of(shop, order, shot)
    lineage = Lineage(
        made_by=model.card.ref,
        sources=sources_of(shop, order, shot, references),
        digital_source_type=model.card.digital_source_type,
        prompt_digest=digest_of(prompt_of(shot)),
        parameters={
            # First, so that a model cannot say something else of what it was asked.
            **said.get("notes", {}),
            "seed": shot.seed,
            "input": input_said(shot),
            "shot": shot.index,
            **effects_said(shot),
        },
    )
    assets: list[NewAsset] = []
    came: Sequence[Delivered] = ()
    if "delivered" in said:
        from cinefab.jobs import delivered  # noqa: PLC0415 - it comes from others alone

        came = delivered.take_in(shop, said["delivered"])
        assets += [delivered.asset_of(each, lineage) for each in came]
        lineage = delivered.made_from(lineage, came)
    for part in value["parts"]:
        path = Path(part["path"])
        digest = shop.blobs.put_file(path)
        path.unlink(missing_ok=True)
        content = Content(
            digest=digest,
            kind="segment",
            media_type="video/mp4",
            size_bytes=part["size_bytes"],
            facts={"frames": part["frames"], "key": part["key"], **_thumbnail(shop, part)},
        )
        assets.append(NewAsset(content=content, lineage=lineage))
    facts = TakeFacts(
        model=model.card.ref,
        seed=shot.seed,
        input=input_said(shot),
        versions={
            "machine": plan.versions.machine,
            "encoder": plan.versions.encoder,
            "contract": plan.versions.contract,
        },
        attempt=again,
        refused=None if refused is None else f"{refused['check']}: {refused['reason']}",
        stage=recorded,
        pixels=plan.size.width * plan.size.height,
    )

    judged_by = None if refused is None else judgement_of(shop, order, plan, shot)

    def also(connection: sa.Connection, made: tuple[Asset, ...]) -> None:
        now_us = shop.recorder.clock.now_us()
        record_load(
            connection,
            model=model.card.ref,
            device_class=model.device_class,
            load_us=value.get("loaded_us", load_us if value["load_us"] else 0),
            now_us=now_us,
        )
        if run is not None:
            run.forget(connection)
        if came:
            delivered.record_origins(connection, came, made[: len(came)])
        pieces: list[KeptSegment] = []
        for part, asset in zip(value["parts"], made[len(came) :], strict=True):
            kept = KeptSegment(
                key=Sha256(part["key"]),
                asset=asset.public_id,
                digest=asset.sha256,
                frames=part["frames"],
            )
            pieces.append(kept)
            if refused is None:
                record_segment(connection, kept, tenant=shop.tenant, now_us=now_us)
            record_take(
                connection, facts, tenant=shop.tenant, job=order.job, made=kept, now_us=now_us
            )
        if judged_by is not None:
            remember(shop, connection, order, pieces, judged_by=judged_by, verdict=refused)
        record_figures(
            connection,
            {part["digest"]: part["figures"] for part in value["parts"] if "figures" in part},
            tenant=shop.tenant,
            measure=MEASURE,
            now_us=now_us,
        )
        if value.get("looks"):
            looks = {Sha256(name): look for name, look in value["looks"].items()}
            shown = ordered_of_shots(shop, order, plan, [shot], frames=shot.frames).looked_at
            record_looks(shop, connection, looks, shown)

    return StageOutput(
        assets=tuple(assets),
        facts={"segments": [_made(part) for part in value["parts"]], **_said(value)},
        also=also,
        load_us=load_us,
        work_us=answer.worker_us - load_us,
        work_class=_worth(again, is_refused=refused is not None),
        bills=tuple(Bill(**bill) for bill in said.get("bills", ())),
    )


def _said(value: Mapping[str, Any]) -> dict[str, Json]:
    # Only where there is something to say: stages of before keep their form.
    said: dict[str, Json] = {"effects": value["effects"]} if "effects" in value else {}
    if value.get(REFUSED) is not None:
        said[REFUSED] = value[REFUSED]
    return said


def _worth(again: int, *, is_refused: bool) -> TimeClass:
    """Return what a run's time was: what is done again is rework, whatever comes of it.

    A first take that is thrown away is scrap, which is ours to bear.
    """
    if again:
        return TimeClass.REWORK
    return TimeClass.SCRAP if is_refused else TimeClass.GOOD


def _thumbnail(shop: Workshop, part: Mapping[str, Any]) -> dict[str, Json]:
    """Return what the segment's record says of its small picture, which is no asset of its own."""
    if part.get("thumbnail") is None:
        return {}
    path = Path(part["thumbnail"])
    digest = shop.blobs.put_file(path)
    path.unlink(missing_ok=True)
    return {"thumbnail": digest}


def _made(part: Mapping[str, Any]) -> Json:
    return {"key": part["key"], "digest": part["digest"], "frames": part["frames"]}

"""How a run of a model that fails is contained: counted, tried again, given up, or its job parked.

A failure is written in the transaction that accounts for the lost time, with the breaker of its
model, so that it is counted once, whoever goes on with the job. Failures of anything else than the
model, such as the database, are none of this and are left to the steps of the walk.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import sqlalchemy as sa

from cinefab.core.errors import (
    CinefabError,
    CircuitOpen,
    ComputeUnavailable,
    ContractMismatch,
    JobParked,
    OutOfMemory,
    SandboxUnavailable,
    StepHung,
    StorageUnavailable,
    Unavailable,
    WorkerLost,
)
from cinefab.core.ids import JobId, LeaseId
from cinefab.engine.wire import Fault, decode_error, encode_error
from cinefab.jobs.stages import (
    PREVIEW,
    Attempt,
    Order,
    StageBody,
    StageOutput,
    run_stage,
    stage_called,
    stage_ref,
)
from cinefab.jobs.workshop import Model, Workshop
from cinefab.record.commit import CommittedStage, find_stage
from cinefab.schedule.breakers import (
    Breaker,
    State,
    after_failure,
    after_no_answer,
    after_success,
    asked,
    find_breaker,
    lock_breaker,
    store_breaker,
)
from cinefab.schedule.containment import (
    Ended,
    FailedRun,
    Next,
    WhenOpen,
    is_poison,
    resumes_us,
    what_follows,
)
from cinefab.schedule.failures import failed_runs_of, record_failed_run

_LOOK_S: Final = 1.0
_ENDED_WITH_IT: Final = (WorkerLost, StepHung)


class RunStage(Protocol):
    """Runs a stage once, as `run_stage` does."""

    def __call__(  # noqa: D102 - see above
        self,
        shop: Workshop,
        order: Order,
        name: str,
        body: StageBody,
        *,
        model: Model,
        attempt: Attempt,
    ) -> Awaitable[CommittedStage]: ...


@dataclass(frozen=True, slots=True)
class GaveUp:
    """A stage that its model cannot make, and what of it failed last."""

    error: CinefabError | Fault


async def run_contained(
    shop: Workshop,
    order: Order,
    name: str,
    model: Model,
    body: Callable[[Attempt], Awaitable[StageOutput]],
    *,
    run: RunStage = run_stage,
) -> CommittedStage | GaveUp:
    """Run a stage that a model makes, as often as the studio bears its failures.

    `run` runs it once, if that is not `run_stage`.

    `body` is given the attempt, and blames the model there for what it raises. Returns what was
    committed, or what the model failed of in the end. Raises `JobParked` where the job has ended
    too many workers, and whatever is not the model's.
    """
    ref = stage_ref(shop, order, name)
    while True:
        known, failed = await asyncio.to_thread(_known, shop, order, name)
        if known is not None:
            return known
        own = [each for each in failed if each.stage == ref.name]
        if any(each.follows is Next.PARKED for each in failed):
            raise parked(order.job, failed)
        if own and own[-1].follows is Next.GIVEN_UP:
            return GaveUp(decode_error(own[-1].error))
        killed = [each for each in failed if each.model == model.card.ref and each.ended]
        if len(killed) >= shop.containment.park_after:
            return GaveUp(decode_error(killed[-1].error))
        await _pause(shop, order, ref.name, failed)
        resting = await _admit(shop, model)
        if resting is not None:
            await asyncio.to_thread(_give_up_on, shop, order, ref.name, model, resting)
            return GaveUp(resting)
        committed = await _once(shop, order, name, model, body, run)
        if committed is not None:
            return committed


@contextlib.contextmanager
def blaming(attempt: Attempt) -> Iterator[None]:
    """Blame the model for what is raised within, while its process is asked, if it is of that kind."""
    try:
        yield
    except (StorageUnavailable, SandboxUnavailable, ComputeUnavailable):
        raise
    except (Unavailable, ContractMismatch, Fault) as error:
        attempt.blamed = error
        raise


def parked(job: JobId, failed: Sequence[FailedRun]) -> JobParked:
    """Return the report on a job that is parked, with what killed its processes."""
    killed = [
        {"stage": each.stage, "model": each.model, "error": each.kind, "found": found_of(each)}
        for each in failed
        if each.ended is not None
    ]
    last = killed[-1] if killed else None
    return JobParked(
        attempted=f"make {job}",
        found=f"it has ended {len(killed)} processes"
        + ("" if last is None else f", the last of them {last['stage']}: {last['found']}"),
        remedy=f"It is not taken up again by itself. When its cause is gone, or to try it anyway: "
        f"cinefab jobs retry {job}, or POST /v1/jobs/{job}/retry.",
        killed_by=tuple(killed),
    )


async def failed_of(shop: Workshop, job: JobId) -> tuple[FailedRun, ...]:
    """Return the runs of a job that failed."""

    def find() -> tuple[FailedRun, ...]:
        with shop.recorder.db.read() as connection:
            return failed_runs_of(connection, tenant=shop.tenant, job=job)

    return await asyncio.to_thread(find)


async def end_for(shop: Workshop, order: Order, gave_up: GaveUp) -> CinefabError | Fault:
    """Return what ends a job that nobody else can make: its failure, or that it is parked."""
    failed = await failed_of(shop, order.job)
    if is_poison(failed, shop.containment):
        return parked(order.job, failed)
    return gave_up.error


def found_of(failed: FailedRun) -> str:
    """Return what was found, in words."""
    error = decode_error(failed.error)
    return error.found if isinstance(error, CinefabError) else f"{error.kind}: {error.message}"


def record_lost_worker(connection: sa.Connection, shop: Workshop, lease: Any, now_us: int) -> None:
    """Write that a worker died while a model made a stage: part of taking over its lease."""
    called = stage_called(lease.stage).removeprefix(PREVIEW)
    if called != "preview" and not called.startswith("generate:"):
        return
    error = WorkerLost(
        attempted=f"make {lease.stage} of {lease.job}",
        found="the worker that made it died",
        remedy="Another one goes on; if they die again and again, the job is parked.",
    )
    before = failed_runs_of(connection, tenant=lease.tenant, job=lease.job)
    failed = FailedRun(
        stage=lease.stage,
        model=None,
        kind=type(error).__name__,
        error=encode_error(error, attempted=""),
        ended=Ended.WORKER,
        follows=what_follows(
            type(error).__name__,
            stage=lease.stage,
            ended=Ended.WORKER,
            before=before,
            policy=shop.containment,
        ),
        lease=lease.id,
        at_us=now_us,
    )
    record_failed_run(connection, failed, tenant=lease.tenant, job=lease.job)


async def _once(
    shop: Workshop,
    order: Order,
    name: str,
    model: Model,
    body: Callable[[Attempt], Awaitable[StageOutput]],
    run: RunStage,
) -> CommittedStage | None:
    """Run a stage and return what was committed, or None where its model failed, which is written."""
    stage = stage_ref(shop, order, name).name

    def lost(connection: sa.Connection, lease: LeaseId) -> None:
        if attempt.blamed is not None:
            _note(connection, shop, order, stage, model, attempt.blamed, lease)

    attempt = Attempt(on_lost=lost)
    try:
        committed = await run(
            shop,
            order,
            name,
            lambda: body(attempt),
            model=model,
            attempt=attempt,
        )
    except BaseException as error:
        if error is attempt.blamed:
            return None
        # Nothing was learned of the model: another run may try it.
        await asyncio.shield(asyncio.to_thread(_settle, shop, model, came_out=False))
        raise
    await asyncio.to_thread(_settle, shop, model, came_out=True)
    return committed


def _known(
    shop: Workshop, order: Order, name: str
) -> tuple[CommittedStage | None, tuple[FailedRun, ...]]:
    known = find_stage(shop.recorder.db, stage_ref(shop, order, name))
    if known is not None:
        return known, ()
    with shop.recorder.db.read() as connection:
        return None, failed_runs_of(connection, tenant=shop.tenant, job=order.job)


async def _pause(shop: Workshop, order: Order, stage: str, failed: Sequence[FailedRun]) -> None:
    until_us = resumes_us(failed, job=order.job, stage=stage, policy=shop.containment)
    left_us = until_us - shop.recorder.clock.now_us()
    if left_us > 0:
        await asyncio.sleep(min(left_us / 1_000_000, shop.containment.pause_max_s))


async def _admit(shop: Workshop, model: Model) -> CircuitOpen | None:
    """Wait until a model may be asked; return why it may not, where nobody is to wait for it."""
    policy, clock = shop.containment, shop.recorder.clock
    until_us = clock.elapsed_us() + round(policy.wait_s * 1_000_000)
    while True:
        standing = await asyncio.to_thread(_ask, shop, model)
        if standing is None:
            return None
        waits = policy.when_open is WhenOpen.WAIT and not policy.fallbacks.get(model.card.name)
        if not waits or clock.elapsed_us() >= until_us:
            return _resting(standing)
        await asyncio.sleep(_LOOK_S)


def _ask(shop: Workshop, model: Model) -> Breaker | None:
    """Return how a model stands that may not be asked now."""
    with shop.recorder.db.read() as connection:
        if find_breaker(connection, model.card.ref).state is State.CLOSED:
            return None
    now_us = shop.recorder.clock.now_us()
    with shop.recorder.db.write() as connection:
        before = lock_breaker(connection, model.card.ref)
        may, after = asked(before, now_us=now_us)
        store_breaker(connection, before, after, tenant=shop.tenant, now_us=now_us)
    return None if may else before


def _settle(shop: Workshop, model: Model, *, came_out: bool) -> None:
    """Note that a run came out well, or that it ended and nothing was learned of its model."""
    with shop.recorder.db.read() as connection:
        if find_breaker(connection, model.card.ref).is_untroubled:
            return
    now_us = shop.recorder.clock.now_us()
    with shop.recorder.db.write() as connection:
        before = lock_breaker(connection, model.card.ref)
        after = after_success(before) if came_out else after_no_answer(before, now_us=now_us)
        store_breaker(connection, before, after, tenant=shop.tenant, now_us=now_us)


def _note(
    connection: sa.Connection,
    shop: Workshop,
    order: Order,
    stage: str,
    model: Model,
    error: CinefabError | Fault,
    lease: LeaseId | None,
) -> None:
    now_us = shop.recorder.clock.now_us()
    before = failed_runs_of(connection, tenant=shop.tenant, job=order.job)
    ended = Ended.PROCESS if _took_its_process(error) else None
    kind = type(error).__name__
    follows = what_follows(kind, stage=stage, ended=ended, before=before, policy=shop.containment)
    failed = FailedRun(
        stage=stage,
        model=model.card.ref,
        kind=kind,
        error=encode_error(error, attempted=f"run {stage}"),
        ended=ended,
        follows=follows,
        lease=lease,
        at_us=now_us,
    )
    record_failed_run(connection, failed, tenant=shop.tenant, job=order.job)
    if isinstance(error, CircuitOpen):
        return
    standing = lock_breaker(connection, model.card.ref)
    after = after_failure(
        standing,
        job=order.job,
        why=f"{kind}: {found_of(failed)}",
        now_us=now_us,
        policy=shop.containment,
    )
    store_breaker(connection, standing, after, tenant=shop.tenant, now_us=now_us)


def _give_up_on(
    shop: Workshop, order: Order, stage: str, model: Model, resting: CircuitOpen
) -> None:
    with shop.recorder.db.write() as connection:
        _note(connection, shop, order, stage, model, resting, None)


def _took_its_process(error: BaseException) -> bool:
    if isinstance(error, OutOfMemory):
        # One that could still say so was only replaced; the kernel, or its own runtime, ended others.
        return "stderr" in error.__dict__
    return isinstance(error, _ENDED_WITH_IT)


def _resting(standing: Breaker) -> CircuitOpen:
    until = datetime.fromtimestamp(standing.until_us / 1_000_000, UTC).isoformat(timespec="seconds")
    return CircuitOpen(
        attempted=f"run {standing.model}",
        found=f"it failed for several jobs ({standing.why}), and rests until {until}",
        remedy="Order it again later; or name a model to be asked instead, in "
        "containment.fallbacks of the settings. cinefab models ls says how it stands.",
    )

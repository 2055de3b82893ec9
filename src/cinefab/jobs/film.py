"""One brief becomes one film: the walk through the five layers, durable at every step.

The body of this workflow only decides what comes next, from what finished steps returned, so
that it takes the same path whenever it is run again: after a crash, on another worker, with some
steps done and some not. Everything that touches the world is inside a step.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from cinefab.core.canonical import Json
from cinefab.core.errors import (
    Cancelled,
    CinefabError,
    RefusedByReview,
    StorageUnavailable,
    Unavailable,
)
from cinefab.core.ids import JobId
from cinefab.core.plan import Plan, PlannedShot, PlannedTransition
from cinefab.engine.durable import step
from cinefab.ingest.brief import brief_from_document
from cinefab.jobs import assembling, delivering, generating, ingesting, planning, reviewing
from cinefab.jobs.stages import Order
from cinefab.jobs.status import JobStatus, move_job
from cinefab.jobs.tables import brief as brief_table
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop

_T = TypeVar("_T")

WORKFLOW: Final = "film"
"""The workflow's name in the durable engine; its argument is the job's public id."""

_log: Final = logging.getLogger(__name__)

_ATTEMPTS: Final = 3
"""A stage outlives a short failure of what it needs: the database, the blobs, a sandbox."""

_RENDER_ATTEMPTS: Final = 2
"""A rendering process that dies, or hangs, is replaced; what it was making is made once more."""

_MOVE_ATTEMPTS: Final = 8
"""A job's status must not be lost to an outage of half a minute: its result would be kept as it is
while the row never ends."""

_READ_PAUSE_S: Final = 0.2


def register_film(shop: Workshop) -> None:
    """Tell the engine how films are made; before it is launched."""

    async def film(job: str) -> Json:
        return await make_film(shop, JobId(job))

    shop.durable.workflow(WORKFLOW, film)


async def make_film(shop: Workshop, job: JobId) -> Json:
    """Run a job to its end and return how it ended: its status, and its failure if it failed.

    Errors of ours end the job and become its result; anything else is a fault, ends the job too,
    and is raised for the engine to keep.
    """
    try:
        await _move(shop, job, "begin", JobStatus.RUNNING)
        await _walk(shop, await _read(load_order, shop, job))
    except RefusedByReview as error:
        return await _end(shop, job, "refused", JobStatus.REFUSED, error.as_dict())
    except Cancelled as error:
        return await _end(shop, job, "cancelled", JobStatus.CANCELLED, error.as_dict())
    except CinefabError as error:
        return await _end(shop, job, "failed", JobStatus.FAILED, error.as_dict())
    except Exception as error:
        fault = {"error": "Fault", "found": f"{type(error).__name__}: {error}"}
        await _end(shop, job, "fault", JobStatus.FAILED, fault)
        raise
    return await _end(shop, job, "delivered", JobStatus.DELIVERED, None)


async def _walk(shop: Workshop, order: Order) -> None:
    references = await asyncio.gather(
        *(
            _stage(f"ingest:{reference.name}", _bound(ingesting.ingest, shop, order, reference))
            for reference in order.brief.references
        )
    )
    planned = await _stage("plan", lambda: planning.plan(shop, order, references))
    plan = await _read(planning.load_plan, shop, planned)
    kept = await _stage("find", lambda: generating.find_kept(shop, plan))

    async def _shot(shot: PlannedShot) -> Json:
        return await step(
            f"generate:{shot.index}",
            lambda: generating.generate(shop, order, plan, shot, references, kept),
            attempts_max=_RENDER_ATTEMPTS,
        )

    # Alone, because it takes a tenth of a second and somebody waits for it: beside the takes it
    # would wait for a place until the first of them is done.
    await _stage("preview", lambda: generating.preview(shop, order, plan, references, kept))
    missing = [shot for shot in plan.shots if generating.is_missing(plan, shot, kept)]
    made = await asyncio.gather(*(_shot(shot) for shot in missing))
    pieces = generating.all_segments(kept, made)

    async def _transition(transition: PlannedTransition) -> Json:
        return await step(
            f"transition:{transition.into}",
            lambda: assembling.make(shop, order, plan, transition, pieces),
            attempts_max=_RENDER_ATTEMPTS,
        )

    blends = [each for each in plan.transitions if each.key not in pieces]
    joined = await asyncio.gather(*(_transition(each) for each in blends))
    pieces = generating.all_segments(pieces, joined)
    cut = await _stage("assemble", lambda: assembling.assemble(shop, order, plan, pieces))
    await _stage("review", lambda: reviewing.review(shop, order, plan, cut, pieces))
    released = await _stage(
        "deliver", lambda: delivering.deliver(shop, order, plan, cut, references)
    )
    packaged = await _package(shop, order, plan, pieces, released, planned)
    await _stage("publish", lambda: delivering.publish(shop, order, released, planned, packaged))


async def _package(
    shop: Workshop,
    order: Order,
    plan: Plan,
    pieces: Mapping[str, Any],
    released: Json,
    planned: Json,
) -> Json:
    """Make the rungs that are missing and package the release, if it is to be more than a file."""
    if not order.brief.output.is_streamed:
        return None
    # Most films are one file, and load nothing of this.
    from cinefab.jobs import packaging  # noqa: PLC0415 - see above

    found = await _stage("find-rungs", lambda: packaging.find_rungs(shop, order, plan, pieces))

    async def _rungs(number: int) -> Json:
        return await step(
            f"rungs:{number}",
            lambda: packaging.make_rungs(shop, order, plan, number, pieces, found),
            attempts_max=_RENDER_ATTEMPTS,
        )

    numbers = packaging.pieces_to_scale(plan, pieces, found)
    made = await asyncio.gather(*(_rungs(number) for number in numbers))
    rungs = packaging.with_made(found, made)
    return await _stage(
        "package",
        lambda: packaging.package(shop, order, plan, pieces, rungs, released, planned),
    )


def load_order(shop: Workshop, job: JobId) -> Order:
    """Return what a job was asked for; raise `Unavailable` if there is no such job."""
    with shop.recorder.db.read() as connection:
        row = connection.execute(
            sa.select(brief_table.c.document, job_table.c.out)
            .join_from(job_table, brief_table)
            .where(job_table.c.tenant_id == shop.tenant, job_table.c.public_id == job)
        ).first()
    if row is None:
        raise Unavailable(
            attempted=f"find the job {job}",
            found="there is none by that id here",
            remedy="Give its id (job_…) or its folder, and the --db it was made in.",
        )
    return Order(job=job, brief=brief_from_document(json.loads(row.document)), out=Path(row.out))


def _bound(
    body: Callable[..., Awaitable[Json]], *arguments: object
) -> Callable[[], Awaitable[Json]]:
    return lambda: body(*arguments)


async def _stage(name: str, body: Callable[[], Awaitable[Json]]) -> Json:
    return await step(name, body, attempts_max=_ATTEMPTS)


async def _read(load: Callable[..., _T], *arguments: object) -> _T:
    # Outside any step, for what is too large to keep: it reads what can never change.
    for done in range(1, _MOVE_ATTEMPTS):
        try:
            return await asyncio.to_thread(load, *arguments)
        except StorageUnavailable:
            await asyncio.sleep(_READ_PAUSE_S * 2 ** (done - 1))
    return await asyncio.to_thread(load, *arguments)


async def _end(shop: Workshop, job: JobId, name: str, to: JobStatus, failure: Json) -> Json:
    ended = await _move(shop, job, name, to, failure)

    def report() -> None:
        delivering.write_report(shop, load_order(shop, job))

    try:
        await step("report", _threaded(report), attempts_max=_ATTEMPTS)
    except StorageUnavailable:
        # The job has ended all the same; a folder that cannot be written to is no reason to wait.
        _log.warning("report_not_written", extra={"job": job}, exc_info=True)
    return ended


async def _move(shop: Workshop, job: JobId, name: str, to: JobStatus, failure: Json = None) -> Json:
    def move() -> None:
        with shop.recorder.db.write() as connection:
            move_job(
                connection,
                tenant=shop.tenant,
                job_id=job,
                to=to,
                failure=failure,
                now_us=shop.recorder.clock.now_us(),
            )

    await step(name, _threaded(move), attempts_max=_MOVE_ATTEMPTS)
    return {"job": job, "status": to, "failure": failure}


def _threaded(body: Callable[[], None]) -> Callable[[], Awaitable[Json]]:
    async def run() -> Json:
        await asyncio.to_thread(body)
        return None

    return run

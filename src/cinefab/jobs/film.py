"""One brief becomes one film: the walk through the five layers, durable at every step.

The body of this workflow only decides what comes next, from what finished steps returned, so
that it takes the same path whenever it is run again: after a crash, on another worker, with some
steps done and some not. Everything that touches the world is inside a step.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import sqlalchemy as sa

from cinefab.core.canonical import Json
from cinefab.core.errors import Cancelled, CinefabError, RefusedByReview
from cinefab.core.ids import JobId
from cinefab.core.plan import PlannedShot, PlannedTransition
from cinefab.engine.durable import step
from cinefab.ingest.brief import brief_from_document
from cinefab.jobs import assembling, delivering, generating, ingesting, planning, reviewing
from cinefab.jobs.stages import Order
from cinefab.jobs.status import ENDED, JobStatus, move_job
from cinefab.jobs.tables import brief as brief_table
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop

WORKFLOW = "film"
"""The workflow's name in the durable engine; its argument is the job's public id."""

_ATTEMPTS = 2
"""A rendering process that dies, or hangs, is replaced; what it was making is made once more."""


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
        await step("begin", lambda: _move(shop, job, JobStatus.RUNNING))
        await _walk(shop, await asyncio.to_thread(load_order, shop, job))
    except RefusedByReview as error:
        return await step("refused", _ending(shop, job, JobStatus.REFUSED, error.as_dict()))
    except Cancelled as error:
        return await step("cancelled", _ending(shop, job, JobStatus.CANCELLED, error.as_dict()))
    except CinefabError as error:
        return await step("failed", _ending(shop, job, JobStatus.FAILED, error.as_dict()))
    except Exception as error:
        fault = {"error": "Fault", "found": f"{type(error).__name__}: {error}"}
        await step("fault", _ending(shop, job, JobStatus.FAILED, fault))
        raise
    return await step("delivered", _ending(shop, job, JobStatus.DELIVERED, None))


async def _walk(shop: Workshop, order: Order) -> None:
    references = await asyncio.gather(
        *(
            step(f"ingest:{reference.name}", _bound(ingesting.ingest, shop, order, reference))
            for reference in order.brief.references
        )
    )
    planned = await step("plan", lambda: planning.plan(shop, order, references))
    plan = await asyncio.to_thread(planning.load_plan, shop, planned)
    kept = await step("find", lambda: generating.find_kept(shop, plan))

    async def _shot(shot: PlannedShot) -> Json:
        return await step(
            f"generate:{shot.index}",
            lambda: generating.generate(shop, order, plan, shot, references, kept),
            attempts_max=_ATTEMPTS,
        )

    missing = [shot for shot in plan.shots if generating.is_missing(plan, shot, kept)]
    made = await asyncio.gather(
        step("preview", lambda: generating.preview(shop, order, plan, references, kept)),
        *(_shot(shot) for shot in missing),
    )
    pieces = generating.all_segments(kept, made[1:])

    async def _transition(transition: PlannedTransition) -> Json:
        return await step(
            f"transition:{transition.into}",
            lambda: assembling.make(shop, order, plan, transition, pieces),
            attempts_max=_ATTEMPTS,
        )

    blends = [each for each in plan.transitions if each.key not in pieces]
    joined = await asyncio.gather(*(_transition(each) for each in blends))
    pieces = generating.all_segments(pieces, joined)
    cut = await step("assemble", lambda: assembling.assemble(shop, order, plan, pieces))
    await step("review", lambda: reviewing.review(shop, order, plan, cut))
    released = await step("deliver", lambda: delivering.deliver(shop, order, plan, cut, references))
    await step("publish", lambda: delivering.publish(shop, order, released, planned))


def load_order(shop: Workshop, job: JobId) -> Order:
    """Return what a job was asked for."""
    with shop.recorder.db.read() as connection:
        row = connection.execute(
            sa.select(brief_table.c.document, job_table.c.out)
            .join_from(job_table, brief_table)
            .where(job_table.c.tenant_id == shop.tenant, job_table.c.public_id == job)
        ).one()
    return Order(job=job, brief=brief_from_document(json.loads(row.document)), out=Path(row.out))


def _bound(
    body: Callable[..., Awaitable[Json]], *arguments: object
) -> Callable[[], Awaitable[Json]]:
    return lambda: body(*arguments)


def _ending(
    shop: Workshop, job: JobId, to: JobStatus, failure: Json
) -> Callable[[], Awaitable[Json]]:
    return lambda: _move(shop, job, to, failure)


async def _move(shop: Workshop, job: JobId, to: JobStatus, failure: Json = None) -> Json:
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

        if to in ENDED:
            delivering.write_report(shop, load_order(shop, job))

    await asyncio.to_thread(move)
    return {"job": job, "status": to, "failure": failure}

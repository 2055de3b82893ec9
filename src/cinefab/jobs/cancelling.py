"""How a job is stopped: at once, with its reservation given back."""

from __future__ import annotations

import sqlalchemy as sa

from cinefab.core.canonical import Json
from cinefab.core.errors import CinefabError
from cinefab.core.ids import JobId, TenantId, WorkerId
from cinefab.economics.leases import open_leases_of, open_leases_of_job
from cinefab.economics.ledger import absorb_lost_lease
from cinefab.engine.wire import Fault
from cinefab.jobs.containing import record_lost_worker
from cinefab.jobs.rounds import current_workflow
from cinefab.jobs.status import JobStatus, move_job
from cinefab.jobs.workshop import Workshop
from cinefab.store.schema import worker as worker_table


def cancel_job(shop: Workshop, job: JobId, *, by: str) -> bool:
    """End a job as cancelled and void what it had reserved; False if it had ended already.

    The row is moved first: from then on no stage of the job can be committed or charged, on any
    worker. Then its steps are interrupted, and what their devices did goes to overhead. With an
    engine that is not open there is nothing of ours to interrupt.
    """
    failure = {
        "error": "Cancelled",
        "attempted": f"make {job}",
        "found": f"{by} asked for it to stop",
        "remedy": "Order it again if it is still wanted; what was finished is reused.",
    }
    with shop.recorder.db.write() as connection:
        now_us = shop.recorder.clock.now_us()
        moved = move_job(
            connection,
            tenant=shop.tenant,
            job_id=job,
            to=JobStatus.CANCELLED,
            failure=failure,
            now_us=now_us,
        )
        if moved:
            for lease in open_leases_of_job(connection, tenant=shop.tenant, job=job):
                absorb_lost_lease(
                    connection,
                    tenant=shop.tenant,
                    lease=lease.id,
                    lost_us=lease.lost_us(now_us),
                    now_us=now_us,
                )
    if shop.durable.is_open:
        shop.durable.cancel(current_workflow(shop, job))
    return moved


def fail_job(
    shop: Workshop, job: JobId, failure: Json, *, to: JobStatus = JobStatus.FAILED
) -> bool:
    """End a job that its engine has given up, with the report that says why, and void the rest.

    One that the engine gave up because it ends its workers is parked. False if it had ended: then it stays as it is.
    """
    with shop.recorder.db.write() as connection:
        return move_job(
            connection,
            tenant=shop.tenant,
            job_id=job,
            to=to,
            failure=failure,
            now_us=shop.recorder.clock.now_us(),
        )


def failure_of(error: CinefabError | Fault) -> Json:
    """Return what ended a job's workflow as the job's row keeps it."""
    if isinstance(error, Fault):
        return {"error": "Fault", "attempted": error.attempted, "found": str(error)}
    return dict(error.as_dict())


def absorb_leases_of(shop: Workshop, worker: WorkerId) -> None:
    """Close what a dead worker had leased, up to the moment it was last heard of."""
    beat = sa.select(worker_table.c.beat_us).where(worker_table.c.id == worker)
    with shop.recorder.db.write() as connection:
        last_beat_us = connection.execute(beat).scalar() or 0
        now_us = shop.recorder.clock.now_us()
        for lease in open_leases_of(connection, worker):
            absorb_lost_lease(
                connection,
                tenant=TenantId(lease.tenant),
                lease=lease.id,
                lost_us=lease.lost_us(last_beat_us),
                now_us=now_us,
            )
            record_lost_worker(connection, shop, lease, now_us)

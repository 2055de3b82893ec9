"""What living workers do for dead ones: take their jobs over, and find what nobody has any more.

A dead worker's row is found by the heartbeat, once. Work can be lost beside it: a worker that was
taken for dead, and settled, takes something up before it notices. So workers also look, now and
then, for jobs that no living worker has, and for those that waited for a person in vain: of every
tenant. What was written and never begun is found by `intake`.
"""

from __future__ import annotations

import logging
import shutil
from typing import Final

import sqlalchemy as sa

from cinefab.core.errors import CinefabError, WorkerLost
from cinefab.core.ids import JobId, WorkerId
from cinefab.engine.durable import Status
from cinefab.engine.heartbeat import process_runs, this_host
from cinefab.engine.wire import Fault
from cinefab.jobs.cancelling import absorb_leases_of, fail_job, failure_of
from cinefab.jobs.delivering import write_report
from cinefab.jobs.gating import expire_overdue
from cinefab.jobs.owners import working_as, workshop_of
from cinefab.jobs.rounds import current_workflow, load_order, round_of, workflow_id
from cinefab.jobs.status import JobStatus
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop
from cinefab.review.items import tenants_overdue
from cinefab.schedule.holds import release_devices_of
from cinefab.store.schema import worker as worker_table
from cinefab.tenancy.tables import tenant as tenant_table

_log: Final = logging.getLogger(__name__)

_RESULT_LIMIT_S: Final = 5.0


class Caretaker:
    """One worker's care for the work of others; used by one thread, the heartbeat's.

    With `adopts` false it leaves the work itself to others, and only keeps the books.
    """

    def __init__(self, shop: Workshop, *, adopts: bool = True) -> None:
        self._shop = shop
        self._adopts = adopts
        self._host = this_host()
        self._unknown: set[WorkerId] = set()
        self._broken: set[str] = set()

    def take_over(self, dead: WorkerId) -> None:
        """Close a dead worker's leases, give its devices back, and have its jobs finished; twice is as once."""
        absorb_leases_of(self._shop, dead)
        with self._shop.recorder.db.write() as connection:
            release_devices_of(connection, dead)
        if self._adopts:
            self._shop.durable.adopt([dead])

    def sweep(self) -> None:
        """Take over what no living worker has; call it every few seconds."""
        if self._adopts:
            self._adopt_strays()
        self._end_broken()
        self._end_overdue()
        self._clear_scratch()

    def _adopt_strays(self) -> None:
        busy = self._shop.durable.executors() - {self._shop.worker}
        with self._shop.recorder.db.read() as connection:
            known = {
                row.id: row.settled_us is not None
                for row in connection.execute(
                    sa.select(worker_table.c.id, worker_table.c.settled_us).where(
                        worker_table.c.id.in_(busy)
                    )
                )
            }
        unknown = {worker for worker in busy if worker not in known}
        settled = {worker for worker in busy if known.get(worker)}
        for stray in sorted(settled | (unknown & self._unknown)):
            self.take_over(stray)
        # A worker that starts works before it has a row.
        self._unknown = unknown

    def _end_broken(self) -> None:
        """End the rows of jobs whose workflow is over and could not end them itself."""
        broken = self._workflows(JobStatus.RUNNING, Status.FAILED)
        for workflow in sorted(broken & self._broken):
            try:
                self._shop.durable.result(workflow, timeout_s=_RESULT_LIMIT_S)
            except (CinefabError, Fault) as error:
                job, _ = round_of(workflow)
                to = JobStatus.PARKED if isinstance(error, WorkerLost) else JobStatus.FAILED
                if fail_job(workshop_of(self._shop, job), job, failure_of(error), to=to):
                    _log.warning("broken_job_ended", extra={"job": job, "found": str(error)})
        self._broken = broken

    def _end_overdue(self) -> None:
        now_us = self._shop.recorder.clock.now_us()
        with self._shop.recorder.db.read() as connection:
            overdue = tenants_overdue(connection, due_by_us=now_us)
        for tenant in overdue:
            owned = working_as(self._shop, tenant=tenant, principal=self._shop.principal)
            for job in expire_overdue(owned):
                write_report(owned, load_order(owned, job))

    def _workflows(self, row: JobStatus, workflow: Status) -> set[str]:
        with self._shop.recorder.db.read() as connection:
            found = connection.execute(
                # By tenant, of which there are few: an index leads from there to the few jobs.
                sa.select(job_table.c.public_id, job_table.c.round).where(
                    job_table.c.tenant_id.in_(sa.select(tenant_table.c.id)),
                    job_table.c.status == row,
                )
            ).all()
        ids = {workflow_id(JobId(each.public_id), each.round) for each in found}
        return {each for each in ids if self._shop.durable.status(each) is workflow}

    def _clear_scratch(self) -> None:
        folder = self._shop.scratch.parent
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        names.discard(self._shop.worker)
        if not names:
            return
        with self._shop.recorder.db.read() as connection:
            gone = connection.execute(
                sa.select(worker_table.c.id, worker_table.c.pid).where(
                    worker_table.c.id.in_(names),
                    worker_table.c.host == self._host,
                    worker_table.c.settled_us.is_not(None),
                )
            ).all()
        for row in gone:
            # One that only stood still may wake, and must not trip over files that have gone.
            if not process_runs(row.pid):
                shutil.rmtree(folder / row.id, ignore_errors=True)


def is_made_elsewhere(shop: Workshop, job: JobId) -> bool:
    """Return whether another worker that lives, as far as is known, makes this job.

    While our engine is not open nobody can tell which worker has it, so any that lives counts.
    """
    alive = sa.select(worker_table).where(
        worker_table.c.ended_us.is_(None), worker_table.c.id != shop.worker
    )
    if shop.durable.is_open:
        executor = shop.durable.executor(current_workflow(shop, job))
        if executor is None or executor == shop.worker:
            return False
        alive = alive.where(worker_table.c.id == executor)
    with shop.recorder.db.read() as connection:
        rows = connection.execute(alive).all()
    return any(row.host != this_host() or process_runs(row.pid) for row in rows)

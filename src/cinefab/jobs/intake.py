"""Which waiting jobs this worker makes: the oldest first, and no more at once than it has room for.

Nothing is handed out: a job waits in its row, and whichever worker has room takes it up. Two that
reach for the same one give the engine the same workflow id, and it runs once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from cinefab.core.ids import JobId
from cinefab.jobs.rounds import workflow_id
from cinefab.jobs.status import JobStatus
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop
from cinefab.tenancy.tables import tenant as tenant_table

_LOOK_AT: Final = 64
"""How many of those that wait longest are looked at: some of them were just taken up elsewhere."""


class Intake:
    """Takes jobs of any tenant up for this process, `at_once` at most; 0 leaves them to others.

    `start` gives a workflow to the durable engine of this process.
    """

    def __init__(self, shop: Workshop, *, start: Callable[[str], None], at_once: int) -> None:
        self._shop = shop
        self._start = start
        self._at_once = at_once
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._is_full = False

    def offer(self, workflow: str) -> None:
        """Take a job up that was just written, if there is room and none waits before it."""
        # While there is no room, whoever creates a job waits for nothing here: the next look does it.
        if self._at_once == 0 or self._is_full:
            return
        with self._lock:
            if workflow in self._next():
                self._start(workflow)

    def look(self) -> None:
        """Take up what waits while there is room; call it every half second or so.

        What is only about to be somebody's, such as a job just written, is left until it was found
        twice in a row.
        """
        if self._at_once == 0:
            return
        with self._lock:
            found = self._next()
            for workflow in found:
                if workflow in self._seen:
                    self._start(workflow)
            self._seen = set(found)

    def _next(self) -> list[str]:
        """Return the workflows that nobody has and that there is room for here, the oldest first."""
        waiting = self._waiting()
        if not waiting:
            self._is_full = False
            return []
        room = max(0, self._at_once - self._shop.durable.running_here())
        self._is_full = room == 0
        if room == 0:
            return []
        known = self._shop.durable.known(waiting)
        return [each for each in waiting if each not in known][:room]

    def _waiting(self) -> list[str]:
        with self._shop.recorder.db.read() as connection:
            rows = connection.execute(
                # By tenant, of which there are few: an index leads from there to the few jobs.
                sa.select(job_table.c.public_id, job_table.c.round)
                .where(
                    job_table.c.tenant_id.in_(sa.select(tenant_table.c.id)),
                    job_table.c.status == JobStatus.WAITING,
                )
                .order_by(job_table.c.id)
                .limit(_LOOK_AT)
            ).all()
        return [workflow_id(JobId(row.public_id), row.round) for row in rows]

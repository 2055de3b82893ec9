"""Requests that are answered with what a job makes: they wait for it, as their dialect has it."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, Final

from fastapi import Header
from starlette.concurrency import run_in_threadpool

from cinefab.api.errors import NotMade, StillMaking
from cinefab.app.service import Service
from cinefab.jobs.listing import ListedJob
from cinefab.jobs.status import JobStatus
from cinefab.tenancy.caller import Caller

WAIT_S: Final = 540
"""How long a request waits at most: OpenAI's clients give up after ten minutes."""

Prefer = Annotated[
    str | None,
    Header(
        description=f"`wait=N`: wait N seconds at most, of {WAIT_S}.",
        max_length=255,
        examples=["wait=60"],
    ),
]

_WAIT: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*([0-9]{1,5})(?![0-9])", re.ASCII)
_FIRST_S: Final = 0.1
_LONGEST_S: Final = 1.0


async def delivered(
    service: Service, asking: Caller, job: ListedJob, *, prefer: str | None, attempted: str
) -> ListedJob:
    """Return a job once it is delivered; raise `NotMade` if it ends otherwise, `StillMaking`.

    The job does not mind whether anybody waits: it goes on when a client has left.
    """
    pause, waited, most = _FIRST_S, 0.0, _wait_of(prefer)
    while not job.is_over and job.status is not JobStatus.NEEDS_PERSON and waited < most:
        await asyncio.sleep(pause)
        waited += pause
        pause = min(_LONGEST_S, pause * 1.2)
        job = await run_in_threadpool(service.show, asking, job.id)
    if job.status is JobStatus.DELIVERED:
        return job
    if not job.is_over:
        raise StillMaking(
            attempted=attempted,
            found=f"its job {job.id} is {job.status}",
            remedy=f"Follow it at /v1/jobs/{job.id}; what it makes is among its assets.",
        )
    failure: Any = job.failure or {}
    field = failure.get("field")
    raise NotMade(
        attempted=attempted,
        found=f"{job.id} is {job.status}: {failure.get('found', 'nothing was said')}",
        remedy=str(failure.get("remedy", f"See /v1/jobs/{job.id}/report.")),
        field=field if isinstance(field, str) else None,
    )


def _wait_of(prefer: str | None) -> int:
    """Return how long is to be waited; a preference that is none is nobody's mistake, by RFC 7240."""
    found = _WAIT.search(prefer or "")
    return WAIT_S if found is None else min(WAIT_S, int(found[1]))

"""A job's events as they happen: server-sent, resumed where a client left off.

What happened has an id and is told again to whoever comes back with `Last-Event-ID`; progress in
between has none. The stream ends with the job, and who asks after that gets 204, which tells a
browser not to ask again. A client that does not keep up is let go: it comes back for the rest.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from cinefab.api.callers import Asking, Serving
from cinefab.api.jobs import JobName
from cinefab.app.events import Listener
from cinefab.app.service import Service
from cinefab.core.clock import iso_utc
from cinefab.core.errors import RequestInvalid
from cinefab.core.ids import JobId
from cinefab.jobs.status import ENDED
from cinefab.jobs.workshop import Progress
from cinefab.store.facts import ToldEvent
from cinefab.tenancy.caller import Caller

routes: Final = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_HEARTBEAT_S: Final = 15.0
_ID_MAX: Final = 2**63 - 1
_PAGE: Final = 1000
_FIRST_PICTURES: Final = frozenset({"preview", "preview:preview"})
"""The stages that make one: the film's, and that of a preview before it."""

_OVER: Final = frozenset(f"job.{status}" for status in ENDED)


@routes.get(
    "/{job}/events",
    summary="Follow a job",
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Events, until the job ends."},
        204: {"description": "The job has ended, and the client has every event."},
    },
    response_class=Response,
)
async def follow_job(
    request: Request,
    asking: Asking,
    service: Serving,
    job: JobName,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """Follow a job: every event from its creation on, or from `Last-Event-ID` on, and progress."""
    after = _after(last_event_id)
    listed = await run_in_threadpool(service.show, asking, job)
    if listed.is_over and after:
        missed = await run_in_threadpool(service.events_since, asking, job, after)
        if not missed:
            return Response(status_code=204)
    return StreamingResponse(
        _stream(request, service, asking, listed.id, after),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _stream(
    request: Request, service: Service, caller: Caller, job: JobId, after: int
) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()

    def wake() -> None:
        # A loop that has closed has nobody left to wake.
        if not loop.is_closed():
            loop.call_soon_threadsafe(woken.set)

    had, told = after, set[int]()
    with service.events.listening(caller.tenant, job, wake) as listener:
        yield "retry: 1000\n\n"
        while True:
            page = await run_in_threadpool(service.events_since, caller, job, after)
            for event in page:
                told.add(event.id)
                after = event.id
                yield _event_text(event)
            if any(event.kind in _OVER for event in page):
                return
            if len(page) < _PAGE:
                break
        while not service.events.is_closed and not listener.is_lost:
            for news in _queued(listener, told, had=had):
                yield _progress_text(news) if isinstance(news, Progress) else _event_text(news)
                if isinstance(news, ToldEvent) and news.kind in _OVER:
                    return
            if not await _within(woken, _HEARTBEAT_S):
                yield ": still here\n\n"
            woken.clear()


def _queued(listener: Listener, told: set[int], *, had: int) -> Iterator[ToldEvent | Progress]:
    """Yield what is new to the client, who has what is up to `had` and what was `told`."""
    while listener.queue:
        news = listener.queue.popleft()
        if isinstance(news, Progress):
            yield news
        elif news.id > had and news.id not in told:
            told.add(news.id)
            yield news


async def _within(woken: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(woken.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _event_text(event: ToldEvent) -> str:
    data = {"type": event.kind, "job": event.subject, "at": iso_utc(event.at_us)}
    data |= _shown(event)
    return f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(data)}\n\n"


def _shown(event: ToldEvent) -> dict[str, Any]:
    body: Any = event.body
    said = {"data": body} if isinstance(body, dict) else {}
    if event.kind == "preview.ready":
        return {**said, "preview_film": f"/v1/assets/{body['asset']}/content"}
    if isinstance(body, dict) and body.get("stage") in _FIRST_PICTURES:
        return {**said, "preview": f"/v1/jobs/{event.subject}/preview"}
    return said


def _progress_text(news: Progress) -> str:
    data = {"type": "progress", "job": news.job, "stage": news.stage, "done": round(news.done, 4)}
    return f"event: progress\ndata: {json.dumps(data)}\n\n"


def _after(given: str | None) -> int:
    if given is None or given == "":
        return 0
    if not (given.isascii() and given.isdigit() and int(given) <= _ID_MAX):
        raise RequestInvalid(
            attempted="follow the job",
            field="Last-Event-ID",
            found=f"{given[:24]!r}",
            remedy="Send the id of the last event that came, or leave it out.",
        )
    return int(given)

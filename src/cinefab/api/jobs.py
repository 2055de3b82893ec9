"""Jobs: a brief is sent, and what becomes of it is asked for, changed and stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from cinefab.api.bodies import Changes, IdempotencyKey, checked_key, sent_brief
from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.api.content import content_response
from cinefab.app.service import Ordered, Service
from cinefab.core.canonical import canonical_json, sha256_of
from cinefab.core.clock import iso_utc
from cinefab.core.errors import RequestInvalid
from cinefab.ingest.brief import brief_schema
from cinefab.jobs.listing import ListedJob
from cinefab.jobs.once import Once
from cinefab.jobs.status import JobStatus

routes: Final = APIRouter(prefix="/v1/jobs", tags=["jobs"])

JobName = Annotated[str, Path(max_length=64, description="A job's id: job_…")]


class JobLinks(BaseModel):
    """Where to ask further."""

    self: str
    events: str
    report: str
    preview: str | None
    preview_film: str | None
    film: str | None


class JobDocument(BaseModel):
    """A job, as it stands now."""

    id: str
    object: str = "job"
    status: JobStatus
    title: str
    seconds: float = Field(description="What was ordered, transitions not taken off.")
    size: str
    labels: dict[str, str]
    progress: float | None = Field(description="How much of its stage is done, if known here.")
    stage: str | None
    created: str
    deadline: str | None
    first_preview: str | None
    ended: str | None
    failure: dict[str, Any] | None
    links: JobLinks


class JobPage(BaseModel):
    """Jobs, newest first; `next` is what `after` asks the next page by."""

    object: str = "list"
    data: list[JobDocument]
    has_more: bool
    next: str | None


def job_document(service: Service, job: ListedJob) -> dict[str, Any]:
    """Return a job as it is answered."""
    here = f"/v1/jobs/{job.id}"
    news = None if job.is_over else service.progress(job.id)
    return {
        "id": job.id,
        "object": "job",
        "status": job.status,
        "title": job.title,
        "seconds": job.seconds,
        "size": job.size,
        "labels": dict(job.labels),
        "progress": None if news is None else round(news.done, 4),
        "stage": None if news is None else news.stage,
        "created": iso_utc(job.created_us),
        "deadline": None if job.deadline_us is None else iso_utc(job.deadline_us),
        "first_preview": None if job.first_preview_us is None else iso_utc(job.first_preview_us),
        "ended": None if job.ended_us is None else iso_utc(job.ended_us),
        "failure": job.failure,
        "links": {
            "self": here,
            "events": f"{here}/events",
            "report": f"{here}/report",
            "preview": None if job.first_preview_us is None else f"{here}/preview",
            "preview_film": None
            if job.preview_film is None
            else f"/v1/assets/{job.preview_film}/content",
            "film": None if job.film is None else f"/v1/assets/{job.film}/content",
        },
    }


def _brief_body() -> dict[str, Any]:
    """Return what a create's body is in the OpenAPI document."""
    schema = {"$ref": "#/components/schemas/Brief"}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": schema},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["brief"],
                        "properties": {"brief": {"type": "string", "maxLength": 1 << 20}},
                        "additionalProperties": {"type": "string", "format": "binary"},
                    },
                    "encoding": {"brief": {"contentType": "application/json, application/yaml"}},
                },
            },
        }
    }


def components_of(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema and its parts as they stand in an OpenAPI document under a name."""
    text = json.dumps(schema).replace('"#/$defs/', f'"#/components/schemas/{name}.')
    whole = json.loads(text)
    parts = whole.pop("$defs", {})
    for word in ("$schema", "$id"):
        whole.pop(word, None)
    return {name: whole, **{f"{name}.{part}": each for part, each in parts.items()}}


def brief_components() -> dict[str, Any]:
    """Return the brief's schema and its parts as they stand in an OpenAPI document."""
    return components_of("Brief", brief_schema())


@routes.post(
    "",
    status_code=201,
    summary="Create a job of a brief",
    responses={
        201: {"model": JobDocument},
        200: {"model": JobDocument, "description": "It was there."},
    },
    openapi_extra=_brief_body(),
    response_class=Response,
)
async def create_job(
    request: Request, asking: Asking, service: Serving, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a job. It survives whatever happens to this service once it was answered.

    References are URLs, or files that are parts of the form under the names that the brief gives.
    Under an `Idempotency-Key` the same request leads to the same job, and another one is refused;
    without one, an equal brief within a few seconds is the same job.
    """
    key = checked_key(idempotency_key)
    async with sent_brief(request, service.studio.shop.scratch) as sent:
        ordered = await run_in_threadpool(
            service.create,
            asking,
            sent.text,
            once=once_of(service, key, sent.digest),
            files=sent.files,
            folder=sent.folder,
        )
    return _created(request, service, ordered)


@routes.get("", summary="List jobs", responses={200: {"model": JobPage}}, response_class=Response)
def list_jobs(
    request: Request,
    asking: Asking,
    service: Serving,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[
        str | None, Query(max_length=64, description="The last page's `next`.")
    ] = None,
    status: JobStatus | None = None,
    label: Annotated[str | None, Query(max_length=200, examples=["campaign=autumn"])] = None,
) -> Response:
    """List the tenant's jobs, newest first, those of a status or a label alone if it is given."""
    found = service.list(asking, limit=limit + 1, after=after, status=status, label=_label(label))
    shown = found[:limit]
    has_more = len(found) > limit
    page = {
        "object": "list",
        "data": [job_document(service, each) for each in shown],
        "has_more": has_more,
        "next": shown[-1].id if has_more else None,
    }
    return document_response(request, page)


@routes.get(
    "/{job}", summary="Show a job", responses={200: {"model": JobDocument}}, response_class=Response
)
def show_job(request: Request, asking: Asking, service: Serving, job: JobName) -> Response:
    """Show how a job stands."""
    return document_response(request, job_document(service, service.show(asking, job)))


@routes.post(
    "/{job}/cancel",
    summary="Cancel a job",
    responses={200: {"model": JobDocument}},
    response_class=Response,
)
def cancel_job(request: Request, asking: Asking, service: Serving, job: JobName) -> Response:
    """Stop a job and give back what it had reserved; one that has ended stays as it is."""
    return document_response(request, job_document(service, service.cancel(asking, job)))


@routes.post(
    "/{job}/retry",
    status_code=201,
    summary="Order a job again",
    responses={
        201: {"model": JobDocument},
        200: {"model": JobDocument, "description": "It was there."},
    },
    response_class=Response,
)
def retry_job(
    request: Request,
    asking: Asking,
    service: Serving,
    job: JobName,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Order the same again, once the job has ended; what was finished is reused."""
    once = once_of(service, checked_key(idempotency_key), sha256_of(f"retry {job}".encode()))
    return _created(request, service, service.retry(asking, job, once=once))


@routes.post(
    "/{job}/remix",
    status_code=201,
    summary="Make a film like another one, changed",
    responses={
        201: {"model": JobDocument},
        200: {"model": JobDocument, "description": "It was there."},
    },
    response_class=Response,
)
def remix_job(
    request: Request,
    asking: Asking,
    service: Serving,
    job: JobName,
    changes: Changes,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Create another job of the job's brief with changes; what they leave alone is reused."""
    overrides = changes.overrides()
    if not overrides and not changes.reseed:
        raise RequestInvalid(
            attempted=f"remix {job}",
            field="set",
            found="nothing is changed",
            remedy="Set a field of the brief, or give a shot another seed.",
        )
    asked = sha256_of(canonical_json([job, overrides, changes.reseed]))
    ordered = service.remix(
        asking,
        job,
        changes=overrides,
        shots=changes.reseed,
        once=once_of(service, checked_key(idempotency_key), asked),
    )
    return _created(request, service, ordered)


@routes.get("/{job}/report", summary="Show all that is known of a job")
def report_job(request: Request, asking: Asking, service: Serving, job: JobName) -> Response:
    """Show a job's segments, time, cost, origin and verdict: what `cinefab report --json` prints."""
    return document_response(request, service.report(asking, job))


@routes.get("/{job}/preview", summary="Show a job's first picture", response_class=FileResponse)
@routes.head("/{job}/preview", include_in_schema=False)
def preview_job(request: Request, asking: Asking, service: Serving, job: JobName) -> Response:
    """Show the first picture, which is there long before the film; 404 until it is."""
    asset, path = service.preview(asking, job)
    return content_response(request, asset, path, immutable=False)


def _created(request: Request, service: Service, ordered: Ordered) -> Response:
    return document_response(
        request,
        job_document(service, ordered.job),
        status=200 if ordered.before else 201,
        headers={"location": f"/v1/jobs/{ordered.job.id}"},
    )


def once_of(service: Service, key: str | None, body: str) -> Once:
    """Return how a create that is sent again is known."""
    return Once(
        key=key,
        body=sha256_of(body.encode()),
        within_us=service.settings.same_within_seconds * 1_000_000,
    )


def _label(given: str | None) -> tuple[str, str] | None:
    if given is None:
        return None
    name, equals, value = given.partition("=")
    if not equals:
        raise RequestInvalid(
            attempted="list jobs",
            field="label",
            found=f"{given[:40]!r} has no '='",
            remedy="Write name=value.",
        )
    return name, value

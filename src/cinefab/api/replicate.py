"""Replicate's HTTP API under `/replicate/v1`, translated: a prediction is a job, its id the job's.

The models of the studio are `cinefab/{name}`, and a version's id is `name@version`. A file is an
upload. See `predictions.py` for what a prediction says.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import io
import json
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from cinefab.api.bodies import (
    IdempotencyKey,
    SentBrief,
    checked_key,
    form_with_files,
    limited_body,
    object_in,
)
from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.api.jobs import once_of
from cinefab.api.links import Links
from cinefab.api.one_shot import INPUT, add_input, one_shot
from cinefab.api.predictions import DIALECT, OVER, OWNER, TOLD, prediction_document
from cinefab.api.problems import media_type_refused, too_large
from cinefab.app.service import Ordered, Service
from cinefab.app.serving.uploads import UPLOAD_BYTES_MAX
from cinefab.core.canonical import canonical_json, sha256_of
from cinefab.core.clock import iso_utc
from cinefab.core.errors import RequestInvalid, Unavailable
from cinefab.deliver.webhooks.deliveries import Form
from cinefab.ingest.uploads import OPEN, RECEIVED, REFUSED, Upload
from cinefab.jobs.listing import ListedJob
from cinefab.store.facts import ToldEvent
from cinefab.tenancy.caller import Caller

routes: Final = APIRouter(prefix="/replicate/v1", tags=["predictions (Replicate's dialect)"])

PredictionName = Annotated[str, Path(max_length=64, description="A prediction's id.")]
FileName = Annotated[str, Path(max_length=64, description="A file's id.")]
Owner = Annotated[str, Path(max_length=64, description=f"Whose model it is: `{OWNER}`.")]
ModelName = Annotated[str, Path(max_length=128, description="A model's name.")]
Prefer = Annotated[
    str | None,
    Header(max_length=200, description="`wait`, or `wait=N`: for a minute, or N seconds, at most."),
]

_PAGE: Final = 100
_WAIT_MAX_S: Final = 60
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait(?:\s*=\s*(\d{1,6}))?(?=$|[,;\s])", re.ASCII)
_LOOK_EVERY_S: Final = 1.0
_DATA: Final = re.compile(r"data:([\w.+/-]{0,100})(?:;[\w.+=-]{1,100})*;base64,", re.ASCII)
_PIECE_BYTES: Final = 1 << 20
_FORM_BYTES: Final = 1 << 16
_TAKEN_IN_WITHIN: Final = 600
_TAKEN_IN_EVERY_S: Final = 0.05

_WAITED_FOR: Final = "starting"
"""How a prediction is called that was waited for in vain."""

_SIZE: Final = "1280x720"
_SIZE_PATTERN: Final = r"^[0-9]{2,5}x[0-9]{2,5}$"


class PredictionInput(BaseModel):
    """What is asked for: a prompt and what goes with it, or a whole brief."""

    model_config = ConfigDict(extra="forbid")

    prompt: str | None = Field(None, min_length=1, max_length=2000)
    seconds: float | None = Field(None, gt=0, le=60, description="4 if left out.")
    duration: float | None = Field(None, gt=0, le=60, description="Another word for seconds.")
    size: str | None = Field(
        None, pattern=_SIZE_PATTERN, description=f"Width x height; {_SIZE} if left out."
    )
    width: int | None = Field(None, ge=10, le=99_999)
    height: int | None = Field(None, ge=10, le=99_999)
    seed: int | None = Field(None, ge=0, le=2**53 - 1)
    quality: Literal["preview", "final"] | None = None
    image: str | None = Field(
        None, description="A URL, one of a file that was sent to /files, or a data URI in base 64."
    )
    brief: dict[str, Any] | None = Field(
        None, description="A whole brief, as /v1/jobs takes it, in place of all of the above."
    )


class PredictionOrder(BaseModel):
    """A prediction of the model that the path names."""

    model_config = ConfigDict(extra="forbid")

    input: PredictionInput
    webhook: str | None = Field(None, max_length=2048, description="Told of this prediction.")
    webhook_events_filter: list[Literal["start", "output", "logs", "completed"]] | None = Field(
        None, max_length=4, description="`output` and `completed` if left out."
    )
    webhook_completed: str | None = Field(
        None, max_length=2048, description="Told when this prediction is over."
    )
    stream: bool | None = Field(None, description="Taken, and of no effect: films do not stream.")


class VersionOrder(PredictionOrder):
    """A prediction of a version of a model."""

    version: str = Field(
        max_length=256,
        description="`name@version`, `cinefab/name` or `cinefab/name:name@version`.",
    )


class Prediction(BaseModel):
    """A prediction as Replicate's clients read it."""

    id: str
    object: Literal["prediction"] = "prediction"
    model: str
    version: str
    input: dict[str, Any] = Field(description="The prompt, seconds and size that it came to.")
    output: str | None = Field(description="The film: a link that needs no key and expires.")
    logs: str
    error: str | None
    status: Literal["starting", "processing", "succeeded", "failed", "canceled"]
    created_at: str
    started_at: str | None
    completed_at: str | None
    data_removed: bool
    metrics: dict[str, float]
    urls: dict[str, str]


class PredictionPage(BaseModel):
    """Predictions, newest first; `next` is the address of the next page."""

    previous: None
    next: str | None
    results: list[Prediction]


class ModelVersion(BaseModel):
    """A version of a model, and what may be asked of it."""

    id: str
    created_at: str
    cog_version: str
    openapi_schema: dict[str, Any]


class Model(BaseModel):
    """A model as Replicate's clients read it."""

    url: str
    owner: str
    name: str
    description: str
    visibility: Literal["public"]
    github_url: None
    paper_url: None
    license_url: None
    run_count: int = Field(description="Not counted here: always 0.")
    cover_image_url: None
    default_example: None
    latest_version: ModelVersion


class ModelPage(BaseModel):
    """The models; all of them."""

    previous: None
    next: None
    results: list[Model]


class VersionPage(BaseModel):
    """The versions of a model that may be asked for; all of them."""

    previous: None
    next: None
    results: list[ModelVersion]


class Account(BaseModel):
    """Whose the key is."""

    type: Literal["organization"]
    username: str
    name: str
    github_url: None


class SigningSecret(BaseModel):
    """What signs the messages that predictions' webhooks get."""

    key: str


class File(BaseModel):
    """An upload as Replicate's clients read it."""

    id: str
    name: str
    content_type: str
    size: int
    etag: str
    checksums: dict[str, str]
    metadata: dict[str, Any]
    created_at: str
    expires_at: str | None
    urls: dict[str, str]


class FilePage(BaseModel):
    """Files, newest first; all of them."""

    previous: None
    next: None
    results: list[File]


_Order = TypeVar("_Order", bound=PredictionOrder)

_CREATED: Final[dict[int | str, dict[str, Any]]] = {201: {"model": Prediction}}


def order_components() -> dict[str, Any]:
    """Return the schemas of what is sent, as they stand in the OpenAPI document."""
    found: dict[str, Any] = {}
    for kind in (PredictionOrder, VersionOrder):
        schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
        found |= schema.pop("$defs", {})
        found[kind.__name__] = schema
    found["PredictionInput"]["properties"]["brief"] = {"$ref": "#/components/schemas/Brief"}
    return found


def _body_of(kind: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@routes.post(
    "/models/{owner}/{name}/predictions",
    status_code=201,
    summary="Create a prediction of a model",
    responses=_CREATED,
    openapi_extra=_body_of(PredictionOrder),
    response_class=Response,
)
async def create_model_prediction(
    request: Request,
    asking: Asking,
    service: Serving,
    owner: Owner,
    name: ModelName,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Create a prediction: a film. With `Prefer: wait` the answer comes when it is over.

    If it takes longer it is answered as `starting`, from which clients know to ask again.
    """
    order = _read(PredictionOrder, await _json_of(request))
    model = _model_named(owner, name)
    return await _create(request, asking, service, order, model, prefer, idempotency_key)


@routes.post(
    "/predictions",
    status_code=201,
    summary="Create a prediction of a version",
    responses=_CREATED,
    openapi_extra=_body_of(VersionOrder),
    response_class=Response,
)
async def create_prediction(
    request: Request,
    asking: Asking,
    service: Serving,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Create a prediction of a version of a model, or of the model that a version is given as."""
    order = _read(VersionOrder, await _json_of(request))
    model = _version_named(order.version)
    return await _create(request, asking, service, order, model, prefer, idempotency_key)


@routes.get(
    "/predictions",
    summary="List predictions",
    responses={200: {"model": PredictionPage}},
    response_class=Response,
)
def list_predictions(
    request: Request,
    asking: Asking,
    service: Serving,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """List the tenant's jobs as predictions, newest first, without what their logs say."""
    found = service.list(asking, limit=_PAGE + 1, after=cursor, status=None, label=None)
    shown = found[:_PAGE]
    following = f"{_base(request)}/predictions?cursor={shown[-1].id}" if found[_PAGE:] else None
    results = [_prediction(request, service, asking, job) for job in shown]
    return document_response(request, {"previous": None, "next": following, "results": results})


@routes.get(
    "/predictions/{prediction}",
    summary="Show a prediction",
    responses={200: {"model": Prediction}},
    response_class=Response,
)
def get_prediction(
    request: Request, asking: Asking, service: Serving, prediction: PredictionName
) -> Response:
    """Show how a prediction stands."""
    job = _shown(service, asking, prediction)
    return document_response(request, _whole(request, service, asking, job))


@routes.post(
    "/predictions/{prediction}/cancel",
    summary="Cancel a prediction",
    responses={200: {"model": Prediction}},
    response_class=Response,
)
def cancel_prediction(
    request: Request, asking: Asking, service: Serving, prediction: PredictionName
) -> Response:
    """Stop a prediction; one that is over stays as it is."""
    job = service.cancel(asking, _shown(service, asking, prediction).id)
    return document_response(request, _whole(request, service, asking, job))


@routes.get(
    "/account",
    summary="Show whose a key is",
    responses={200: {"model": Account}},
    response_class=Response,
)
def get_account(request: Request, asking: Asking) -> Response:
    """Show the tenant that a key is of."""
    said = {"type": "organization", "username": asking.tenant, "name": asking.tenant}
    return document_response(request, {**said, "github_url": None})


@routes.get(
    "/webhooks/default/secret",
    summary="Show what signs predictions' webhooks",
    responses={200: {"model": SigningSecret}},
    response_class=Response,
)
def get_default_secret(request: Request, asking: Asking, service: Serving) -> Response:
    """Show the tenant's secret, for those who may manage its webhooks."""
    secret = service.webhooks.default_secret(asking)
    return document_response(request, {"key": secret}, headers={"cache-control": "no-store"})


# Models


@routes.get(
    "/models",
    summary="List the models for predictions",
    responses={200: {"model": ModelPage}},
    response_class=Response,
)
def list_prediction_models(request: Request, asking: Asking, service: Serving) -> Response:
    """List the models that can be asked for."""
    results = [_model(request, row) for row in service.registry.list(asking)]
    return document_response(request, {"previous": None, "next": None, "results": results})


@routes.get(
    "/models/{owner}/{name}",
    summary="Show a model for predictions",
    responses={200: {"model": Model}},
    response_class=Response,
)
def get_prediction_model(
    request: Request, asking: Asking, service: Serving, owner: Owner, name: ModelName
) -> Response:
    """Show a model, and what may be asked of it: `latest_version.openapi_schema`."""
    return document_response(request, _model(request, _row(service, asking, owner, name)))


@routes.get(
    "/models/{owner}/{name}/versions",
    summary="List the versions of a model for predictions",
    responses={200: {"model": VersionPage}},
    response_class=Response,
)
def list_model_versions(
    request: Request, asking: Asking, service: Serving, owner: Owner, name: ModelName
) -> Response:
    """List the versions of a model that can be asked for."""
    results = _versions(_row(service, asking, owner, name))
    return document_response(request, {"previous": None, "next": None, "results": results})


@routes.get(
    "/models/{owner}/{name}/versions/{version}",
    summary="Show a version of a model for predictions",
    responses={200: {"model": ModelVersion}},
    response_class=Response,
)
def get_model_version(
    request: Request,
    asking: Asking,
    service: Serving,
    owner: Owner,
    name: ModelName,
    version: Annotated[str, Path(max_length=200, description="A version's id.")],
) -> Response:
    """Show a version of a model."""
    for each in _versions(_row(service, asking, owner, name)):
        if each["id"] == version:
            return document_response(request, each)
    raise Unavailable(
        attempted=f"find the version {version} of {owner}/{name}",
        found="there is none",
        remedy="List what there is, and give one of those ids.",
    )


# Files


@routes.post(
    "/files",
    status_code=201,
    summary="Send a file",
    responses={201: {"model": File}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["content"],
                        "properties": {
                            "content": {"type": "string", "format": "binary"},
                            "metadata": {"type": "string", "maxLength": _FORM_BYTES},
                        },
                    }
                }
            },
        }
    },
    response_class=Response,
)
async def create_file(
    request: Request, asking: Asking, service: Serving, idempotency_key: IdempotencyKey = None
) -> Response:
    """Send a file for an input; it is answered once it was decoded, or refused if it is no media."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise media_type_refused(kind, "Send multipart/form-data with a file as `content`.")
    key = checked_key(idempotency_key)
    async with request.form(max_files=2, max_fields=4, max_part_size=_FORM_BYTES) as form:
        content = form.get("content")
        if not isinstance(content, UploadFile) or not content.size:
            raise RequestInvalid(
                attempted="read the request",
                field="content",
                found="the form has no such file, or there is nothing in it",
                remedy="Send the file as a part named content.",
            )
        if content.size > UPLOAD_BYTES_MAX:
            raise too_large(f"a file is at most {UPLOAD_BYTES_MAX >> 20} MiB")
        upload = await run_in_threadpool(_take, service, asking, content, key)
    for _ in range(_TAKEN_IN_WITHIN):
        if upload.state not in (OPEN, RECEIVED):
            break
        await asyncio.sleep(_TAKEN_IN_EVERY_S)
        upload = await run_in_threadpool(service.uploads.show, asking, upload.id)
    if upload.state == REFUSED:
        refusal: Any = upload.refusal
        raise RequestInvalid(
            attempted="take the file in",
            field="content",
            found=refusal["found"],
            remedy=refusal["remedy"],
        )
    return document_response(request, _file(request, upload), status=201)


@routes.get(
    "/files", summary="List files", responses={200: {"model": FilePage}}, response_class=Response
)
def list_files(request: Request, asking: Asking, service: Serving) -> Response:
    """List the tenant's uploads as files, newest first."""
    results = [_file(request, each) for each in service.uploads.list(asking)]
    return document_response(request, {"previous": None, "next": None, "results": results})


@routes.get(
    "/files/{file}",
    summary="Show a file",
    responses={200: {"model": File}},
    response_class=Response,
)
def get_file(request: Request, asking: Asking, service: Serving, file: FileName) -> Response:
    """Show a file."""
    return document_response(request, _file(request, service.uploads.show(asking, file)))


@routes.delete("/files/{file}", status_code=204, summary="Remove a file", response_class=Response)
def delete_file(asking: Asking, service: Serving, file: FileName) -> Response:
    """Forget a file that did not become an asset; one that did stays."""
    service.uploads.remove(asking, file)
    return Response(status_code=204)


# What is behind them


async def _json_of(request: Request) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise media_type_refused(kind, "Send application/json.")
    return object_in(await limited_body(request))


def _read(kind: type[_Order], fields: Mapping[str, Any]) -> _Order:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise _refused(".".join(str(part) for part in first["loc"]), first["msg"]) from error


async def _create(
    request: Request,
    asking: Caller,
    service: Service,
    order: PredictionOrder,
    model: str,
    prefer: str | None,
    idempotency_key: str | None,
) -> Response:
    key = checked_key(idempotency_key)
    wait_s = _wait_s(prefer)
    until = asyncio.get_running_loop().time() + (wait_s or 0)
    hooks = _hooks(order)
    for field, url, _ in hooks:
        service.webhooks.check_address(url, field)
    brief, picture = _brief(order.input, model, base=_base(request))
    text = json.dumps(brief)
    async with AsyncExitStack() as stack:
        sent = SentBrief(text=text, files={}, folder=None, digest=sha256_of(text.encode()))
        if picture is not None:
            part = UploadFile(io.BytesIO(picture))
            sent = await stack.enter_async_context(
                form_with_files(text, {INPUT: part}, service.studio.shop.scratch)
            )
        told = [[url, kinds] for _, url, kinds in hooks]
        asked = sha256_of(json.dumps(["predictions", sent.digest, told]).encode())
        ordered = await run_in_threadpool(
            service.create,
            asking,
            text,
            once=once_of(service, key, asked),
            files=sent.files,
            folder=sent.folder,
        )
    job = ordered.job
    if hooks:
        await run_in_threadpool(_tell, request, service, asking, ordered, hooks)
    if wait_s is not None:
        job = await _over(service, asking, job, until)
    document = await run_in_threadpool(_whole, request, service, asking, job)
    if wait_s is not None and not job.is_over:
        # As Replicate answers: clients that asked to wait take any other status for the end.
        document["status"] = _WAITED_FOR
    return document_response(
        request, document, status=201, headers={"location": document["urls"]["get"]}
    )


async def _over(service: Service, caller: Caller, job: ListedJob, until: float) -> ListedJob:
    """Return a job once it is over, or as it stands when the time is up."""
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()

    def wake() -> None:
        # A loop that has closed has nobody left to wake.
        if not loop.is_closed():
            loop.call_soon_threadsafe(woken.set)

    with service.events.listening(caller.tenant, job.id, wake) as listener:
        while True:
            listener.queue.clear()
            job = await run_in_threadpool(service.show, caller, job.id)
            if job.is_over or loop.time() >= until or service.events.is_closed:
                return job
            # Progress between events ends nothing.
            while not any(isinstance(each, ToldEvent) for each in listener.queue):
                listener.queue.clear()
                woken.clear()
                left_s = until - loop.time()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), max(0.0, min(left_s, _LOOK_EVERY_S)))
                if not listener.queue:
                    break


def _wait_s(prefer: str | None) -> int | None:
    found = None if prefer is None else _WAIT.search(prefer)
    if found is None:
        return None
    return _WAIT_MAX_S if found[1] is None else max(1, min(_WAIT_MAX_S, int(found[1])))


def _hooks(order: PredictionOrder) -> list[tuple[str, str, list[str]]]:
    """Return who is to be told: the field that says so, the URL, and the kinds of events."""
    found = []
    if order.webhook is not None:
        wanted = order.webhook_events_filter or ["output", "completed"]
        kinds = dict.fromkeys(kind for each in wanted for kind in TOLD[each])
        found.append(("webhook", order.webhook, list(kinds)))
    if order.webhook_completed is not None and order.webhook_completed != order.webhook:
        found.append(("webhook_completed", order.webhook_completed, list(OVER)))
    return found


def _tell(
    request: Request,
    service: Service,
    caller: Caller,
    ordered: Ordered,
    hooks: list[tuple[str, str, list[str]]],
) -> None:
    form = Form(dialect=DIALECT, base=_base(request), ends_with=OVER)
    for _, url, kinds in hooks:
        service.webhooks.tell_about(caller, ordered.job.id, url=url, events=tuple(kinds), form=form)


def _brief(asked: PredictionInput, model: str, *, base: str) -> tuple[dict[str, Any], bytes | None]:
    """Return the brief that is asked for, and the picture that came within the request."""
    others = asked.model_dump(exclude_none=True, exclude={"brief"})
    if asked.brief is not None:
        if others:
            raise _refused("input", f"there is a brief, and {', '.join(others)} beside it")
        return _with_uploads({"model": model, **asked.brief}, base), None
    if asked.prompt is None:
        raise _refused("input.prompt", "there is neither a prompt nor a brief")
    brief = one_shot(
        asked.prompt,
        seconds=asked.seconds or asked.duration or 4,
        size=_size(asked),
        model=model,
        quality=asked.quality or "final",
        seed=asked.seed or 0,
    )
    if asked.image is None:
        return brief, None
    if asked.image.startswith("data:"):
        add_input(brief, {"file": INPUT})
        return brief, _bytes_in(asked.image)
    add_input(brief, {"file": asked.image})
    return _with_uploads(brief, base), None


def _size(asked: PredictionInput) -> str:
    if (asked.width is None) != (asked.height is None):
        raise _refused("input.width", "a width or a height is alone")
    if asked.width is None:
        return asked.size or _SIZE
    if asked.size is not None:
        raise _refused("input.size", "there are a size, and a width and height, beside each other")
    return f"{asked.width}x{asked.height}"


def _bytes_in(uri: str) -> bytes:
    head = _DATA.match(uri)
    if head is None:
        raise _refused("input.image", "it is no data URI in base 64")
    try:
        return base64.b64decode(uri[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refused("input.image", "what it has is not base 64") from error


def _with_uploads(brief: dict[str, Any], base: str) -> dict[str, Any]:
    """Return a brief in which addresses of files here are the uploads that they are."""
    start = f"{base}/files/"
    references = brief.get("references")
    if not isinstance(references, dict):
        return brief
    found = {}
    for name, each in references.items():
        place = each.get("file") if isinstance(each, dict) else each
        if isinstance(place, str) and place.startswith(start):
            rest = {k: v for k, v in each.items() if k != "file"} if isinstance(each, dict) else {}
            found[name] = {**rest, "upload": place.removeprefix(start)}
        else:
            found[name] = each
    return {**brief, "references": found}


def _refused(field: str, found: str) -> RequestInvalid:
    return RequestInvalid(
        attempted="create a prediction",
        field=field[:200],
        found=found,
        remedy="See what it may be in /docs, or in the model's latest_version.openapi_schema.",
    )


def _model_named(owner: str, name: str) -> str:
    if owner != OWNER:
        raise Unavailable(
            attempted=f"find the model {owner}/{name}",
            found=f"the models here are all {OWNER}'s",
            remedy="See which there are: GET /replicate/v1/models.",
        )
    return name


def _version_named(version: str) -> str:
    owner, slash, rest = version.partition("/")
    if not slash:
        return version
    name, _, of = rest.partition(":")
    return _model_named(owner, of or name)


def _shown(service: Service, asking: Caller, prediction: str) -> ListedJob:
    job = service.show(asking, prediction)
    if job.is_put_away:
        raise Unavailable(
            attempted=f"find the prediction {prediction}",
            found="it was deleted",
            remedy="List what there is, and give one of those ids.",
        )
    return job


def _whole(request: Request, service: Service, caller: Caller, job: ListedJob) -> dict[str, Any]:
    """Return a prediction with what its logs say."""
    events = service.events_since(caller, job.id, 0)
    return _prediction(request, service, caller, job, events)


def _prediction(
    request: Request, service: Service, caller: Caller, job: ListedJob, events: Any = ()
) -> dict[str, Any]:
    links: Links = request.app.state.links
    return prediction_document(
        job,
        base=_base(request),
        tenant=caller.tenant,
        links=links,
        now_us=service.clock.now_us(),
        events=events,
        news=None if job.is_over else service.progress(job.id),
    )


def _base(request: Request) -> str:
    return f"{request.base_url}replicate/v1"


def _row(service: Service, asking: Caller, owner: str, name: str) -> dict[str, Any]:
    wanted = _model_named(owner, name)
    for row in service.registry.list(asking):
        if row["id"] == wanted:
            return row
    raise Unavailable(
        attempted=f"find the model {owner}/{name}",
        found="there is none",
        remedy="See which there are: GET /replicate/v1/models.",
    )


def _model(request: Request, row: Mapping[str, Any]) -> dict[str, Any]:
    missing = ("github_url", "paper_url", "license_url", "cover_image_url", "default_example")
    return {
        "url": f"{_base(request)}/models/{OWNER}/{row['id']}",
        "owner": OWNER,
        "name": row["id"],
        "description": f"{row['task']}: {', '.join(row['capabilities'])}",
        "visibility": "public",
        "run_count": 0,
        **dict.fromkeys(missing),
        "latest_version": _version(row, row["version"]),
    }


def _versions(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    known = [each["version"] for each in row["versions"]] or [row["version"]]
    return [_version(row, each) for each in known]


def _version(row: Mapping[str, Any], version: str) -> dict[str, Any]:
    return {
        "id": f"{row['id']}@{version}",
        "created_at": iso_utc(row["created_us"]),
        "cog_version": "0.9.0",
        "openapi_schema": _INPUT_SCHEMA,
    }


def _input_schema() -> dict[str, Any]:
    schema = PredictionInput.model_json_schema()
    for name, each in schema["properties"].items():
        # Forms that are built from it know one type a field.
        kinds = [kind for kind in each.pop("anyOf", []) if kind.get("type") != "null"]
        if len(kinds) == 1:
            each.update(kinds[0])
        each.pop("default", None)
        each["x-order"] = list(schema["properties"]).index(name)
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cinefab", "version": "1"},
        "paths": {},
        "components": {
            "schemas": {
                "Input": {**schema, "title": "Input"},
                "Output": {"title": "Output", "type": "string", "format": "uri"},
            }
        },
    }


_INPUT_SCHEMA: Final = _input_schema()


def _take(service: Service, caller: Caller, content: UploadFile, key: str | None) -> Upload:
    """Put a file into quarantine, from where it is taken in; sent again it is the same upload."""
    file = content.file
    digest = hashlib.sha256()
    while piece := file.read(_PIECE_BYTES):
        digest.update(piece)
    length = file.tell()
    said = ["files", content.filename or "", content.content_type or "", digest.hexdigest()]
    upload, _ = service.uploads.create(
        caller,
        name=content.filename or "",
        media_type=content.content_type or "",
        length_bytes=length,
        once=once_of(service, key, sha256_of(canonical_json(said))),
    )
    file.seek(upload.offset_bytes)
    while upload.state == OPEN and (piece := file.read(_PIECE_BYTES)):
        kept = service.uploads.put(upload.id, piece)
        upload = service.uploads.append(caller, upload.id, [kept], offset_bytes=upload.offset_bytes)
    return upload


def _file(request: Request, upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "name": upload.name,
        "content_type": upload.media_type or "application/octet-stream",
        "size": upload.length_bytes,
        "etag": upload.asset or upload.id,
        "checksums": {},
        "metadata": {},
        "created_at": iso_utc(upload.created_us),
        "expires_at": iso_utc(upload.expires_us) if upload.state == OPEN else None,
        "urls": {"get": f"{_base(request)}/files/{upload.id}"},
    }

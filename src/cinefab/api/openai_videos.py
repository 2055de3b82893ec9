"""OpenAI's `/v1/videos`, translated: a video is a job of one shot, its id the job's.

queued          waiting
in_progress     running, or waiting for a person
completed       delivered
failed          refused, failed, cancelled or parked
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from cinefab.api.bodies import (
    IdempotencyKey,
    SentBrief,
    checked_key,
    digest_of,
    form_with_files,
    limited_body,
    object_in,
)
from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.api.content import content_response
from cinefab.api.jobs import once_of
from cinefab.api.one_shot import INPUT, add_input, one_shot, percent, said_of, told
from cinefab.api.problems import media_type_refused
from cinefab.app.service import Ordered, Service
from cinefab.core.canonical import Sha256, canonical_json, sha256_of
from cinefab.core.errors import RequestInvalid, Unavailable
from cinefab.jobs.listing import ListedJob
from cinefab.jobs.once import Once
from cinefab.jobs.status import JobStatus
from cinefab.tenancy.caller import Caller

routes: Final = APIRouter(prefix="/v1/videos", tags=["videos (OpenAI's dialect)"])

_POLL_AFTER_MS: Final = "500"
_REMIXED_FROM: Final = "remixed_from"
_CONTINUES: Final = "continues"
_SHOT_MS_MAX: Final = 60_000
_BLOCK_BYTES: Final = 1 << 20

_Model = TypeVar("_Model", bound=BaseModel)

_STATUS: Final[Mapping[JobStatus, str]] = {
    JobStatus.WAITING: "queued",
    JobStatus.RUNNING: "in_progress",
    JobStatus.NEEDS_PERSON: "in_progress",
    JobStatus.DELIVERED: "completed",
    JobStatus.REFUSED: "failed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "failed",
    JobStatus.PARKED: "failed",
}

VideoName = Annotated[str, Path(max_length=64, description="A video's id.")]


class ImageReference(BaseModel):
    """A picture by its address."""

    model_config = ConfigDict(extra="forbid")

    image_url: str = Field(max_length=2048)


class VideoOrder(BaseModel):
    """What is asked for; numbers may be sent as text, as forms do."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1, max_length=2000)
    model: str = Field("procedural", max_length=128)
    seconds: float = Field(4, gt=0, le=600)
    size: str = Field("720x1280", pattern=r"^[0-9]{2,5}x[0-9]{2,5}$")
    seed: int = Field(0, ge=0, le=2**53 - 1)
    quality: Literal["preview", "final"] = "final"
    input_reference: ImageReference | None = None


class Remix(BaseModel):
    """What a video is to show instead."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1, max_length=2000)


class VideoById(BaseModel):
    """A completed video of this studio's."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=64)


class VideoEdit(BaseModel):
    """The video to be edited, and the words that are to be on it."""

    model_config = ConfigDict(extra="forbid")

    video: VideoById
    prompt: str = Field(min_length=1, max_length=2000)


class VideoExtension(BaseModel):
    """The video to be made longer, by how much, and what that shows."""

    model_config = ConfigDict(extra="forbid")

    video: VideoById
    prompt: str = Field(min_length=1, max_length=2000)
    seconds: float = Field(gt=0, le=60, description="How long what comes after it is.")


class Video(BaseModel):
    """A video as OpenAI's clients read it."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: None
    error: dict[str, str] | None
    prompt: str | None
    seconds: str
    size: str
    remixed_from_video_id: str | None


_VIDEO: Final[dict[int | str, dict[str, Any]]] = {200: {"model": Video}}


def _body_of(name: str) -> dict[str, Any]:
    return {
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"$ref": f"#/components/schemas/{name}"}}
                for kind in ("multipart/form-data", "application/json")
            },
        }
    }


BODIES: Final[tuple[type[BaseModel], ...]] = (VideoOrder, VideoEdit, VideoExtension)
"""What bodies hold that are read here, because they may be forms."""


@routes.post(
    "",
    summary="Create a video",
    responses=_VIDEO,
    openapi_extra=_body_of("VideoOrder"),
    response_class=Response,
)
async def create_video(
    request: Request, asking: Asking, service: Serving, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a video of a prompt, and of a picture if one is sent as `input_reference`."""
    key = checked_key(idempotency_key)
    async with AsyncExitStack() as stack:
        sent = await _sent(request, service, stack)
        ordered = await run_in_threadpool(
            service.create,
            asking,
            sent.text,
            once=once_of(service, key, sent.digest),
            files=sent.files,
            folder=sent.folder,
        )
    return _answer(request, service, ordered.job)


@routes.get("", summary="List videos", response_class=Response)
def list_videos(
    request: Request,
    asking: Asking,
    service: Serving,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(max_length=64)] = None,
    order: Literal["asc", "desc"] = "desc",
) -> Response:
    """List videos, the newest first unless told otherwise."""
    found = service.list(
        asking,
        limit=limit + 1,
        after=after,
        status=None,
        label=None,
        oldest_first=order == "asc",
    )
    data = [_document(service, job) for job in found[:limit]]
    document = {
        "object": "list",
        "data": data,
        "has_more": len(found) > limit,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }
    return document_response(request, document)


@routes.get("/{video}", summary="Show a video", responses=_VIDEO, response_class=Response)
def retrieve_video(
    request: Request, asking: Asking, service: Serving, video: VideoName
) -> Response:
    """Show how a video stands; until it has ended, a header says when to ask again."""
    return _answer(request, service, _shown(service, asking, video))


@routes.delete("/{video}", summary="Delete a video", response_class=Response)
def delete_video(request: Request, asking: Asking, service: Serving, video: VideoName) -> Response:
    """Stop a video and show it no more; what it was made from and cost stays on record."""
    job = _shown(service, asking, video)
    service.put_away(asking, job.id)
    return document_response(request, {"id": job.id, "object": "video.deleted", "deleted": True})


@routes.get("/{video}/content", summary="Read a video", response_class=FileResponse)
@routes.head("/{video}/content", include_in_schema=False)
def read_video(
    request: Request,
    asking: Asking,
    service: Serving,
    video: VideoName,
    variant: Literal["video", "thumbnail", "spritesheet"] = "video",
) -> Response:
    """Read a video that is completed, its first picture, or a sheet of a picture for each second."""
    job = _shown(service, asking, video)
    if job.film is None:
        raise Unavailable(
            attempted=f"read {video}",
            found=f"it is {_STATUS[job.status]}",
            remedy="Ask again when it is completed.",
        )
    if variant == "video":
        asset, path = service.content(asking, job.film)
        return content_response(request, asset, path, immutable=False)
    picture = service.sheet if variant == "spritesheet" else service.thumbnail
    return FileResponse(picture(asking, job.film)[1], media_type="image/jpeg")


@routes.post("/{video}/remix", summary="Remix a video", responses=_VIDEO, response_class=Response)
def remix_video(
    request: Request,
    asking: Asking,
    service: Serving,
    video: VideoName,
    order: Remix,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Create another video like one that there is, of another prompt."""
    job = _shown(service, asking, video)
    words = told(order.prompt)
    changes = {
        "title": words["title"],
        "prompt": order.prompt,
        "shots[0].prompt": order.prompt,
        "shots[0].caption": words["caption"],
        f"labels.{_REMIXED_FROM}": job.id,
    }
    asked = sha256_of(canonical_json(["videos.remix", job.id, order.prompt]))
    ordered = service.remix(
        asking,
        job.id,
        changes=[f"{path}={json.dumps(value)}" for path, value in changes.items()],
        shots=(),
        once=once_of(service, checked_key(idempotency_key), asked),
    )
    return _answer(request, service, ordered.job)


@routes.post(
    "/edits",
    summary="Edit a video",
    responses=_VIDEO,
    openapi_extra=_body_of("VideoEdit"),
    response_class=Response,
)
async def edit_video(
    request: Request, asking: Asking, service: Serving, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a video that shows a completed one as it is, with other words on it.

    Its pictures are those of the video, cut anew: no model changes them.
    """
    edit = await _asked(request, service, asking, VideoEdit, "edit a video")
    once = once_of(service, checked_key(idempotency_key), digest_of("videos.edits", edit))
    ordered = await run_in_threadpool(_continued, service, asking, edit.video.id, edit, None, once)
    return _answer(request, service, ordered.job)


@routes.post(
    "/extensions",
    summary="Extend a video",
    responses=_VIDEO,
    openapi_extra=_body_of("VideoExtension"),
    response_class=Response,
)
async def extend_video(
    request: Request, asking: Asking, service: Serving, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a video that shows a completed one, and after a cut a shot of its model's."""
    extension = await _asked(request, service, asking, VideoExtension, "extend a video")
    key = checked_key(idempotency_key)
    once = once_of(service, key, digest_of("videos.extensions", extension))
    ordered = await run_in_threadpool(
        _continued, service, asking, extension.video.id, extension, extension.seconds, once
    )
    return _answer(request, service, ordered.job)


def _continued(
    service: Service,
    asking: Caller,
    video: str,
    order: VideoEdit | VideoExtension,
    more_seconds: float | None,
    once: Once,
) -> Ordered:
    """Order a video that begins with another one: with words on it, or with a shot after it."""
    job = _shown(service, asking, video)
    released = service.released(asking, job.id)
    if released is None:
        raise RequestInvalid(
            attempted=f"continue {video}",
            field="video",
            found=f"it is {_STATUS[job.status]}",
            remedy="Wait until it is completed.",
        )
    # What was released is read by whoever may read it, and so by nobody else.
    service.asset(asking, released.asset)
    words = told(order.prompt)
    length_ms = int(released.frames * 1000 / released.fps)
    shots: list[dict[str, Any]] = [
        {
            "seconds": (until_ms - at_ms) / 1000,
            "clip": {"reference": INPUT, "start": at_ms / 1000},
            "transition": "cut",
            **({"caption": words["caption"]} if more_seconds is None else {}),
        }
        for at_ms, until_ms in _stretches(length_ms)
    ]
    if more_seconds is not None:
        shots.append(
            {
                "seconds": more_seconds,
                "prompt": order.prompt,
                "caption": words["caption"],
                "transition": "cut",
            }
        )
    brief = {
        "title": words["title"],
        "prompt": order.prompt,
        "shots": shots,
        "references": {INPUT: {"asset": released.asset}},
        "output": {"size": job.size, "fps": str(released.fps)},
        "model": job.model.partition("@")[0],
        "labels": {_CONTINUES: job.id},
    }
    return service.create(asking, json.dumps(brief), once=once)


def _stretches(length_ms: int) -> Iterator[tuple[int, int]]:
    """Yield a film in stretches that shots may be as long as, all of about one length."""
    count = -(-length_ms // _SHOT_MS_MAX)
    for number in range(count):
        yield length_ms * number // count, length_ms * (number + 1) // count


def _known_film(service: Service, asking: Caller, file: UploadFile) -> str | None:
    digest = hashlib.sha256()
    while block := file.file.read(_BLOCK_BYTES):
        digest.update(block)
    return service.job_of_film(asking, Sha256(digest.hexdigest()))


async def _asked(
    request: Request, service: Service, asking: Caller, kind: type[_Model], attempted: str
) -> _Model:
    """Return what is asked about a video, as JSON or as a form.

    In a form its id is `video[id]`, or `video` is a film that was delivered here, byte for byte.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return _checked(kind, object_in(await limited_body(request)), attempted)
    if media_type != "multipart/form-data":
        raise media_type_refused(media_type)
    fields: dict[str, Any] = {}
    async with request.form(max_files=1, max_fields=8) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                job = await run_in_threadpool(_known_film, service, asking, value)
                if name != "video" or job is None:
                    raise RequestInvalid(
                        attempted=attempted,
                        field=name[:40],
                        found="it is a file, and no film that this studio delivered to you",
                        remedy="Give a completed video, by its id or its very bytes; or send the "
                        "file to /v1/uploads, and show it as a clip in a brief.",
                    )
                fields["video"] = {"id": job}
            elif name == "video[id]":
                fields["video"] = {"id": value}
            else:
                fields[name] = value
    return _checked(kind, fields, attempted)


async def _sent(request: Request, service: Service, stack: AsyncExitStack) -> SentBrief:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        order = _order(object_in(await limited_body(request)))
        text = json.dumps(_brief(order, _linked(order)))
        return SentBrief(text=text, files={}, folder=None, digest=sha256_of(text.encode()))
    if kind != "multipart/form-data":
        raise media_type_refused(kind)
    form = await stack.enter_async_context(request.form(max_files=1, max_fields=32))
    fields: dict[str, Any] = {}
    file: UploadFile | None = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile) and name == "input_reference":
            file = value
        elif name == "input_reference[image_url]":
            fields["input_reference"] = {"image_url": value}
        else:
            fields[name] = value
    order = _order(fields)
    if file is None:
        text = json.dumps(_brief(order, _linked(order)))
        return SentBrief(text=text, files={}, folder=None, digest=sha256_of(text.encode()))
    text = json.dumps(_brief(order, INPUT))
    return await stack.enter_async_context(
        form_with_files(text, {INPUT: file}, service.studio.shop.scratch)
    )


def _order(fields: Mapping[str, Any]) -> VideoOrder:
    return _checked(VideoOrder, fields, "create a video")


def _checked(kind: type[_Model], fields: Mapping[str, Any], attempted: str) -> _Model:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestInvalid(
            attempted=attempted,
            field=".".join(str(part) for part in first["loc"])[:200],
            found=first["msg"],
            remedy="See what it may be in /docs.",
        ) from error


def _linked(order: VideoOrder) -> str | None:
    return None if order.input_reference is None else order.input_reference.image_url


def _brief(order: VideoOrder, reference: str | None) -> dict[str, Any]:
    brief = one_shot(
        order.prompt,
        seconds=order.seconds,
        size=order.size,
        model=order.model,
        quality=order.quality,
        seed=order.seed,
    )
    if reference is not None:
        add_input(brief, {"file": reference})
    return brief


def _shown(service: Service, asking: Caller, video: str) -> ListedJob:
    job = service.show(asking, video)
    if job.is_put_away:
        raise Unavailable(
            attempted=f"find the video {video}",
            found="it was deleted",
            remedy="List what there is, and give one of those ids.",
        )
    return job


def _answer(request: Request, service: Service, job: ListedJob) -> Response:
    headers = {} if job.is_over else {"openai-poll-after-ms": _POLL_AFTER_MS}
    return document_response(request, _document(service, job), headers=headers)


def _document(service: Service, job: ListedJob) -> dict[str, Any]:
    status = _STATUS[job.status]
    return {
        "id": job.id,
        "object": "video",
        "model": job.model,
        "status": status,
        "progress": percent(job, service.progress(job.id)),
        "created_at": job.created_us // 1_000_000,
        "completed_at": None
        if job.ended_us is None or status != "completed"
        else job.ended_us // 1_000_000,
        "expires_at": None,
        "error": _error(job) if status == "failed" else None,
        "prompt": job.prompt or None,
        "seconds": f"{job.seconds:g}",
        "size": job.size,
        "remixed_from_video_id": job.labels.get(_REMIXED_FROM),
    }


def _error(job: ListedJob) -> dict[str, str]:
    failure: Any = job.failure or {}
    code = failure.get("error", job.status.value)
    return {"code": code, "message": said_of(failure)}

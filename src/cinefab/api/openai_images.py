"""OpenAI's `/v1/images/generations`, translated: pictures are the stills of a job, a shot for each."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from cinefab.api.bodies import IdempotencyKey, checked_key, digest_of
from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.api.jobs import once_of
from cinefab.api.links import Links
from cinefab.api.one_shot import told
from cinefab.api.waiting import Prefer, delivered
from cinefab.app.service import Service
from cinefab.jobs.delivering import STILL
from cinefab.jobs.listing import ListedJob
from cinefab.tenancy.caller import Caller

routes: Final = APIRouter(prefix="/v1/images", tags=["images (OpenAI's dialect)"])

_LINK_S: Final = 3600
_SIZE: Final = "1024x1024"
_SHOT: Final = {"seconds": 1, "transition": "cut"}
_FPS: Final = 12

Format = Literal["png", "jpeg", "webp"]


class ImageOrder(BaseModel):
    """What is asked for. What is marked as without effect may be sent, and changes nothing."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1, max_length=2000)
    model: str | None = Field(None, max_length=128, description="One of /v1/models.")
    n: Annotated[int, Field(ge=1, le=10)] | None = 1
    size: str | None = Field(_SIZE, pattern=r"^(auto|[0-9]{2,5}x[0-9]{2,5})$")
    quality: Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"] | None = (
        Field("auto", description="With low it is made as a preview; the others are one.")
    )
    output_format: Format | None = "png"
    response_format: Literal["b64_json", "url"] | None = "b64_json"
    background: Literal["opaque", "auto"] | None = "auto"
    output_compression: Literal[100] | None = None
    stream: Literal[False] | None = None
    partial_images: Literal[0] | None = None
    moderation: Literal["low", "auto"] | None = Field(None, description="Without effect.")
    style: Literal["vivid", "natural"] | None = Field(None, description="Without effect.")
    user: str | None = Field(None, max_length=512, description="Without effect.")
    safety_identifier: str | None = Field(None, max_length=512, description="Without effect.")
    seed: int = Field(0, ge=0, le=2**53 - 100, description="The first picture's; then on from it.")


class Picture(BaseModel):
    """A picture as OpenAI's clients read it, and the asset that it is."""

    b64_json: str | None = None
    url: str | None = None
    asset: str


class Pictures(BaseModel):
    """What was made, and the job that made it."""

    created: int
    data: list[Picture]
    size: str
    output_format: Format
    quality: Literal["low", "high"]
    background: Literal["opaque"]
    job: str


@routes.post(
    "/generations",
    summary="Make pictures",
    responses={200: {"model": Pictures}},
    response_class=Response,
)
async def make_images(
    request: Request,
    asking: Asking,
    service: Serving,
    order: ImageOrder,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Make pictures of a prompt, and answer with them when they are there.

    They are stills of the film of a job, a shot for each: signed, charged, and in lineage as it is.
    """
    once = once_of(service, checked_key(idempotency_key), digest_of("images", order))
    text = json.dumps(_brief(order))
    ordered = await run_in_threadpool(service.create, asking, text, once=once)
    job = await delivered(service, asking, ordered.job, prefer=prefer, attempted="make pictures")
    return await run_in_threadpool(_answer, request, service, asking, order, job)


def _brief(order: ImageOrder) -> dict[str, Any]:
    words = told(order.prompt)
    shots = [
        {**_SHOT, "prompt": order.prompt, "caption": words["caption"], "seed": order.seed + number}
        for number in range(order.n or 1)
    ]
    size = _SIZE if order.size in (None, "auto") else order.size
    return {
        "title": words["title"],
        "prompt": order.prompt,
        "shots": shots,
        "output": {"size": size, "fps": _FPS, "formats": [order.output_format or "png"]},
        "model": order.model or "procedural",
        "quality": _quality(order),
        "seed": order.seed,
    }


def _quality(order: ImageOrder) -> str:
    return "preview" if order.quality == "low" else "final"


def _answer(
    request: Request, service: Service, asking: Caller, order: ImageOrder, job: ListedJob
) -> Response:
    links: Links = request.app.state.links
    expires = service.clock.now_us() // 1_000_000 + _LINK_S
    data: list[dict[str, Any]] = []
    for asset, path in service.beside(asking, job.id, STILL):
        if order.response_format == "url":
            link = links.sign(asking.tenant, asset.public_id, expires=expires)
            shown = {"url": f"{str(request.base_url).rstrip('/')}{link}"}
        else:
            shown = {"b64_json": base64.b64encode(path.read_bytes()).decode()}
        data.append({**shown, "asset": asset.public_id})
    document = {
        "created": (job.ended_us or job.created_us) // 1_000_000,
        "data": data,
        "size": job.size,
        "output_format": order.output_format or "png",
        "quality": "low" if _quality(order) == "preview" else "high",
        "background": "opaque",
        "job": job.id,
    }
    return document_response(request, document)

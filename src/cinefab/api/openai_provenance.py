"""OpenAI's `/v1/content_provenance_checks`, translated: what the credentials in a file are worth here.

trusted         nothing was altered, and the signer is trusted here
valid           nothing was altered, but the signer is not known here
invalid         something was altered, or cannot be read
not_present     there are none
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from cinefab.api.bodies import limited_body, object_in
from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.api.problems import media_type_refused, too_large
from cinefab.app.service import Service
from cinefab.app.serving.origins import ABSENT, TRUSTED, VALID, Origin
from cinefab.core.errors import RequestInvalid
from cinefab.media.sandbox.outcome import SandboxLimits
from cinefab.tenancy.caller import Caller

routes: Final = APIRouter(
    prefix="/v1/content_provenance_checks", tags=["provenance (OpenAI's dialect)"]
)

_BYTES_MAX: Final = SandboxLimits().payload_bytes


class FoundCredentials(BaseModel):
    """What the content credentials of a file are worth, and what they say.

    `asset` and `job` are those of this studio's records, where it signed the file.
    """

    type: Literal["c2pa"] = "c2pa"
    outcome: Literal["detected", "not_detected"]
    validation_state: Literal["trusted", "valid", "invalid", "not_present"]
    issuer: str | None
    model: str | None
    generated_at: str | None
    asset: str | None
    job: str | None


class ProvenanceCheck(BaseModel):
    """A check as OpenAI's clients read it."""

    object: Literal["content_provenance_check"] = "content_provenance_check"
    created_at: int
    results: list[FoundCredentials]


_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "additionalProperties": False,
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["asset"],
                    "properties": {"asset": {"type": "string", "maxLength": 64}},
                    "additionalProperties": False,
                }
            },
        },
    }
}


@routes.post(
    "",
    summary="Check where a file comes from",
    responses={200: {"model": ProvenanceCheck}},
    openapi_extra=_BODY,
    response_class=Response,
)
async def check_provenance(request: Request, asking: Asking, service: Serving) -> Response:
    """Say what content credentials a file carries, or in JSON an asset; nothing of it is kept."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        named = object_in(await limited_body(request))
        origin = await run_in_threadpool(_of_asset, service, asking, named)
    elif kind == "multipart/form-data":
        async with AsyncExitStack() as stack:
            form = await stack.enter_async_context(request.form(max_files=1, max_fields=0))
            file = form.get("file")
            if not isinstance(file, UploadFile) or (file.size or 0) == 0:
                raise _nothing("file", "the form has no file in it")
            if (file.size or 0) > _BYTES_MAX:
                raise too_large(f"a file to check is at most {_BYTES_MAX >> 20} MiB")
            content = await file.read()
        origin = await run_in_threadpool(service.origins.check, asking, content)
    else:
        raise media_type_refused(kind, "Send multipart/form-data with a file, as /docs says.")
    now_us = service.clock.now_us()
    return document_response(request, _document(origin, now_us // 1_000_000))


def _of_asset(service: Service, asking: Caller, named: dict[str, Any]) -> Origin:
    asset = named.get("asset")
    if not isinstance(asset, str) or len(named) > 1:
        raise _nothing("asset", "it names no asset, or more than that")
    found, path = service.content(asking, asset)
    if found.size_bytes > _BYTES_MAX:
        raise too_large(f"a file to check is at most {_BYTES_MAX >> 20} MiB")
    return service.origins.check(asking, Path(path).read_bytes())


def _document(origin: Origin, created_at: int) -> dict[str, Any]:
    holds = origin.state in (TRUSTED, VALID)
    recorded = origin.recorded if holds else None
    found = {
        "type": "c2pa",
        "outcome": "detected" if holds else "not_detected",
        "validation_state": "not_present" if origin.state == ABSENT else origin.state,
        "issuer": origin.said("issuer"),
        "model": origin.said("model"),
        "generated_at": origin.said("signed_at") or origin.first("action_times"),
        "asset": None if recorded is None else recorded.asset,
        "job": None if recorded is None else recorded.job,
    }
    return {
        "object": "content_provenance_check",
        "created_at": created_at,
        "results": [found],
    }


def _nothing(field: str, found: str) -> RequestInvalid:
    return RequestInvalid(
        attempted="check where a file comes from",
        field=field,
        found=found,
        remedy="Send a form with one part, file; or JSON with the asset's id.",
    )

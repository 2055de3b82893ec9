"""Errors as RFC 9457 documents, which OpenAI's clients read as their own too.

Each class of error has a type, `/errors/` and its name, which is a page that this service shows
and that the documentation has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

import cinefab
from cinefab.api import errors as door
from cinefab.core import errors
from cinefab.core.errors import CinefabError
from cinefab.core.standard_webhooks import MessageForged
from cinefab.ingest.uploads import OffsetRefused
from cinefab.jobs.once import IdempotencyKeyReused
from cinefab.tenancy.openid import ProviderUnavailable

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[Mapping[type[CinefabError], int]] = {
    errors.BriefInvalid: 422,
    errors.BudgetTooSmall: 402,
    errors.QuotaExceeded: 429,
    errors.RequestInvalid: 422,
    errors.NotAuthenticated: 401,
    errors.Forbidden: 403,
    errors.RefusedByReview: 409,
    errors.NothingToDecide: 409,
    errors.MoveRefused: 409,
    errors.Cancelled: 409,
    errors.JobParked: 409,
    errors.ContractMismatch: 502,
    errors.FitsNowhere: 409,
    errors.StorageUnavailable: 503,
    errors.SandboxUnavailable: 503,
    errors.ComputeUnavailable: 503,
    errors.OutOfMemory: 503,
    errors.CircuitOpen: 503,
    errors.StepHung: 503,
    errors.NotWarm: 503,
    errors.WorkerLost: 503,
    ProviderUnavailable: 502,
    errors.Unavailable: 404,
    errors.CredentialsInvalid: 409,
    IdempotencyKeyReused: 422,
    MessageForged: 400,
    OffsetRefused: 409,
    door.TusVersionRefused: 412,
    door.ChecksumRefused: 460,
    door.MalformedRequest: 400,
    door.BodyTooLarge: 413,
    door.MediaTypeRefused: 415,
    door.NoSuchRoute: 404,
    door.MethodRefused: 405,
    door.RangeRefused: 416,
    door.LinkRefused: 403,
    door.NotMade: 422,
    door.StillMaking: 409,
    door.Fault: 500,
}
"""By class, the first that fits in an error's own order: what is unavailable was not found,
unless it is something that the whole studio needs."""

_OPENAI_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class OpenAiError(BaseModel):
    """The same error as OpenAI's clients read it."""

    message: str
    type: str
    param: str | None
    code: str


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it, and for OpenAI's clients under `error`."""

    type: str = Field(description="The page about errors of this kind.")
    title: str
    status: int
    detail: str = Field(description="What was attempted, what was found, and what to do.")
    attempted: str
    found: str
    remedy: str
    field: str | None = Field(None, description="The path to the place that is wrong.")
    error: OpenAiError


def problem_response(error: CinefabError) -> Response:
    """Return an error as the answer to a request."""
    status = status_of(error)
    headers = {"cache-control": "no-store"}
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="cinefab"'
    if isinstance(error, errors.QuotaExceeded) and error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, ceil(error.retry_after_s)))
        headers["retry-after-ms"] = str(max(1, ceil(error.retry_after_s * 1000)))
    if status == 503:
        headers["retry-after"] = "5"
    if isinstance(error, door.StillMaking):
        # OpenAI's clients would order it once more by themselves.
        headers["x-should-retry"] = "false"
    if isinstance(error, OffsetRefused):
        headers["upload-offset"] = str(error.offset)
    if isinstance(error, door.RangeRefused):
        headers["content-range"] = f"bytes */{error.size_bytes}"
    # In ASCII: what is quoted of a request may hold half a character, which UTF-8 has no bytes for.
    body = json.dumps(problem_document(error))
    return Response(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def problem_document(error: CinefabError) -> dict[str, Any]:
    """Return an error as a document."""
    status, kind = status_of(error), type(error)
    field = getattr(error, "field", None)
    policies = getattr(error, "policies", None)
    violated = getattr(error, "violated", None)
    return {
        "type": f"/errors/{slug(kind)}",
        "title": (kind.__doc__ or "").strip().splitlines()[0].partition(";")[0].rstrip("."),
        "status": status,
        "detail": str(error),
        "attempted": error.attempted,
        "found": error.found,
        "remedy": error.remedy,
        **({} if field is None else {"field": field}),
        **({} if policies is None else {"policies": list(policies)}),
        **({} if violated is None else {"violated-policies": list(violated)}),
        "error": {
            "message": str(error),
            "type": _OPENAI_TYPES.get(
                status, "invalid_request_error" if status < 500 else "server_error"
            ),
            "param": field,
            "code": slug(kind).replace("-", "_"),
        },
    }


def status_of(error: CinefabError) -> int:
    """Return the HTTP status of an error."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def slug(kind: type[CinefabError]) -> str:
    """Return the name of an error's page: `brief-invalid`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


def error_page(name: str) -> str | None:
    """Return the text of the page about an error, None if there is none by this name."""
    packaged = Path(cinefab.__file__).parent / "errors"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[3] / "docs" / "errors"
    if not re.fullmatch("[a-z-]{1,64}", name):
        return None
    path = folder / f"{name}.md"
    return path.read_text(encoding="utf-8") if path.is_file() else None


async def answer_cinefab_error(_request: Request, error: Exception) -> Response:
    """Answer an error of ours."""
    assert isinstance(error, CinefabError), "it is registered for those"
    return problem_response(error)


async def answer_invalid(_request: Request, error: Exception) -> Response:
    """Answer what FastAPI found wrong with a request."""
    assert isinstance(error, RequestValidationError), "it is registered for those"
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    if first["type"] in ("json_invalid", "model_attributes_type"):
        return problem_response(malformed(f"the body is no JSON object: {first['msg']}"))
    others = len(error.errors()) - 1
    more = f" (and {others} more)" if others else ""
    return problem_response(
        errors.RequestInvalid(
            attempted="read the request",
            field=place[:200],
            found=f"{first['msg']}{more}",
            remedy="See what it may say in /docs.",
        )
    )


async def answer_http(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: paths that are nowhere, methods, broken forms."""
    assert isinstance(error, HTTPException), "it is registered for those"
    asked = f"{request.method} {request.url.path[:200]}"
    made: CinefabError
    match error.status_code:
        case 404:
            made = door.NoSuchRoute(
                attempted=asked, found="there is nothing here", remedy="See what is in /docs."
            )
        case 405:
            made = door.MethodRefused(
                attempted=asked,
                found=f"{request.method} is not for this path",
                remedy="The header Allow says what is.",
            )
        case 413:
            made = too_large("the form has more in it than is taken")
        case 415:
            made = media_type_refused(request.headers.get("content-type", ""))
        case _:
            made = malformed(str(error.detail))
    response = problem_response(made)
    if error.headers and "allow" in {name.lower() for name in error.headers}:
        response.headers["allow"] = error.headers["Allow"]
    return response


async def answer_unstorable(_request: Request, _error: Exception) -> Response:
    """Answer a value that the database has no place for, such as a text with a zero byte in it."""
    return problem_response(malformed("it has a value that no text or number can be"))


async def answer_fault(_request: Request, _error: Exception) -> Response:
    """Answer a mistake of ours, saying nothing of it."""
    return problem_response(
        door.Fault(
            attempted="answer the request",
            found="a mistake of ours",
            remedy="Try again; what it was is in the service's log.",
        )
    )


def malformed(found: str) -> door.MalformedRequest:
    """Return the error for bytes that cannot be read."""
    return door.MalformedRequest(
        attempted="read the request", found=found[:300], remedy="Send it as its type says."
    )


def too_large(found: str) -> door.BodyTooLarge:
    """Return the error for a body that is more than is taken."""
    return door.BodyTooLarge(
        attempted="read the request",
        found=found,
        remedy="Send less, or name references by URL: those are fetched by the job.",
    )


def media_type_refused(
    given: str,
    remedy: str = "Send application/json, application/yaml or multipart/form-data, as /docs says.",
) -> door.MediaTypeRefused:
    """Return the error for a body of another type."""
    return door.MediaTypeRefused(
        attempted="read the request",
        found=f"its type is {given[:80]!r}",
        remedy=remedy,
    )

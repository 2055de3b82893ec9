"""Answers that a client can hold against what it has: an entity tag of the very bytes."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from cinefab.core.canonical import sha256_of


def document_response(
    request: Request, document: Any, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return a document with its tag, or 304 where the client has it already.

    It may be kept by the client alone, who asks each time whether it still holds.
    """
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    tag = f'"{sha256_of(body)[:32]}"'
    said = {"etag": tag, "cache-control": "private, no-cache", **(headers or {})}
    if request.method in ("GET", "HEAD") and is_known(request, tag):
        return Response(status_code=304, headers=said)
    return Response(body, status_code=status, media_type="application/json", headers=said)


def is_known(request: Request, tag: str) -> bool:
    """Say whether the client said, by If-None-Match, that it has what this tag is of."""
    given = request.headers.get("if-none-match", "")
    tags = {each.strip().removeprefix("W/") for each in given.split(",")}
    return tag in tags or "*" in tags

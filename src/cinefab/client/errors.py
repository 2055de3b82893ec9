"""What a studio answers when something cannot be done, as exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


class StudioUnreachable(Exception):
    """The studio could not be asked, or stopped amid its answer, however often it was tried."""


class ApiError(Exception):
    """The studio's own report (RFC 9457): what was attempted, what was found, and what to do.

    `type` is its kind's stable URL, such as `/errors/brief-invalid`; `field` is the part of the
    brief that is wrong, where one is.
    """

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(document.get("type", "about:blank"))
        self.title = str(document.get("title", ""))
        self.attempted = str(document.get("attempted", ""))
        self.found = str(document.get("found", ""))
        self.remedy = str(document.get("remedy", ""))
        self.field: str | None = document.get("field")
        self.document = dict(document)
        super().__init__(str(document.get("detail") or self.title or f"status {status}"))


def error_of(status: int, content: bytes) -> ApiError:
    """Return what an answer says went wrong; one that is no document of ours is kept as text."""
    try:
        document = httpx.Response(status, content=content).json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {"detail": content[:500].decode("utf-8", "replace").strip()}
    return ApiError(status, document)

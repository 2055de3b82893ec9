"""The audit log: what was done, by whom and when, as it was written and cannot be changed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.api.paging import Limit
from cinefab.app.serving.audit import Wanted
from cinefab.core.clock import iso_utc
from cinefab.core.errors import RequestInvalid
from cinefab.store.facts import StoredLeaf

routes: Final = APIRouter(prefix="/v1/audit", tags=["audit"])

_PLACE_MAX: Final = 2**63 - 1


class LeafDocument(BaseModel):
    """A leaf of the audit log."""

    id: str
    object: str = "audit_leaf"
    kind: str
    subject: str
    at: str
    facts: Any
    hash: str = Field(description="RFC 6962's: SHA-256 of a zero byte and `body`.")
    body: str = Field(description="The leaf's own bytes, as they were hashed.")


class LeafPage(BaseModel):
    """Leaves, newest first."""

    object: str = "list"
    data: list[LeafDocument]
    has_more: bool
    next: str | None


@routes.get(
    "",
    summary="Read the audit log",
    responses={200: {"model": LeafPage}},
    response_class=Response,
)
def list_leaves(
    request: Request,
    asking: Asking,
    service: Serving,
    limit: Limit = 20,
    after: Annotated[
        str | None, Query(max_length=20, description="The last page's `next`.")
    ] = None,
    kind: Annotated[str | None, Query(max_length=64, examples=["key.created"])] = None,
    subject: Annotated[str | None, Query(max_length=64, description="What it is about.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="From this moment on.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this moment.")] = None,
) -> Response:
    """Read the tenant's leaves, newest first, those of a kind, a subject or a time alone."""
    wanted = Wanted(kind=kind, subject=subject, since_us=_us(since), until_us=_us(until))
    found = service.audit.page(asking, wanted, limit=limit + 1, before=_place(after))
    shown, has_more = found[:limit], len(found) > limit
    page = {
        "object": "list",
        "data": [_document(each) for each in shown],
        "has_more": has_more,
        "next": str(shown[-1].id) if has_more else None,
    }
    return document_response(request, page)


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1_000_000)


def _place(after: str | None) -> int | None:
    if after is None:
        return None
    if not (after.isascii() and after.isdigit() and int(after) <= _PLACE_MAX):
        raise RequestInvalid(
            attempted="read the audit log",
            field="after",
            found=f"{after[:24]!r}",
            remedy="Give the `next` of the last page.",
        )
    return int(after)


def _document(leaf: StoredLeaf) -> dict[str, Any]:
    return {
        "id": str(leaf.id),
        "object": "audit_leaf",
        "kind": leaf.kind,
        "subject": leaf.subject,
        "at": iso_utc(leaf.at_us),
        "facts": leaf.facts,
        "hash": leaf.hash,
        "body": leaf.body,
    }

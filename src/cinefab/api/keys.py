"""API keys: made and shown once, listed, rotated and revoked."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cinefab.api.bodies import IdempotencyKey, checked_key, digest_of
from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.api.jobs import once_of
from cinefab.api.paging import After, Limit, page_of
from cinefab.app.service import Service
from cinefab.app.serving.keys import KeyOrder, Shown
from cinefab.core.clock import iso_utc
from cinefab.tenancy.keys import Key, state_of
from cinefab.tenancy.roles import Action, Role

routes: Final = APIRouter(prefix="/v1/keys", tags=["keys"])

KeyName = Annotated[str, Path(max_length=64, description="A key's id: cfk_…")]

_NOT_AGAIN: Final = {"cache-control": "no-store"}
_YEARS_MAX: Final = 10


class KeyIn(BaseModel):
    """What a key is to be."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200, description="What it is for.", examples=["press"])
    principal: str | None = Field(
        None, max_length=64, description="As whom it acts; left out, as a new service."
    )
    roles: list[Role] = Field(
        default_factory=lambda: [Role.SERVICE], max_length=6, description="Of the new service."
    )
    scopes: list[Action] | None = Field(
        None, max_length=32, description="What it may be used for at most; left out, anything."
    )
    labels: dict[str, str] = Field(
        default_factory=dict, max_length=16, description="They go onto what it orders."
    )
    seconds: int | None = Field(
        None, ge=1, le=_YEARS_MAX * 366 * 86400, description="How long it lasts; left out, always."
    )


class RotationIn(BaseModel):
    """How a key gives way to another one."""

    model_config = ConfigDict(extra="forbid")

    overlap_seconds: int = Field(86400, ge=0, le=366 * 86400, description="How long it goes on.")


class KeyDocument(BaseModel):
    """A key; its secret is shown when it is made, and never again."""

    id: str
    object: str = "key"
    name: str
    principal: str
    state: str
    scopes: list[Action] | None
    labels: dict[str, str]
    created: str
    expires: str | None
    revoked: str | None
    used: str | None = Field(description="Right to the hour.")
    rotated_from: str | None
    secret: str | None = Field(None, description="Shown once, to whoever made the key.")


class KeyPage(BaseModel):
    """Keys, newest first."""

    object: str = "list"
    data: list[KeyDocument]
    has_more: bool
    next: str | None


@routes.post(
    "",
    status_code=201,
    summary="Make a key",
    responses={
        201: {"model": KeyDocument},
        200: {"model": KeyDocument, "description": "It was there; its secret is not shown again."},
    },
    response_class=Response,
)
def create_key(
    request: Request,
    asking: Asking,
    service: Serving,
    order: KeyIn,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a key, for no more than you may yourself. Its secret is in the answer, this once."""
    made = service.keys.create(
        asking,
        KeyOrder(
            name=order.name,
            principal=order.principal,
            roles=frozenset(order.roles),
            scopes=None if order.scopes is None else frozenset(order.scopes),
            labels=order.labels,
            lasts_us=None if order.seconds is None else order.seconds * 1_000_000,
        ),
        once=once_of(service, checked_key(idempotency_key), digest_of("key", order)),
    )
    return _shown(request, service, made)


@routes.get("", summary="List keys", responses={200: {"model": KeyPage}}, response_class=Response)
def list_keys(
    request: Request, asking: Asking, service: Serving, limit: Limit = 20, after: After = None
) -> Response:
    """List the tenant's keys, those that are over too, newest first."""
    page = page_of(
        service.keys.list(asking),
        limit=limit,
        after=after,
        name=lambda key: key.id,
        document=lambda key: _document(service, key),
    )
    return document_response(request, page)


@routes.get(
    "/{key}", summary="Show a key", responses={200: {"model": KeyDocument}}, response_class=Response
)
def show_key(request: Request, asking: Asking, service: Serving, key: KeyName) -> Response:
    """Show what a key is for, until when, and when it was last used."""
    return document_response(request, _document(service, service.keys.show(asking, key)))


@routes.post(
    "/{key}/rotate",
    status_code=201,
    summary="Make a key like another one",
    responses={
        201: {"model": KeyDocument},
        200: {"model": KeyDocument, "description": "It was there; its secret is not shown again."},
    },
    response_class=Response,
)
def rotate_key(
    request: Request,
    asking: Asking,
    service: Serving,
    key: KeyName,
    order: RotationIn,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a key like this one, which ends after the overlap."""
    made = service.keys.rotate(
        asking,
        key,
        overlap_us=order.overlap_seconds * 1_000_000,
        once=once_of(service, checked_key(idempotency_key), digest_of(f"rotate {key}", order)),
    )
    return _shown(request, service, made)


@routes.post(
    "/{key}/revoke",
    summary="Revoke a key",
    responses={200: {"model": KeyDocument}},
    response_class=Response,
)
def revoke_key(request: Request, asking: Asking, service: Serving, key: KeyName) -> Response:
    """End a key at once; twice is as once."""
    return document_response(request, _document(service, service.keys.revoke(asking, key)))


def _shown(request: Request, service: Service, made: Shown) -> Response:
    return document_response(
        request,
        {**_document(service, made.key), "secret": made.secret},
        status=200 if made.before else 201,
        headers={"location": f"/v1/keys/{made.key.id}", **_NOT_AGAIN},
    )


def _document(service: Service, key: Key) -> dict[str, Any]:
    def moment(us: int | None) -> str | None:
        return None if us is None else iso_utc(us)

    return {
        "id": key.id,
        "object": "key",
        "name": key.name,
        "principal": key.principal,
        "state": state_of(key, now_us=service.clock.now_us()),
        "scopes": None if key.scopes is None else sorted(key.scopes),
        "labels": dict(key.labels),
        "created": iso_utc(key.created_us),
        "expires": moment(key.expires_us),
        "revoked": moment(key.revoked_us),
        "used": moment(key.used_us),
        "rotated_from": key.rotated_from,
        "secret": None,
    }

"""Principals: the people and programs that act for a tenant, and what each is."""

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
from cinefab.core.canonical import sha256_of
from cinefab.core.clock import iso_utc
from cinefab.tenancy.caller import Kind
from cinefab.tenancy.principals import Principal
from cinefab.tenancy.roles import Role

routes: Final = APIRouter(prefix="/v1/principals", tags=["principals"])

PrincipalName = Annotated[str, Path(max_length=64, description="A principal's id: prn_…")]


class PrincipalIn(BaseModel):
    """Who is to act for the tenant."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    name: str = Field(max_length=200, examples=["Ada"])
    roles: list[Role] = Field(default_factory=list, max_length=6)


class PrincipalDocument(BaseModel):
    """Who acts for the tenant, and as what."""

    id: str
    object: str = "principal"
    kind: Kind
    name: str
    roles: list[Role]
    created: str


class InvitationDocument(BaseModel):
    """A link for a person, shown once."""

    id: str
    object: str = "invitation"
    principal: str
    expires: str
    url: str | None


class PrincipalPage(BaseModel):
    """Principals, newest first."""

    object: str = "list"
    data: list[PrincipalDocument]
    has_more: bool
    next: str | None


@routes.post(
    "",
    status_code=201,
    summary="Add a principal",
    responses={
        201: {"model": PrincipalDocument},
        200: {"model": PrincipalDocument, "description": "It was there."},
    },
    response_class=Response,
)
def create_principal(
    request: Request,
    asking: Asking,
    service: Serving,
    order: PrincipalIn,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Add a person or a service, with roles that you have yourself; an owner may give any."""
    made = service.people.create(
        asking,
        kind=order.kind,
        name=order.name,
        roles=frozenset(order.roles),
        once=once_of(service, checked_key(idempotency_key), digest_of("principal", order)),
    )
    return document_response(
        request,
        _document(made.principal),
        status=200 if made.before else 201,
        headers={"location": f"/v1/principals/{made.principal.id}"},
    )


@routes.get(
    "",
    summary="List principals",
    responses={200: {"model": PrincipalPage}},
    response_class=Response,
)
def list_principals(
    request: Request, asking: Asking, service: Serving, limit: Limit = 20, after: After = None
) -> Response:
    """List who acts for the tenant, newest first."""
    page = page_of(
        service.people.list(asking),
        limit=limit,
        after=after,
        name=lambda each: each.id,
        document=_document,
    )
    return document_response(request, page)


@routes.get(
    "/{principal}",
    summary="Show a principal",
    responses={200: {"model": PrincipalDocument}},
    response_class=Response,
)
def show_principal(
    request: Request, asking: Asking, service: Serving, principal: PrincipalName
) -> Response:
    """Show who a principal is."""
    return document_response(request, _document(service.people.show(asking, principal)))


@routes.put(
    "/{principal}/roles/{role}",
    summary="Give a role",
    responses={200: {"model": PrincipalDocument}},
    response_class=Response,
)
def give_role(
    request: Request, asking: Asking, service: Serving, principal: PrincipalName, role: Role
) -> Response:
    """Give a role; twice is as once."""
    return document_response(request, _document(service.people.give(asking, principal, role)))


@routes.delete(
    "/{principal}/roles/{role}",
    summary="Take a role",
    responses={200: {"model": PrincipalDocument}},
    response_class=Response,
)
def take_role(
    request: Request, asking: Asking, service: Serving, principal: PrincipalName, role: Role
) -> Response:
    """Take a role; the last owner of a tenant stays one."""
    return document_response(request, _document(service.people.take(asking, principal, role)))


@routes.post(
    "/{principal}/invitations",
    status_code=201,
    summary="Invite a person",
    responses={
        201: {"model": InvitationDocument},
        200: {"model": InvitationDocument, "description": "It was there; it is not shown again."},
    },
    response_class=Response,
)
def invite(
    request: Request,
    asking: Asking,
    service: Serving,
    principal: PrincipalName,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a link that signs the person in, once; those that they had not used end."""
    asked = sha256_of(f"invite {principal}".encode())
    made = service.entrance.invite(
        asking, principal, once=once_of(service, checked_key(idempotency_key), asked)
    )
    document = {
        "id": made.id,
        "object": "invitation",
        "principal": made.principal,
        "expires": iso_utc(made.expires_us),
        "url": None if made.secret is None else f"/sign-in?link={made.secret}",
    }
    return document_response(
        request,
        document,
        status=200 if made.before else 201,
        headers={"cache-control": "no-store"},
    )


def _document(principal: Principal) -> dict[str, Any]:
    return {
        "id": principal.id,
        "object": "principal",
        "kind": principal.kind,
        "name": principal.name,
        "roles": sorted(principal.roles),
        "created": iso_utc(principal.created_us),
    }

"""Tenants: one's own, with its quota and budgets; every one for whoever runs the studio."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cinefab.api.bodies import IdempotencyKey, checked_key, digest_of
from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.api.jobs import once_of
from cinefab.api.paging import After, Limit, page_of
from cinefab.app.serving.tenants import House
from cinefab.core.clock import iso_utc
from cinefab.core.errors import RequestInvalid
from cinefab.core.units import Uusd
from cinefab.economics.budgets import Period, Scope
from cinefab.tenancy.principals import Tenant
from cinefab.tenancy.quotas import Quota

routes: Final = APIRouter(prefix="/v1/tenants", tags=["tenants"])

TenantName = Annotated[str, Path(max_length=64, description="A tenant's id: ten_…")]

_COUNT_MAX: Final = 2**31 - 1
_LARGE_MAX: Final = 2**53 - 1


class TenantIn(BaseModel):
    """For whom the studio is to work."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200, examples=["North"])


class QuotaDocument(BaseModel):
    """How much a tenant may have at once; null is as the studio's settings say."""

    model_config = ConfigDict(extra="forbid")

    jobs_in_flight: int | None = Field(None, ge=0, le=_COUNT_MAX)
    requests_per_minute: int | None = Field(None, ge=1, le=_COUNT_MAX)
    upload_bytes: int | None = Field(None, ge=0, le=_LARGE_MAX)


class BudgetIn(BaseModel):
    """The most that may be reserved and spent."""

    model_config = ConfigDict(extra="forbid")

    scope: Scope
    subject: str = Field(
        "", max_length=200, description="A key's id, or a label as name=value; of a tenant nothing."
    )
    period: Period = Period.TOTAL
    limit_uusd: int | None = Field(ge=0, le=_LARGE_MAX, description="Null lifts the budget.")


class BudgetDocument(BaseModel):
    """A budget as it stands."""

    scope: Scope
    subject: str
    period: Period
    limit_uusd: int
    used_uusd: int
    left_uusd: int


class TenantDocument(BaseModel):
    """Who owns jobs, assets and money, what it may have at once and what it may spend."""

    id: str
    object: str = "tenant"
    name: str
    created: str
    quota: QuotaDocument
    budgets: list[BudgetDocument]


class TenantLine(BaseModel):
    """A tenant, as lists show it."""

    id: str
    object: str = "tenant"
    name: str
    created: str


class TenantPage(BaseModel):
    """Tenants, newest first."""

    object: str = "list"
    data: list[TenantLine]
    has_more: bool
    next: str | None


@routes.post(
    "",
    status_code=201,
    summary="Have the studio work for another tenant",
    responses={
        201: {"model": TenantDocument},
        200: {"model": TenantDocument, "description": "It was there."},
    },
    response_class=Response,
)
def create_tenant(
    request: Request,
    asking: Asking,
    service: Serving,
    order: TenantIn,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Have the studio work for another tenant: for whoever runs the studio."""
    made = service.tenants.create(
        asking,
        name=order.name,
        once=once_of(service, checked_key(idempotency_key), digest_of("tenant", order)),
    )
    return document_response(
        request,
        _document(made),
        status=200 if made.before else 201,
        headers={"location": f"/v1/tenants/{made.tenant.id}"},
    )


@routes.get(
    "", summary="List tenants", responses={200: {"model": TenantPage}}, response_class=Response
)
def list_tenants(
    request: Request, asking: Asking, service: Serving, limit: Limit = 20, after: After = None
) -> Response:
    """List one's own tenant, or every one for whoever runs the studio."""
    page = page_of(
        service.tenants.list(asking),
        limit=limit,
        after=after,
        name=lambda each: each.id,
        document=_line,
    )
    return document_response(request, page)


@routes.get(
    "/{tenant}",
    summary="Show a tenant",
    responses={200: {"model": TenantDocument}},
    response_class=Response,
)
def show_tenant(request: Request, asking: Asking, service: Serving, tenant: TenantName) -> Response:
    """Show a tenant, the quota in force and its budgets."""
    return document_response(request, _document(service.tenants.show(asking, tenant)))


@routes.put(
    "/{tenant}/quota",
    summary="Give a tenant a quota of its own",
    responses={200: {"model": TenantDocument}},
    response_class=Response,
)
def set_quota(
    request: Request, asking: Asking, service: Serving, tenant: TenantName, quota: QuotaDocument
) -> Response:
    """Give a tenant a quota of its own: for whoever runs the studio."""
    own = Quota(**quota.model_dump())
    return document_response(request, _document(service.tenants.set_quota(asking, tenant, own)))


@routes.put(
    "/{tenant}/budgets",
    summary="Set or lift a budget",
    responses={200: {"model": TenantDocument}},
    response_class=Response,
)
def set_budget(
    request: Request, asking: Asking, service: Serving, tenant: TenantName, order: BudgetIn
) -> Response:
    """Bound what a key or a label spends; what a whole tenant does, whoever runs the studio."""
    if (order.scope is Scope.TENANT) != (not order.subject):
        raise _subject_wrong("is of a tenant, which has none, or of something that must be named")
    name, equals, value = order.subject.partition("=")
    if order.scope is Scope.LABEL and not (name and equals and value and "=" not in value):
        raise _subject_wrong(f"{order.subject[:40]!r} is no label")
    found = service.tenants.set_budget(
        asking,
        tenant,
        scope=order.scope,
        subject=order.subject,
        period=order.period,
        limit=None if order.limit_uusd is None else Uusd(order.limit_uusd),
    )
    return document_response(request, _document(found))


def _subject_wrong(found: str) -> RequestInvalid:
    return RequestInvalid(
        attempted="set a budget",
        field="subject",
        found=found,
        remedy="Name a key by its id, a label as name=value, and of a tenant nothing.",
    )


def _line(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "object": "tenant",
        "name": tenant.name,
        "created": iso_utc(tenant.created_us),
    }


def _document(house: House) -> dict[str, Any]:
    return {
        **_line(house.tenant),
        "quota": asdict(house.quota),
        "budgets": [each.as_dict() for each in house.budgets],
    }

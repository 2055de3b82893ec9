"""Templates: briefs with typed gaps that a tenant keeps, by name and version."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from cinefab.api.bodies import IdempotencyKey, checked_key, sent_document
from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.api.jobs import components_of, once_of
from cinefab.api.paging import After, Limit, page_of
from cinefab.core.clock import iso_utc
from cinefab.ingest.template_schema import template_schema
from cinefab.jobs.templates import StoredTemplate

routes: Final = APIRouter(prefix="/v1/templates", tags=["templates"])

TemplateName = Annotated[str, Path(max_length=64, description="A template's id: tpl_…")]


class TemplateLine(BaseModel):
    """A template, as lists show it."""

    id: str
    object: str = "template"
    name: str
    version: int
    by: str
    created: str


class TemplateDocument(TemplateLine):
    """A template with its text, as it was sent."""

    text: str


class TemplatePage(BaseModel):
    """Templates, newest first."""

    object: str = "list"
    data: list[TemplateLine]
    has_more: bool
    next: str | None


@routes.post(
    "",
    status_code=201,
    summary="Store a template",
    responses={
        201: {"model": TemplateDocument},
        200: {"model": TemplateDocument, "description": "It was there."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Template"}}},
        }
    },
    response_class=Response,
)
async def store_template(
    request: Request, asking: Asking, service: Serving, idempotency_key: IdempotencyKey = None
) -> Response:
    """Store a template, as JSON or YAML; under its name and version it is never another text."""
    key = checked_key(idempotency_key)
    text, digest = await sent_document(request)
    kept = await run_in_threadpool(
        service.templates.store, asking, text, once=once_of(service, key, f"template {digest}")
    )
    return document_response(
        request,
        _document(kept.template),
        status=200 if kept.before else 201,
        headers={"location": f"/v1/templates/{kept.template.id}"},
    )


@routes.get(
    "",
    summary="List templates",
    responses={200: {"model": TemplatePage}},
    response_class=Response,
)
def list_templates(
    request: Request, asking: Asking, service: Serving, limit: Limit = 20, after: After = None
) -> Response:
    """List the tenant's templates, newest first, each version of them."""
    page = page_of(
        service.templates.list(asking),
        limit=limit,
        after=after,
        name=lambda each: each.id,
        document=_line,
    )
    return document_response(request, page)


@routes.get(
    "/{template}",
    summary="Show a template",
    responses={200: {"model": TemplateDocument}},
    response_class=Response,
)
def show_template(
    request: Request, asking: Asking, service: Serving, template: TemplateName
) -> Response:
    """Show a template with its text."""
    return document_response(request, _document(service.templates.show(asking, template)))


def template_components() -> dict[str, Any]:
    """Return a template's schema and its parts as they stand in an OpenAPI document."""
    return components_of("Template", template_schema())


def _line(template: StoredTemplate) -> dict[str, Any]:
    return {
        "id": template.id,
        "object": "template",
        "name": template.name,
        "version": template.version,
        "by": template.principal,
        "created": iso_utc(template.created_us),
    }


def _document(template: StoredTemplate) -> dict[str, Any]:
    return {**_line(template), "text": template.text}

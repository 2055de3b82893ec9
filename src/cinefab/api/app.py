"""The HTTP application: routes over one service, errors as documents, and what describes them."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

import cinefab
from cinefab.api import (
    assets,
    audit,
    events,
    jobs,
    keys,
    metrics,
    models,
    openai_images,
    openai_provenance,
    openai_speech,
    openai_videos,
    openid,
    principals,
    replicate,
    reviews,
    sign_in,
    studio,
    templates,
    tenants,
    uploads,
    webhooks,
)
from cinefab.api.links import Links
from cinefab.api.outermost import Outermost
from cinefab.api.pace import Throttle
from cinefab.api.problems import (
    MEDIA_TYPE,
    Problem,
    answer_cinefab_error,
    answer_fault,
    answer_http,
    answer_invalid,
    answer_unstorable,
)
from cinefab.app.service import Service
from cinefab.core.clock import SystemClock
from cinefab.core.errors import CinefabError

_DESCRIPTION: Final = (
    "Films made on demand: on time, signed, and costed. Errors are RFC 9457 documents; creates "
    "take an Idempotency-Key; what lists gives `next`, to be sent as `after`."
)

_ROUTES: Final = (
    jobs,
    events,
    assets,
    reviews,
    templates,
    keys,
    principals,
    sign_in,
    openid,
    tenants,
    audit,
    webhooks,
    uploads,
    studio,
    metrics,
    models,
    openai_videos,
    openai_images,
    openai_speech,
    openai_provenance,
    replicate,
)

_PROBLEM: Final = {
    "description": "What went wrong, and what to do.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def build_app(service: Service, *, loopback: bool) -> ASGIApp:
    """Return the application; `loopback` says that nobody beyond this machine can ask it."""
    app = FastAPI(
        title="Cinefab",
        version=cinefab.__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.service = service
    app.state.loopback = loopback
    app.state.links = Links(service.settings.home, secrets_key=service.settings.secrets_key)
    for each in _ROUTES:
        app.include_router(each.routes)
    app.add_exception_handler(CinefabError, answer_cinefab_error)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.add_exception_handler(HTTPException, answer_http)
    app.add_exception_handler(DataError, answer_unstorable)
    app.add_exception_handler(Exception, answer_fault)
    _describe(app)
    throttled = Throttle(app, pacing=service.pacing)
    return Outermost(throttled, clock=SystemClock(), meters=service.meters)


def _operation_id(route: APIRoute) -> str:
    return route.name


def _describe(app: FastAPI) -> None:
    """Put into the OpenAPI document what FastAPI cannot know: the brief, and errors as they are."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = generated()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas |= jobs.brief_components()
        schemas |= templates.template_components()
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs", {})
        schemas["Problem"] = problem
        for body in openai_videos.BODIES:
            schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {})
            schemas[body.__name__] = schema
        schemas |= replicate.order_components()
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}, {}]
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["responses"].pop("422", None)
                if path.startswith(("/v1/", "/replicate/")):
                    operation["responses"]["default"] = _PROBLEM
        return document

    # FastAPI's own way to extend the document is to put another function in its place.
    app.openapi = openapi  # type: ignore[method-assign]

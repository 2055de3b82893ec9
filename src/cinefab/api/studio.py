"""The studio itself: its models, its books, whether it works, and the pages about all of this."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.api.errors import NoSuchRoute
from cinefab.api.problems import error_page

routes: Final = APIRouter()

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;"
    "color:#1b1b1f;background:#fff}summary{cursor:pointer;padding:.4rem 0}code,pre{font-size:.9em}"
    "pre{overflow:auto;background:#f4f4f6;padding:1rem;border-radius:6px}b{display:inline-block;"
    "min-width:4rem;color:#4338ca}@media(prefers-color-scheme:dark){body{color:#e8e8ec;"
    "background:#16161a}pre{background:#232329}b{color:#a5b4fc}}"
)


@routes.get("/v1/ledger", tags=["ledger"], summary="Show the books")
def show_ledger(request: Request, asking: Asking, service: Serving) -> Response:
    """Show what was spent and reserved, where device time went, and what each job cost."""
    return document_response(request, service.ledger(asking))


@routes.get("/v1/ledger/check", tags=["ledger"], summary="Prove that the books balance")
def check_ledger(request: Request, asking: Asking, service: Serving) -> Response:
    """Prove that the books balance, from the journal alone."""
    return document_response(request, service.check_ledger(asking))


@routes.get("/v1/ledger/budgets", tags=["ledger"], summary="Show the budgets")
def list_budgets(request: Request, asking: Asking, service: Serving) -> Response:
    """Show each budget of the tenant, what of it is spent or reserved, and what is left."""
    found = [each.as_dict() for each in service.tenants.budgets(asking)]
    return document_response(request, {"object": "list", "data": found, "has_more": False})


@routes.get("/healthz", tags=["operations"], summary="Say that the process answers")
async def healthz() -> Response:
    """Say that the process answers; it asks nothing else."""
    return JSONResponse({"status": "ok"}, headers={"cache-control": "no-store"})


@routes.get(
    "/readyz",
    tags=["operations"],
    summary="Say whether work can be done",
    responses={503: {"description": "Something that work needs is not there."}},
)
def readyz(service: Serving) -> Response:
    """Say whether jobs can be created and made now, and what is missing if not."""
    found = service.ready()
    good = all(found[name] == "ok" for name in ("worker", "database"))
    return JSONResponse(
        {"status": "ok" if good else "unavailable", **found},
        status_code=200 if good else 503,
        headers={"cache-control": "no-store"},
    )


@routes.get("/errors/{name}", include_in_schema=False)
def show_error(name: Annotated[str, Path(max_length=64)]) -> Response:
    """Show the page about a kind of error."""
    text = error_page(name)
    if text is None:
        raise NoSuchRoute(
            attempted=f"read about the error {name!r}",
            found="there is no error by this name",
            remedy="Follow the `type` of an error's document.",
        )
    return PlainTextResponse(text, media_type="text/markdown; charset=utf-8")


@routes.get("/docs", include_in_schema=False)
def show_docs(request: Request) -> Response:
    """Show what can be asked, on a page that loads nothing from anywhere."""
    document = request.app.openapi()
    rows = [
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Cinefab API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(document['info']['title'])}</h1><p>{escape(document['info']['description'])}"
        f'</p><p>The same for programs: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{''.join(rows)}</html>"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return HTMLResponse(page, headers={"content-security-policy": policy})


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    asked = "".join(
        f"<li><code>{escape(each['name'])}</code> ({escape(each['in'])}"
        f"{', required' if each.get('required') else ''})"
        f" {escape(str(each.get('description', '')))}</li>"
        for each in operation.get("parameters", ())
    )
    kinds = ", ".join(operation.get("requestBody", {}).get("content", ()))
    answers = ", ".join(operation["responses"])
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> "
        f"{escape(operation.get('summary', ''))}</summary>"
        f"<p>{escape(operation.get('description', ''))}</p><ul>{asked}</ul>"
        f"{f'<p>Body: {escape(kinds)}</p>' if kinds else ''}<p>Answers: {escape(answers)}</p>"
        "</details>"
    )

"""Signing in with a browser: by a link, once; who is signed in, where, and out again.

Opening a link shows a page and uses nothing up: what looks at links before people do must not spend
them. The button on it does.
"""

from __future__ import annotations

from html import escape
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from cinefab.api.bodies import limited_body
from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving, service_of
from cinefab.api.cookies import (
    check_changes,
    check_channel,
    check_page,
    drop_cookie,
    secret_in,
    set_cookie,
)
from cinefab.api.problems import malformed, status_of
from cinefab.app.service import Service
from cinefab.core.clock import iso_utc
from cinefab.core.errors import CinefabError, NotAuthenticated
from cinefab.tenancy.principals import Principal
from cinefab.tenancy.roles import Role
from cinefab.tenancy.sign_ins import LASTS_US, OpenSignIn, SignIn

routes: Final = APIRouter()

SignInName = Annotated[
    str, Path(max_length=64, description="A sign-in's id, cfs_…, or `current` for one's own.")
]

_CURRENT: Final = "current"
HEADERS: Final = {
    "cache-control": "no-store",
    # Of a form on a page without any, browsers would say that it is from nowhere.
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:15vh auto;max-width:26rem;padding:0 1rem;"
    "color:#1b1b1f;background:#fff}input,button,a.button{font:inherit;width:100%;padding:.6rem;"
    "box-sizing:border-box;margin:.4rem 0;border-radius:6px;border:1px solid #8a8a94}"
    "button,a.button{display:block;text-align:center;text-decoration:none;background:#4338ca;"
    "color:#fff;border:0;cursor:pointer}@media(prefers-color-scheme:dark){body{color:#e8e8ec;"
    "background:#16161a}input{background:#232329;color:inherit}}"
)


class LinkIn(BaseModel):
    """A link that was given to somebody, to be used up."""

    model_config = ConfigDict(extra="forbid")

    link: str = Field(max_length=200, description="What is behind `link=` in it.")
    name: str = Field("", max_length=200, description="Who comes in, where it makes an owner.")


class WhoDocument(BaseModel):
    """Who is asking."""

    object: str = "caller"
    tenant: str
    principal: str
    name: str
    roles: list[Role]
    sign_in: str | None = Field(description="The sign-in that they ask with; none with a key.")
    expires: str | None
    csrf: str | None = Field(description="What pages send as X-CSRF-Token to change anything.")


class SignInDocument(BaseModel):
    """A browser that somebody is signed in with."""

    id: str
    object: str = "sign_in"
    principal: str
    opened: str
    expires: str
    is_current: bool


class SignInList(BaseModel):
    """Sign-ins, newest first."""

    object: str = "list"
    data: list[SignInDocument]
    has_more: bool


@routes.post(
    "/v1/sign-ins",
    tags=["sign-ins"],
    status_code=201,
    summary="Sign in by a link",
    responses={201: {"model": WhoDocument}},
    response_class=Response,
)
def sign_in(request: Request, service: Serving, order: LinkIn) -> Response:
    """Use up a link and sign in whom it is for: the answer sets the cookie."""
    check_page(request)
    check_channel(request)
    made, who = service.entrance.come_in(order.link, name=order.name)
    response = document_response(
        request,
        _who(who, made.id, made.expires_us, made.csrf),
        status=201,
        headers={"cache-control": "no-store"},
    )
    keep_sign_in(request, response, made)
    return response


@routes.get(
    "/v1/sign-ins",
    tags=["sign-ins"],
    summary="List sign-ins",
    responses={200: {"model": SignInList}},
    response_class=Response,
)
def list_sign_ins(
    request: Request,
    asking: Asking,
    service: Serving,
    principal: Annotated[
        str | None, Query(max_length=64, description="Whose, for who manages the tenant.")
    ] = None,
) -> Response:
    """List where one is signed in, or where somebody else of the tenant is."""
    found = service.entrance.list(asking, principal)
    data = [_document(each, current=asking.sign_in) for each in found]
    return document_response(request, {"object": "list", "data": data, "has_more": False})


@routes.get(
    "/v1/sign-ins/current",
    tags=["sign-ins"],
    summary="Show who is asking",
    responses={200: {"model": WhoDocument}},
    response_class=Response,
)
def show_caller(request: Request, asking: Asking, service: Serving) -> Response:
    """Show who is asking, and what their pages need to change anything."""
    who, current = service.entrance.show(asking)
    cookie = secret_in(request.scope)
    csrf = None
    if current is not None and cookie is not None:
        csrf = service.entrance.find(cookie)[1]
    document = _who(
        who,
        None if current is None else current.id,
        None if current is None else current.expires_us,
        csrf,
    )
    return document_response(request, document, headers={"cache-control": "no-store"})


@routes.delete(
    "/v1/sign-ins/{sign_in}",
    tags=["sign-ins"],
    summary="Sign out",
    responses={200: {"model": SignInDocument}},
    response_class=Response,
)
def end_sign_in(
    request: Request, asking: Asking, service: Serving, sign_in: SignInName
) -> Response:
    """End a sign-in; twice is as once."""
    which = (asking.sign_in or sign_in) if sign_in == _CURRENT else sign_in
    ended = service.entrance.leave(asking, which)
    response = document_response(request, _document(ended, current=asking.sign_in))
    if ended.id == asking.sign_in:
        drop_cookie(request, response)
    return response


@routes.get("/sign-in", include_in_schema=False)
def show_page(
    request: Request, service: Serving, link: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """Show a page to come in by, or who has."""
    try:
        if link is not None:
            return _page(_link_form(link, asks_name=service.entrance.asks_name(link)))
        cookie = secret_in(request.scope)
        if cookie is not None:
            caller, csrf = service.entrance.find(cookie)
            return _page(_signed_in(service.entrance.show(caller)[0], csrf))
    except NotAuthenticated as error:
        return refusal_page(error)
    return _page(
        f"<h1>Sign in</h1>{_button(service)}<p>Open the link that you were given. Whoever owns the "
        "studio makes one for you; a studio that nobody owns prints one when it starts.</p>"
    )


@routes.post("/sign-in", include_in_schema=False)
async def use_link(request: Request) -> Response:
    """Use up the link of a page, and show who came in."""
    sent = await _form(request)
    try:
        check_page(request)
        check_channel(request)
        made, _ = await run_in_threadpool(
            service_of(request).entrance.come_in, sent.get("link", ""), name=sent.get("name", "")
        )
    except CinefabError as error:
        return refusal_page(error)
    response = RedirectResponse("/sign-in", status_code=303, headers=HEADERS)
    keep_sign_in(request, response, made)
    return response


@routes.post("/sign-out", include_in_schema=False)
async def sign_out(request: Request) -> Response:
    """End the sign-in of a page."""
    sent = await _form(request)
    entrance, cookie = service_of(request).entrance, secret_in(request.scope)
    try:
        caller, csrf = await run_in_threadpool(entrance.find, cookie or "")
        check_changes(request, csrf=csrf, token=sent.get("csrf"))
        await run_in_threadpool(entrance.leave, caller, caller.sign_in or "")
    except CinefabError as error:
        return refusal_page(error)
    response = RedirectResponse("/sign-in", status_code=303, headers=HEADERS)
    drop_cookie(request, response)
    return response


def keep_sign_in(request: Request, response: Response, made: SignIn) -> None:
    """Have a browser keep the cookie of a sign-in."""
    set_cookie(request, response, made.secret, seconds=LASTS_US // 1_000_000)


async def _form(request: Request) -> dict[str, str]:
    body = await limited_body(request)
    try:
        fields = parse_qs(body.decode(), max_num_fields=8, keep_blank_values=True)
    except (UnicodeDecodeError, ValueError) as error:
        raise malformed("it is no form") from error
    return {name: values[0] for name, values in fields.items()}


def _page(content: str, *, status: int = 200) -> Response:
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Cinefab</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>{content}</html>'
    )
    return HTMLResponse(page, status_code=status, headers=HEADERS)


def _button(service: Service) -> str:
    if service.openid is None:
        return ""
    return (
        f'<a class="button" href="/sign-in/openid">Sign in with {escape(service.openid.name)}</a>'
    )


def _link_form(link: str, *, asks_name: bool) -> str:
    name = (
        '<label>Your name<input name="name" required maxlength="200" autocomplete="name"></label>'
        if asks_name
        else ""
    )
    what = "Become the owner of this studio" if asks_name else "Sign in"
    return (
        f'<h1>{what}</h1><form method="post" action="/sign-in">'
        f'<input type="hidden" name="link" value="{escape(link)}">{name}'
        f"<button>{what}</button></form>"
    )


def _signed_in(who: Principal, csrf: str) -> str:
    roles = ", ".join(sorted(who.roles)) or "nobody in particular"
    return (
        f"<h1>{escape(who.name)}</h1><p>You are signed in to {escape(who.tenant)} as {roles}.</p>"
        f'<form method="post" action="/sign-out"><input type="hidden" name="csrf" '
        f'value="{escape(csrf)}"><button>Sign out</button></form>'
    )


def refusal_page(error: CinefabError) -> Response:
    """Return a page for a person about why they do not come in."""
    status = status_of(error)
    return _page(
        f"<h1>{'You are not signed in' if status == 401 else 'That did not work'}</h1>"
        f"<p>{escape(error.found)}.</p><p>{escape(error.remedy)}</p>",
        status=status,
    )


def _who(
    who: Principal, sign_in: str | None, expires_us: int | None, csrf: str | None
) -> dict[str, Any]:
    return {
        "object": "caller",
        "tenant": who.tenant,
        "principal": who.id,
        "name": who.name,
        "roles": sorted(who.roles),
        "sign_in": sign_in,
        "expires": None if expires_us is None else iso_utc(expires_us),
        "csrf": csrf,
    }


def _document(found: OpenSignIn, *, current: str | None) -> dict[str, Any]:
    return {
        "id": found.id,
        "object": "sign_in",
        "principal": found.principal,
        "opened": iso_utc(found.opened_us),
        "expires": iso_utc(found.expires_us),
        "is_current": found.id == current,
    }

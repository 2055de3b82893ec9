"""Signing in at an OpenID provider with a browser: there, and back with its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cinefab.api.callers import Serving
from cinefab.api.cookies import check_channel, cookie_value, drop_cookie, set_cookie
from cinefab.api.errors import NoSuchRoute
from cinefab.api.sign_in import HEADERS, keep_sign_in, refusal_page
from cinefab.app.service import Service
from cinefab.core.errors import CinefabError

if TYPE_CHECKING:  # it loads what only a studio with a provider needs
    from cinefab.app.serving.openid import OpenId

routes: Final = APIRouter(include_in_schema=False)

_BACK: Final = "/sign-in/openid/back"
_KEPT: Final = "-openid"
_KEPT_S: Final = 600


@routes.get("/sign-in/openid")
def leave_for_provider(request: Request, service: Serving) -> Response:
    """Send a browser to the provider, with something to know it again by."""
    try:
        check_channel(request)
        provider = _provider(service)
        place, kept = provider.begin(_back_url(request, provider))
    except CinefabError as error:
        return refusal_page(error)
    response = RedirectResponse(place, status_code=303, headers={"cache-control": "no-store"})
    set_cookie(request, response, kept, seconds=_KEPT_S, name=_KEPT)
    return response


@routes.get(_BACK)
def come_back(request: Request, service: Serving) -> Response:
    """Sign in whom the provider's answer is about, once: what the browser kept is forgotten."""
    try:
        check_channel(request)
        provider = _provider(service)
        kept = cookie_value(request, name=_KEPT)
        tenant, who = provider.finish(
            dict(request.query_params), kept, _back_url(request, provider)
        )
        made = service.entrance.sign_in(tenant, who)
    except CinefabError as error:
        response = refusal_page(error)
    else:
        response = RedirectResponse("/sign-in", status_code=303, headers=HEADERS)
        keep_sign_in(request, response, made)
    drop_cookie(request, response, name=_KEPT)
    return response


def _provider(service: Service) -> OpenId:
    if service.openid is None:
        raise NoSuchRoute(
            attempted="sign in at a provider",
            found="this studio has none",
            remedy="Declare one under [oidc] in its settings, or sign in by a link.",
        )
    return service.openid


def _back_url(request: Request, provider: OpenId) -> str:
    return provider.redirect_url or f"{str(request.base_url).rstrip('/')}{_BACK}"

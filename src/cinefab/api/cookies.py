"""The cookie that a sign-in is known by, and what defends it against pages from elsewhere.

Over TLS it is `__Host-cinefab`: secure, of this host alone, unseen by scripts, and not sent along
with what other sites post. Over plain HTTP a browser gets one only from a name of loopback, where
nobody listens between.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import Response
from starlette.types import Scope

from cinefab.core.errors import Forbidden
from cinefab.tenancy.sign_ins import check_csrf

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
CSRF_HEADER: Final = "x-csrf-token"

_SECURE: Final = "__Host-cinefab"
_PLAIN: Final = "cinefab"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def secret_in(scope: Scope) -> str | None:
    """Return the secret of the sign-in that a request's cookie is of, None if it has none."""
    wanted = f"{_name(scope)}="
    for name, value in scope["headers"]:
        if name == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                if pair.strip().startswith(wanted):
                    return str(pair.strip().removeprefix(wanted))
    return None


def set_cookie(
    request: Request, response: Response, secret: str, *, seconds: int, name: str = ""
) -> None:
    """Have a browser keep a secret for so long; a `name` is for another one beside the sign-in."""
    response.set_cookie(
        f"{_name(request.scope)}{name}",
        secret,
        max_age=seconds,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def drop_cookie(request: Request, response: Response, *, name: str = "") -> None:
    """Have a browser forget it."""
    response.delete_cookie(
        f"{_name(request.scope)}{name}",
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def cookie_value(request: Request, *, name: str) -> str | None:
    """Return the secret that was kept beside the sign-in under a name."""
    return request.cookies.get(f"{_name(request.scope)}{name}")


def check_channel(request: Request) -> None:
    """Raise `Forbidden` where a cookie would travel through a network in the clear."""
    if request.url.scheme != "https" and host_of(request) not in LOOPBACK:
        raise Forbidden(
            attempted="sign in",
            found="this is plain HTTP by a name from elsewhere: whoever listens on the way would "
            "have the cookie",
            remedy="Put TLS in front of the service, or open it as localhost on its own machine.",
            policies=("no-cookies-in-the-clear",),
        )


def check_page(request: Request) -> None:
    """Raise `Forbidden` for what a page of another site sends."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    here = f"{request.url.scheme}://{request.headers.get('host', '')}"
    foreign = (site is not None and site not in ("same-origin", "none")) or (
        origin is not None and origin != here
    )
    if foreign:
        raise Forbidden(
            attempted="change something from a page",
            found="a page from elsewhere sent it",
            remedy="Do it on a page of the studio. Programs use a key.",
            policies=("csrf",),
        )


def check_changes(request: Request, *, csrf: str, token: str | None = None) -> None:
    """Raise `Forbidden` unless what would change something is from one of our pages."""
    if request.method in _SAFE:
        return
    check_page(request)
    check_csrf(token or request.headers.get(CSRF_HEADER), csrf=csrf)


def host_of(request: Request) -> str | None:
    """Return the name that the service was asked by, without the port."""
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return None


def _name(scope: Scope) -> str:
    return _SECURE if scope.get("scheme") == "https" else _PLAIN

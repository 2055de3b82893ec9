"""Who asks, by the key or the cookie that a request brings; and the service that it asks.

While a studio has neither a key nor an owner, whoever is on this machine is its owner: if the
service listens on loopback only, is asked by a name of loopback, and not by a page from elsewhere in
a browser. What clients of other services send as their key then, because they must send one, is no
key of ours.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from cinefab.api.cookies import LOOPBACK, check_changes, host_of, secret_in
from cinefab.api.pace import count
from cinefab.app.service import Service
from cinefab.app.serving.callers import LOCAL_OWNER
from cinefab.core.errors import NotAuthenticated
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.keys import PREFIX


def service_of(request: Request) -> Service:
    """Return the service that this application is of."""
    service: Service = request.app.state.service
    return service


def caller_of(request: Request) -> Caller:
    """Return who asks; raise `NotAuthenticated`, and `AskedTooOften` for one request too many.

    Raises `Forbidden` where a cookie came with what none of our pages sent.
    """
    caller, secret = _found(request)
    count(request, service_of(request).pacing, caller, secret=secret)
    return caller


def _found(request: Request) -> tuple[Caller, str | None]:
    service = service_of(request)
    given = request.headers.get("authorization")
    if given is not None:
        scheme, _, secret = given.partition(" ")
        if scheme.lower() != "bearer":
            raise _refused("the header Authorization is of another scheme than Bearer")
        if secret.startswith(PREFIX) or not (
            request.app.state.loopback and service.callers.is_open()
        ):
            return service.callers.find(secret.strip()), secret.strip()
    else:
        cookie = secret_in(request.scope)
        if cookie is not None:
            caller, csrf = service.entrance.find(cookie)
            check_changes(request, csrf=csrf)
            return caller, cookie
    if not request.app.state.loopback:
        raise _refused("no key was sent")
    if host_of(request) not in LOOPBACK:
        raise _refused("no key was sent, and the service was asked by a name from elsewhere")
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise _refused("no key was sent, and a page from elsewhere asks")
    if not service.callers.is_open():
        raise _refused("no key was sent")
    return LOCAL_OWNER, None


async def _serving(request: Request) -> Service:
    # Awaited where it stands: FastAPI would take a thread for a plain function.
    return service_of(request)


Asking = Annotated[Caller, Depends(caller_of)]
Serving = Annotated[Service, Depends(_serving)]


def _refused(found: str) -> NotAuthenticated:
    return NotAuthenticated(
        attempted="find out who asks",
        found=found,
        remedy="Send `Authorization: Bearer cfk_…` with a key that is in force, or sign in.",
    )

"""How often may be asked, as answers say it, and the refusal of who asks too often.

Headers are those of the IETF's draft (draft-ietf-httpapi-ratelimit-headers) and OpenAI's. Who is
known to have nothing left is refused here, before a thread or the database is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cinefab.api.cookies import secret_in
from cinefab.api.problems import problem_response
from cinefab.app.serving.pacing import Pacing
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.rates import Allowance, refusal_of

_STATE: Final = "allowances"

_COUNTED: Final = ("/v1/", "/replicate/")
"""Where a key is asked for: pages about errors, and whether the service is well, are for anybody."""


class Throttle:
    """The application, for who may ask once more."""

    def __init__(self, app: ASGIApp, *, pacing: Pacing) -> None:
        self._app = app
        self._pacing = pacing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and say how many more may come."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and state.get(_STATE):
                message.setdefault("headers", []).extend(_headers(state[_STATE]))
            await send(message)

        secret = _secret_in(scope) if scope["path"].startswith(_COUNTED) else None
        told = () if secret is None else self._pacing.look(secret)
        refused = refusal_of(told)
        if refused is None:
            await self._app(scope, receive, sending)
        else:
            state[_STATE] = told
            await problem_response(refused)(scope, receive, sending)


def count(request: Request, pacing: Pacing, caller: Caller, *, secret: str | None) -> None:
    """Count a request of a caller; raise `AskedTooOften` if it is one too many."""
    told = pacing.take(caller, secret)
    request.scope.setdefault("state", {})[_STATE] = told
    refused = refusal_of(told)
    if refused is not None:
        raise refused


def _secret_in(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return str(value[7:].decode("latin-1").strip())
    return secret_in(scope)


def _headers(told: Sequence[Allowance]) -> list[tuple[bytes, bytes]]:
    scarcest = min(told, key=lambda each: each.remaining)
    policies = ", ".join(f'"{each.whose.policy}";q={each.limit};w=60' for each in told)
    left = ", ".join(
        f'"{each.whose.policy}";r={each.remaining};t={ceil(each.resets_s)}' for each in told
    )
    said = {
        "ratelimit-policy": policies,
        "ratelimit": left,
        "x-ratelimit-limit-requests": str(scarcest.limit),
        "x-ratelimit-remaining-requests": str(scarcest.remaining),
        "x-ratelimit-reset-requests": f"{ceil(scarcest.resets_s * 1000)}ms",
    }
    return [(name.encode(), value.encode()) for name, value in said.items()]

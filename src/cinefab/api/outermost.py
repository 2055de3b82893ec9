"""Around every request: its size is limited, its time is logged, and no mistake goes unanswered.

The log says what was asked and how it went, and nothing of what was in it: no query, no body.
"""

from __future__ import annotations

import logging
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cinefab.api.problems import problem_response, too_large
from cinefab.app.serving.meters import Meters
from cinefab.core.clock import Clock

BODY_BYTES_MAX: Final = 256 << 20
"""With files; a brief alone is at most 1 MiB."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log: Final = logging.getLogger("cinefab.api")


class Outermost:
    """The application as the server calls it."""

    def __init__(self, app: ASGIApp, *, clock: Clock, meters: Meters) -> None:
        self._app = app
        self._clock = clock
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_us = self._clock.elapsed_us()
        status = 0
        taken = 0

        async def taking() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > BODY_BYTES_MAX:
                raise too_large(f"it is more than {BODY_BYTES_MAX >> 20} MiB")
            return message

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((b"x-content-type-options", b"nosniff"))
            await send(message)

        try:
            if _announced(scope) > BODY_BYTES_MAX:
                refused = problem_response(
                    too_large(f"it says it is more than {BODY_BYTES_MAX >> 20} MiB")
                )
                await refused(scope, receive, sending)
            else:
                await self._app(scope, taking, sending)
        except ClientDisconnect:
            _log.info(
                "client_vanished", extra={"at": _route(scope)}
            )  # amid its request: nobody's fault
        except Exception as error:  # noqa: BLE001 - the outermost handler of this door
            # It was answered further in. Its message could hold what somebody wrote; its class
            # and the place where it was raised do not.
            _log.error("request_failed", extra={"error": type(error).__name__, "at": _place(error)})
        took_us = self._clock.elapsed_us() - began_us
        self._meters.note_request(
            method=_method(scope), route=_route(scope), status=status, took_us=took_us
        )
        _log.info(
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "took_ms": took_us // 1000,
            },
        )


def _method(scope: Scope) -> str:
    # Anybody may send any word here, and each would be a line of its own for ever.
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "none"))


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_code.co_filename.rpartition('cinefab/')[2]}:{trace.tb_lineno}"

"""Waits for a prompt: what its socket says on the way, and what the history says at the end.

The socket makes waiting quick and shows how far things are, and nothing depends on it: while it is
away the engine is asked, and now and then it is asked anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from cinefab.core.clock import Clock
from cinefab.core.errors import Unavailable
from cinefab.generate.models.comfyui.engine import Engine
from cinefab.generate.models.comfyui.wire import Ended, Event, Outcome, read_event, read_outcome

_LOOK_S: Final = 0.2
"""How long the socket is listened to before somebody looks whether the run is still wanted."""

_ASK_S: Final = 1.0
_ASK_ANYWAY_S: Final = 10.0
_ASK_ENDED_S: Final = 0.1
_RECONNECT_S: Final = 5.0
_OPEN_S: Final = 5.0
_MESSAGE_MAX: Final = 32 << 20
_LOST_AFTER: Final = 3


class Forgotten(Exception):
    """A prompt that neither waits, nor is executed, nor was: the engine has lost it."""


class Socket:
    """An engine's socket for one client; it connects when it is listened to, again and again."""

    def __init__(self, engine: Engine, client: str, *, clock: Clock) -> None:
        self._engine = engine
        self._address = f"{engine.socket_url}?clientId={quote(client, safe='')}"
        self._clock = clock
        self._connection: ClientConnection | None = None
        self._held = ExitStack()
        self._next_us = 0

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether the engine can be heard."""
        return self._connection is not None

    def open(self) -> None:
        """Connect, unless that was tried a moment ago."""
        if self._connection is not None or self._clock.elapsed_us() < self._next_us:
            return
        self._next_us = self._clock.elapsed_us() + round(_RECONNECT_S * 1_000_000)
        try:
            self._connection = self._held.enter_context(
                connect(
                    self._address,
                    additional_headers=dict(self._engine.headers),
                    open_timeout=_OPEN_S,
                    close_timeout=1,
                    max_size=_MESSAGE_MAX,
                    ping_interval=None,  # whether the engine lives is asked over HTTP
                    proxy=None,
                )
            )
        except (OSError, TimeoutError, WebSocketException, ValueError):
            self._connection = None

    def hear(self, within_s: float) -> str | bytes | None:
        """Return the next message; None if none comes in time, or nothing can be heard."""
        self.open()
        if self._connection is None:
            self._clock.sleep(within_s)
            return None
        try:
            return self._connection.recv(timeout=within_s)
        except TimeoutError:
            return None
        except (OSError, WebSocketException):
            self.close()
            return None

    def close(self) -> None:
        """Disconnect."""
        self._connection = None
        with suppress(OSError, WebSocketException):
            self._held.close()


def wait_for(
    engine: Engine,
    socket: Socket,
    prompt: str,
    *,
    on_event: Callable[[Event], None],
    check_wanted: Callable[[], None],
    limit_s: float,
    clock: Clock,
) -> Outcome:
    """Return how a prompt ended.

    Raises `Forgotten` when the engine knows nothing of it, `Unavailable` when it takes longer than
    `limit_s`, and whatever `on_event` and `check_wanted` raise.
    """
    began_us = clock.elapsed_us()
    asked_us: int | None = None
    ended = False
    missed = 0
    while True:
        check_wanted()
        now_us = clock.elapsed_us()
        every_s = _ASK_ENDED_S if ended or missed else _ASK_ANYWAY_S if socket.is_open else _ASK_S
        if asked_us is None or now_us - asked_us >= every_s * 1_000_000:
            outcome = _outcome(engine, prompt, check_wanted)
            if outcome is not None:
                return outcome
            missed = 0 if engine.is_queued(prompt, check_wanted) else missed + 1
            # What has just left the queue is not in the history yet, or only since we looked there.
            if missed >= _LOST_AFTER:
                raise Forgotten(prompt)
            asked_us = clock.elapsed_us()
        if now_us - began_us > limit_s * 1_000_000:
            raise Unavailable(
                attempted="wait for ComfyUI",
                found=f"the prompt {prompt} was not done after {limit_s:g} s",
                remedy="See in ComfyUI what it waits for, or raise the model's timeout_s.",
            )
        message = socket.hear(_ASK_ENDED_S if ended or missed else _LOOK_S)
        event = None if message is None else read_event(message, prompt)
        if isinstance(event, Ended):
            ended = True
        elif event is not None:
            on_event(event)


def _outcome(engine: Engine, prompt: str, check_wanted: Callable[[], None]) -> Outcome | None:
    entry = engine.entry(prompt, check_wanted)
    if entry is None:
        return None
    outcome = read_outcome(entry, prompt)
    if outcome is None:
        raise engine.unavailable(f"its history has another prompt's entry under {prompt}")
    return outcome

"""A ComfyUI server, as it is asked: over HTTP, with a limit on everything it may answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from cinefab.core.canonical import Json
from cinefab.core.clock import Clock
from cinefab.core.errors import ContractMismatch, Unavailable
from cinefab.generate.models.comfyui.wire import File, client_of, prompt_of, said

_JSON_MAX: Final = 32 << 20
_FILE_MAX: Final = 512 << 20
_REQUEST_S: Final = 60.0
_FILE_S: Final = 600.0
_CONNECT_S: Final = 5.0
_PAUSE_S: Final = 0.2
_PAUSE_MAX_S: Final = 5.0
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_OK: Final = 200
_BAD_REQUEST: Final = 400
_HISTORY_ITEMS: Final = 100
_TEXT: Final = (b"<", b"{")
"""How pages and JSON begin, as proxies send them, and no picture or film does."""


class Unanswered(Exception):
    """An engine that cannot be reached, is busy, is late, or answers with something that is no JSON.

    `pause_s` is how long it asks to be left alone.
    """

    def __init__(self, found: str, *, pause_s: float = 0.0) -> None:
        super().__init__(found)
        self.found = found
        self.pause_s = pause_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an engine answered to a prompt."""

    status: int
    body: Any

    @property
    def prompt(self) -> str | None:
        """The id of the prompt it took, None if it took none."""
        found = self.body.get("prompt_id") if isinstance(self.body, Mapping) else None
        return found if self.status == _OK and isinstance(found, str) and found else None


class Engine:
    """One engine at `url`; `headers` go with every request.

    What can be asked again is asked again until `patience_s` have passed; `wait_on` is called
    between two tries and may raise.
    """

    def __init__(
        self, url: str, *, headers: Mapping[str, str], patience_s: float, clock: Clock
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = dict(headers)
        self._patience_s = patience_s
        self._clock = clock
        self._client: httpx.Client | None = None

    @property
    def socket_url(self) -> str:
        """The address of its socket, without who connects."""
        scheme, _, rest = self._url.partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws"

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes with every request."""
        return self._headers

    def node(self, kind: str) -> Mapping[str, Any] | None:
        """Return what the engine says of a class of nodes; None if it has none of that name."""
        found = self._asked("GET", f"/object_info/{quote(kind, safe='')}")
        info = found.get(kind) if isinstance(found, Mapping) else None
        return info if isinstance(info, Mapping) else None

    def version(self) -> str:
        """Return the engine's version, or `unknown`."""
        found = self._asked("GET", "/system_stats")
        system = found.get("system") if isinstance(found, Mapping) else None
        version = system.get("comfyui_version") if isinstance(system, Mapping) else None
        return said(version)[:60] or "unknown"

    def send(
        self, document: Mapping[str, Any], *, prompt: str, client: str, preview: bool
    ) -> Answer:
        """Send a workflow under an id of our own, once; an engine of before gives it another one.

        Raises `Unanswered` where nobody knows whether it was taken.
        """
        body: dict[str, Any] = {"prompt": document, "prompt_id": prompt, "client_id": client}
        if preview:
            body["extra_data"] = {"preview_method": "auto"}
        status, answer = self._once("POST", "/prompt", json=body)
        return Answer(status=status, body=answer)

    def entry(self, prompt: str, wait_on: Callable[[], None]) -> object | None:
        """Return a prompt's entry in the history; None while it has none."""
        found = self._asked("GET", f"/history/{quote(prompt, safe='')}", wait_on)
        return found.get(prompt) if isinstance(found, Mapping) else None

    def is_queued(self, prompt: str, wait_on: Callable[[], None]) -> bool:
        """Say whether a prompt waits or is being executed."""
        return any(prompt_of(item) == prompt for item in self._queue(wait_on))

    def is_running(self, prompt: str) -> bool:
        """Say whether a prompt is the one that is being executed."""
        items = self._items(self._asked("GET", "/queue"), ("queue_running",))
        return any(prompt_of(item) == prompt for item in items)

    def prompt_by(self, client: str, wait_on: Callable[[], None]) -> str | None:
        """Return the prompt that `client` has sent, whatever id the engine gave it; None if none."""
        for item in self._queue(wait_on):
            if client_of(item) == client:
                return prompt_of(item)
        found = self._asked("GET", f"/history?max_items={_HISTORY_ITEMS}", wait_on)
        for entry in found.values() if isinstance(found, Mapping) else ():
            item = entry.get("prompt") if isinstance(entry, Mapping) else None
            if client_of(item) == client:
                return prompt_of(item)
        return None

    def upload(self, content: bytes, name: str, wait_on: Callable[[], None]) -> str:
        """Put a picture among the engine's inputs; return what nodes call it."""
        found = self._asked(
            "POST",
            "/upload/image",
            wait_on,
            files={"image": (name, content, "image/png")},
            data={"type": "input", "overwrite": "true"},
        )
        given = found.get("name") if isinstance(found, Mapping) else None
        if not isinstance(given, str):
            raise self._mismatch("put a picture among ComfyUI's inputs", "its answer has no name")
        subfolder = found.get("subfolder") or ""
        return f"{subfolder}/{given}" if subfolder else given

    def fetch(self, file: File, path: Path, wait_on: Callable[[], None]) -> None:
        """Write a file that the engine has made to `path`."""
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}

        def take() -> None:
            with self._streamed("GET", "/view", limit_s=_FILE_S, params=query) as (status, pieces):
                if status != _OK:
                    raise Unanswered(f"GET /view answered {status} for {said(file.filename)}")
                with path.open("wb") as out:
                    size = 0
                    for piece in pieces:
                        if size == 0 and piece.lstrip()[:1] in _TEXT:
                            found = f"GET /view answered a text for {said(file.filename)}"
                            raise Unanswered(found)
                        size += len(piece)
                        if size > _FILE_MAX:
                            found = f"{said(file.filename)} has more than {_FILE_MAX >> 20} MiB"
                            raise self._mismatch("fetch what ComfyUI made", found)
                        out.write(piece)
                if size == 0:
                    raise Unanswered(f"GET /view answered nothing for {said(file.filename)}")

        self._patiently(take, wait_on)

    def cancel(self, prompt: str) -> None:
        """Take a prompt out of the queue, or stop it between two of its steps; do it or say why not."""
        self._once("POST", "/queue", json={"delete": [prompt]})
        # An engine of before would stop whatever it executes.
        if self.is_running(prompt):
            self._once("POST", "/interrupt", json={"prompt_id": prompt})

    def close(self) -> None:
        """Close its connections; the next question opens others."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _queue(self, wait_on: Callable[[], None]) -> Iterator[object]:
        found = self._asked("GET", "/queue", wait_on)
        return self._items(found, ("queue_running", "queue_pending"))

    def _items(self, found: Any, names: tuple[str, ...]) -> Iterator[object]:
        for name in names:
            items = found.get(name) if isinstance(found, Mapping) else None
            yield from items if isinstance(items, list) else ()

    def _asked(
        self, method: str, path: str, wait_on: Callable[[], None] = lambda: None, **what: Any
    ) -> Any:
        def ask() -> Any:
            status, answer = self._once(method, path, **what)
            if status != _OK:
                found = f"{method} {path.partition('?')[0]} answered {status}"
                raise self._mismatch("ask ComfyUI", found)
            return answer

        return self._patiently(ask, wait_on)

    def _patiently(self, ask: Callable[[], Any], wait_on: Callable[[], None]) -> Any:
        until_us = self._clock.elapsed_us() + round(self._patience_s * 1_000_000)
        pause_s = _PAUSE_S
        while True:
            try:
                return ask()
            except Unanswered as error:
                wait_on()
                left_s = (until_us - self._clock.elapsed_us()) / 1_000_000
                pause = max(pause_s, error.pause_s)
                if left_s < pause:
                    raise self.unavailable(error.found) from error
                self._clock.sleep(pause)
                pause_s = min(_PAUSE_MAX_S, pause_s * 2)

    def unavailable(self, found: str) -> Unavailable:
        """Return the error for an engine that does not answer."""
        return Unavailable(
            attempted=f"ask the ComfyUI at {self._url}",
            found=found,
            remedy="See that it runs, and that this machine may reach it; then try again.",
        )

    def _mismatch(self, attempted: str, found: str) -> ContractMismatch:
        return ContractMismatch(
            attempted=attempted,
            found=f"{self._url}: {found}",
            remedy="See that the address is ComfyUI's own, and what its log says.",
        )

    def _once(self, method: str, path: str, **what: Any) -> tuple[int, Any]:
        """Ask once; raise `Unanswered` for whatever may pass."""
        with self._streamed(method, path, limit_s=_REQUEST_S, **what) as (status, pieces):
            body = bytearray()
            for piece in pieces:
                body += piece
                if len(body) > _JSON_MAX:
                    raise self._mismatch("ask ComfyUI", f"{path} answered without end")
        if status not in (_OK, _BAD_REQUEST) or not body:
            return status, None
        try:
            answer: Json = json.loads(bytes(body))
        except ValueError as error:
            raise Unanswered(f"{method} {path} answered something that is no JSON") from error
        return status, answer

    @contextmanager
    def _streamed(
        self, method: str, path: str, *, limit_s: float, **what: Any
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        if self._client is None:
            timeout = httpx.Timeout(_REQUEST_S, connect=_CONNECT_S)
            self._client = httpx.Client(headers=self._headers, timeout=timeout, trust_env=False)
        until_us = self._clock.elapsed_us() + round(limit_s * 1_000_000)

        def pieces(response: httpx.Response) -> Iterator[bytes]:
            for piece in response.iter_bytes():
                if self._clock.elapsed_us() > until_us:
                    raise Unanswered(f"{method} {path} was not over after {limit_s:g} s")
                yield piece

        try:
            with self._client.stream(method, self._url + path, **what) as response:
                if response.status_code in _BUSY:
                    raise Unanswered(
                        f"{method} {path.partition('?')[0]} answered {response.status_code}",
                        pause_s=_asked_pause(response),
                    )
                yield response.status_code, pieces(response)
        except httpx.HTTPError as error:
            what_failed = said(error) or type(error).__name__
            raise Unanswered(f"{method} {path.partition('?')[0]}: {what_failed}") from error


def _asked_pause(response: httpx.Response) -> float:
    asked = response.headers.get("retry-after", "")
    return min(60.0, float(asked)) if asked.isdecimal() else 0.0

"""An engine's API as it is asked: over HTTP, with a limit on whatever it may answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from cinefab.core.clock import Clock
from cinefab.core.errors import ContractMismatch, Unavailable

_JSON_MAX: Final = 64 << 20
_FILE_MAX: Final = 512 << 20
_REQUEST_S: Final = 60.0
_FILE_S: Final = 600.0
_CONNECT_S: Final = 5.0
_PAUSE_S: Final = 0.2
_PAUSE_MAX_S: Final = 5.0
_PAUSE_ASKED_MAX_S: Final = 60.0
_BUSY: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_NOT_TAKEN: Final = frozenset({425, 429, 503})
"""Answers that say for certain that nothing was begun."""

_TEXT_MAX: Final = 300
_COST_HEADER: Final = "x-litellm-response-cost"
_POLL_HEADER: Final = "openai-poll-after-ms"

_T = TypeVar("_T")

Parts = Mapping[str, tuple[str, bytes, str]]


class Unanswered(Exception):
    """An engine that cannot be reached, is busy or late, or answers with something that is no JSON.

    `pause_s` is how long it asks to be left alone, `is_taken` whether it may have begun the work.
    """

    def __init__(self, found: str, *, pause_s: float = 0.0, is_taken: bool = True) -> None:
        super().__init__(found)
        self.found = found
        self.pause_s = pause_s
        self.is_taken = is_taken


class Gone(Exception):
    """The engine does not know what it is asked about."""


class Refused(Exception):
    """The engine does not do this: its own words, and the parameter that it names, if any."""

    def __init__(self, *, status: int, found: str, parameter: str | None) -> None:
        super().__init__(found)
        self.status = status
        self.found = found
        self.parameter = parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an engine answered, and what its headers say: when to ask again, and what it cost."""

    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def poll_after_s(self) -> float | None:
        """When it wants to be asked again."""
        asked = self.headers.get(_POLL_HEADER, "")
        return min(60.0, int(asked) / 1000) if asked.isdecimal() else None

    @property
    def cost_uusd(self) -> int | None:
        """What the work cost, as a proxy says it in US dollars."""
        try:
            dollars = float(self.headers[_COST_HEADER])
        except (KeyError, ValueError):
            return None
        return round(dollars * 1_000_000) if 0 <= dollars < 1e6 else None


class Patience:
    """How long whoever does not answer is asked again; `who` is what errors call it."""

    def __init__(self, who: str, *, patience_s: float, remedy: str, clock: Clock) -> None:
        self._who = who
        self._patience_s = patience_s
        self._remedy = remedy
        self._clock = clock

    def ask(
        self,
        ask: Callable[[], _T],
        wait_on: Callable[[], None],
        *,
        lost: Callable[[], bool] = lambda: True,
    ) -> _T:
        """Ask again what may be asked again, for as long as patience lasts.

        `lost` is called when an answer was lost though the work may have been begun; it says
        whether to ask again all the same.
        """
        until_us = self._clock.elapsed_us() + round(self._patience_s * 1_000_000)
        pause_s = _PAUSE_S
        while True:
            try:
                return ask()
            except Unanswered as error:
                wait_on()
                if error.is_taken and not lost():
                    found = (
                        f"{error.found}; it may have begun the work twice, so it is not asked again"
                    )
                    raise self.unavailable(found) from error
                left_s = (until_us - self._clock.elapsed_us()) / 1_000_000
                pause = max(pause_s, error.pause_s)
                if left_s < pause:
                    raise self.unavailable(error.found) from error
                self._clock.sleep(pause)
                pause_s = min(_PAUSE_MAX_S, pause_s * 2)

    def ask_paid(
        self, ask: Callable[[], _T], wait_on: Callable[[], None], *, times_max: int = 2
    ) -> _T:
        """Ask as `ask` does, but at most so often where an answer was lost to paid work."""
        left = [times_max]

        def lost() -> bool:
            left[0] -= 1
            return left[0] > 0

        return self.ask(ask, wait_on, lost=lost)

    def unavailable(self, found: str) -> Unavailable:
        """Return the error for one that does not answer as it should."""
        return Unavailable(
            attempted=f"ask {self._who}",
            found=found,
            remedy="See that it runs, and that this machine may reach it; then try again.",
        )

    def mismatch(self, found: str) -> ContractMismatch:
        """Return the error for an answer that is none."""
        return ContractMismatch(
            attempted=f"take in what {self._who} answered", found=found, remedy=self._remedy
        )


class Api:
    """One API at `base_url`; `headers` go with every request."""

    def __init__(
        self, base_url: str, *, headers: Mapping[str, str], patience_s: float, clock: Clock
    ) -> None:
        self._url = base_url.rstrip("/")
        self._headers = dict(headers)
        self.patience = Patience(
            f"the engine at {self._url}",
            patience_s=patience_s,
            remedy="See that base_url, engine and model are right, and what its log says.",
            clock=clock,
        )
        self._clock = clock
        self._client: httpx.Client | None = None

    def post(
        self,
        path: str,
        *,
        fields: Mapping[str, Any],
        files: Parts | None = None,
        key: str = "",
        limit_s: float = _REQUEST_S,
    ) -> Answer:
        """Send a form if there are files or it is to be one, else JSON, once.

        `limit_s` is how long its answer may take.

        Raises `Unanswered` where nobody knows whether it was taken, and `Refused`.
        """
        headers = {"Idempotency-Key": key} if key else {}
        if files is None:
            return self._once("POST", path, limit_s=limit_s, json=dict(fields), headers=headers)
        form = {name: _as_text(value) for name, value in fields.items()}
        # A form without a file is one all the same: that is how the published clients send it.
        parts = [(name, (None, text)) for name, text in form.items()] + list(files.items())
        return self._once("POST", path, limit_s=limit_s, files=parts, headers=headers)

    def send(self, method: str, path: str, *, body: Any = None, key: str = "") -> Answer:
        """Send JSON, or nothing, once; raise as `post` does, and `Gone`."""
        headers = {"Idempotency-Key": key} if key else {}
        what = {} if body is None else {"json": body}
        return self._once(method, path, headers=headers, **what)

    def get(self, path: str, wait_on: Callable[[], None]) -> Answer:
        """Ask until it is answered or patience is over; raise `Gone` for what it does not know."""
        return self.patiently(lambda: self._once("GET", path), wait_on)

    def delete(self, path: str) -> None:
        """Ask once for something to be deleted; what is gone already is as good."""
        try:
            self._once("DELETE", path)
        except (Gone, Refused):
            return

    def fetch(self, path: str, to: Path, wait_on: Callable[[], None]) -> None:
        """Write what is at `path` of the API to a file."""

        def take() -> None:
            with self._streamed("GET", path, limit_s=_FILE_S) as (response, pieces):
                if response.status_code != httpx.codes.OK:
                    raise Unanswered(f"GET {path} answered {response.status_code}")
                size = _write(pieces, to)
                due = response.headers.get("content-length", "")
                if size == 0 or (due.isdecimal() and int(due) != size):
                    raise Unanswered(f"GET {path} answered {size} of {due or 'some'} bytes")

        self.patiently(take, wait_on)

    def post_for_file(
        self, path: str, *, fields: Mapping[str, Any], to: Path, key: str
    ) -> Mapping[str, str]:
        """Send JSON once and write what is answered, which is a file, to `to`; return its headers."""
        headers = {"Idempotency-Key": key} if key else {}
        with self._streamed("POST", path, limit_s=_FILE_S, json=dict(fields), headers=headers) as (
            response,
            pieces,
        ):
            if response.status_code != httpx.codes.OK:
                self._judge(response.status_code, b"".join(pieces), f"POST {path}")
            if _write(pieces, to) == 0:
                raise Unanswered(f"POST {path} answered nothing")
            return dict(response.headers)

    def patiently(
        self,
        ask: Callable[[], _T],
        wait_on: Callable[[], None],
        *,
        lost: Callable[[], bool] = lambda: True,
    ) -> _T:
        """Ask again what may be asked again, as `Patience` does."""
        return self.patience.ask(ask, wait_on, lost=lost)

    def patiently_once_more(self, ask: Callable[[], _T], wait_on: Callable[[], None]) -> _T:
        """Ask as `patiently` does, but twice at most where an answer was lost to paid work."""
        return self.patience.ask_paid(ask, wait_on)

    def unavailable(self, found: str) -> Unavailable:
        """Return the error for an engine that does not answer as it should."""
        return self.patience.unavailable(found)

    def mismatch(self, found: str) -> ContractMismatch:
        """Return the error for an answer that is none."""
        return self.patience.mismatch(found)

    def close(self) -> None:
        """Close its connections; the next question opens others."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _once(self, method: str, path: str, *, limit_s: float = _REQUEST_S, **what: Any) -> Answer:
        timeout = httpx.Timeout(limit_s, connect=_CONNECT_S)
        with self._streamed(method, path, limit_s=limit_s, timeout=timeout, **what) as (
            response,
            pieces,
        ):
            body = bytearray()
            for piece in pieces:
                body += piece
                if len(body) > _JSON_MAX:
                    raise self.mismatch(f"{path} answered without end")
            return Answer(
                body=self._judge(response.status_code, bytes(body), f"{method} {path}"),
                headers=dict(response.headers),
            )

    def _judge(self, status: int, body: bytes, asked: str) -> Any:
        answer: Any = None
        try:
            answer = json.loads(body) if body else None
        except ValueError:
            if status < httpx.codes.BAD_REQUEST:
                raise Unanswered(f"{asked} answered something that is no JSON") from None
        if status < httpx.codes.BAD_REQUEST:
            return answer
        if status == httpx.codes.NOT_FOUND:
            raise Gone
        error = answer.get("error") if isinstance(answer, Mapping) else None
        told: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
        parameter = told.get("param")
        raise Refused(
            status=status,
            found=said(told.get("message") or answer or f"{asked} answered {status}"),
            parameter=parameter if isinstance(parameter, str) else None,
        )

    @contextmanager
    def _streamed(
        self, method: str, path: str, *, limit_s: float, **what: Any
    ) -> Iterator[tuple[httpx.Response, Iterator[bytes]]]:
        if self._client is None:
            timeout = httpx.Timeout(_REQUEST_S, connect=_CONNECT_S)
            self._client = httpx.Client(headers=self._headers, timeout=timeout, trust_env=False)
        until_us = self._clock.elapsed_us() + round(limit_s * 1_000_000)
        asked = f"{method} {path.partition('?')[0]}"

        def pieces(response: httpx.Response) -> Iterator[bytes]:
            for piece in response.iter_bytes():
                if self._clock.elapsed_us() > until_us:
                    raise Unanswered(f"{asked} was not over after {limit_s:g} s")
                yield piece

        try:
            with self._client.stream(method, self._url + path, **what) as response:
                status = response.status_code
                if status in _BUSY:
                    raise Unanswered(
                        f"{asked} answered {status}",
                        pause_s=_asked_pause(response),
                        is_taken=status not in _NOT_TAKEN,
                    )
                yield response, pieces(response)
        except httpx.ConnectError as error:
            raise Unanswered(f"{asked}: {said(error)}", is_taken=False) from error
        except httpx.HTTPError as error:
            raise Unanswered(f"{asked}: {said(error) or type(error).__name__}") from error


def said(value: object) -> str:
    """Return a stranger's text, shortened and without control characters."""
    text = " ".join(str(value).split())
    return "".join(each for each in text if each.isprintable())[:_TEXT_MAX]


def items_of(body: object) -> Sequence[Mapping[str, Any]]:
    """Return the objects of a list as the API answers one."""
    data = body.get("data") if isinstance(body, Mapping) else None
    return [each for each in data if isinstance(each, Mapping)] if isinstance(data, list) else []


def _write(pieces: Iterator[bytes], to: Path) -> int:
    size = 0
    with to.open("wb") as out:
        for piece in pieces:
            size += len(piece)
            if size > _FILE_MAX:
                raise Unanswered(f"the file has more than {_FILE_MAX >> 20} MiB")
            out.write(piece)
    return size


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _asked_pause(response: httpx.Response) -> float:
    asked = response.headers.get("retry-after", "")
    return min(_PAUSE_ASKED_MAX_S, float(asked)) if asked.isdecimal() else 0.0

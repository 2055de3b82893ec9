"""The client for programs that wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx

from cinefab.client import calls
from cinefab.client.bar import bar_for
from cinefab.client.calls import Brief, Call, pause_s
from cinefab.client.errors import StudioUnreachable, error_of
from cinefab.client.stream import Follower
from cinefab.client.values import RESTS, Event, Job, JobPage
from cinefab.core.clock import SystemClock

T = TypeVar("T")

_CLOCK: Final = SystemClock()


class Client:
    """Asks one studio; any thread may call. Close it, or use it in a `with`.

    `key` is an API key (`cfk_…`); a studio of this machine that has no key yet needs none. Every
    method raises `ApiError` for what the studio refuses, and `StudioUnreachable` if it does not answer.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8300", *, key: str | None = None, timeout_s: float = 60.0
    ) -> None:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def create(
        self,
        brief: Brief,
        *,
        files: Sequence[str | Path] = (),
        idempotency_key: str | None = None,
    ) -> Job:
        """Order a film; `files` go along under their names, which the brief's references give."""
        return self._send(calls.create(brief, files=files, idempotency_key=idempotency_key))

    def show(self, job: str) -> Job:
        """Return a job as it stands now."""
        return self._send(calls.show(job))

    def list(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        status: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> JobPage:
        """Return a page of jobs, newest first."""
        asked = calls.list_jobs(limit=limit, after=after, status=status, labels=labels or {})
        return self._send(asked)

    def cancel(self, job: str) -> Job:
        """Have a job stop; twice is as once."""
        return self._send(calls.cancel(job))

    def retry(self, job: str, *, idempotency_key: str | None = None) -> Job:
        """Order the same again, once it has ended; return the new job."""
        return self._send(calls.retry(job, idempotency_key=idempotency_key))

    def remix(
        self,
        job: str,
        changes: Mapping[str, Any],
        *,
        reseed: Sequence[int] = (),
        idempotency_key: str | None = None,
    ) -> Job:
        """Order another film like this one, with fields of its brief changed; return the new job."""
        asked = calls.remix(job, changes=changes, reseed=reseed, idempotency_key=idempotency_key)
        return self._send(asked)

    def report(self, job: str) -> Mapping[str, Any]:
        """Return all that is known of a job."""
        return self._send(calls.report(job))

    def get(self, path: str, **params: str) -> Mapping[str, Any]:
        """Return any document of the API, such as `/v1/models`."""
        return self._send(calls.get(path, params))

    def events(self, job: str, *, after: str | None = None) -> Iterator[Event]:
        """Yield what happens to a job until it ends, from its creation or the event `after` on.

        A connection that breaks is opened again, and nothing that has an id is missed or told twice.
        """
        follower = Follower()
        follower.last_id = after
        failed = 0
        while not follower.is_over:
            follower.begin()
            try:
                path = calls.job_path(job, "events")
                with self._http.stream("GET", path, headers=follower.headers) as response:
                    if response.status_code == httpx.codes.NO_CONTENT:
                        return
                    if not response.is_success:
                        raise error_of(response.status_code, response.read())
                    for line in response.iter_lines():
                        event = follower.feed(line)
                        if event is not None:
                            failed = 0
                            yield event
            except httpx.TransportError as error:
                failed += 1
                self._rest(failed, None, error)

    def wait(self, job: str, *, bar: bool = False) -> Job:
        """Return a job once it has ended, or waits for a person; `bar` shows how far it is."""
        found = self.show(job)
        with bar_for(found.title, wanted=bar) as shown:
            shown.show(found, None)
            if found.status in RESTS:
                return found
            for event in self.events(job):
                if event.id is not None:
                    found = self.show(job)
                shown.show(found, event)
                if found.status in RESTS:
                    return found
        return self.show(job)

    def download(self, job: Job, path: str | Path) -> Path:
        """Put a delivered job's film into a file, whole or not at all; return where it is.

        Raises `ValueError` if the job has no film.
        """
        if job.film is None:
            raise ValueError(f"{job.id} has no film: it is {job.status}")
        target = Path(path)
        part = target.with_name(f"{target.name}.part")
        try:
            for attempt in range(1, calls.ATTEMPTS_MAX + 1):
                try:
                    self._fetch(job.film, part)
                    break
                except httpx.TransportError as error:
                    self._rest(attempt, None, error)
            return part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def _fetch(self, link: str, part: Path) -> None:
        with self._http.stream("GET", link) as response:
            if not response.is_success:
                raise error_of(response.status_code, response.read())
            with part.open("wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)

    def _send(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._http.send(call.request(self._http))
            except httpx.TransportError as error:
                self._rest(attempt, None, error)
                continue
            pause = pause_s(attempt, response)
            if response.is_success or pause is None:
                return call.answer(response)
            _CLOCK.sleep(pause)

    def _rest(self, attempt: int, response: httpx.Response | None, error: Exception) -> None:
        pause = pause_s(attempt, response)
        if pause is None:
            raise StudioUnreachable(f"{self._http.base_url} does not answer: {error}") from error
        _CLOCK.sleep(pause)

"""Each thing that can be asked, as a value: what is sent, and how the answer is read.

Both clients send these; nothing here knows how.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import httpx

from cinefab.client.errors import error_of
from cinefab.client.values import Job, JobPage

T = TypeVar("T")

ATTEMPTS_MAX: Final = 5
_FIRST_PAUSE_S: Final = 0.25
_PAUSE_MAX_S: Final = 30.0
_PASSES: Final = frozenset({429, 502, 503, 504})

Brief = str | Path | Mapping[str, Any]
"""A brief as a document, as YAML or JSON in a file, or as such text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request, which may be sent again as it is, and what reads its answer."""

    method: str
    path: str
    read: Callable[[Any], T]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    document: Any = None
    text: str | None = None
    form: Mapping[str, Any] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)

    def request(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return what is sent."""
        body: dict[str, Any] = {}
        if self.form is not None:
            body = {"data": self.form, "files": {name: (name, b) for name, b in self.files.items()}}
        elif self.document is not None:
            body = {"json": self.document}
        elif self.text is not None:
            body = {"content": self.text.encode()}
        return client.build_request(
            self.method, self.path, params=dict(self.params), headers=dict(self.headers), **body
        )

    def answer(self, response: httpx.Response) -> T:
        """Read an answer that was read to its end; raise `ApiError`."""
        if response.is_success:
            return self.read(response.json())
        raise error_of(response.status_code, response.content)


def pause_s(attempt: int, response: httpx.Response | None) -> float | None:
    """Return how long to wait before asking again after the `attempt`-th try, None to give up."""
    if attempt >= ATTEMPTS_MAX:
        return None
    grown = min(_FIRST_PAUSE_S * float(1 << (attempt - 1)), _PAUSE_MAX_S)
    if response is None:
        return grown
    if response.status_code not in _PASSES:
        return None
    told = str(response.headers.get("retry-after", ""))
    return min(float(told), _PAUSE_MAX_S) if told.isdigit() else grown


def job_path(job: str, *rest: str) -> str:
    """Return where a job is asked for; its id cannot lead elsewhere."""
    return "/".join(["/v1/jobs", quote(job, safe=""), *rest])


def create(brief: Brief, *, files: Sequence[str | Path], idempotency_key: str | None) -> Call[Job]:
    """Order a film; `files` go along under their names, which the brief's references give."""
    headers = _once(idempotency_key)
    order = partial(Call, method="POST", path="/v1/jobs", read=Job.of)
    if files:
        content = {Path(each).name: Path(each).read_bytes() for each in files}
        return order(headers=headers, form={"brief": _text_of(brief)}, files=content)
    if isinstance(brief, Mapping):
        return order(headers=headers, document=dict(brief))
    return order(headers=headers | {"content-type": "application/yaml"}, text=_text_of(brief))


def show(job: str) -> Call[Job]:
    """Ask how a job stands."""
    return Call(method="GET", path=job_path(job), read=Job.of)


def list_jobs(
    *, limit: int, after: str | None, status: str | None, labels: Mapping[str, str]
) -> Call[JobPage]:
    """Ask for a page of jobs, newest first."""
    params = {"limit": str(limit)}
    params |= {} if after is None else {"after": after}
    params |= {} if status is None else {"status": status}
    if labels:
        name, value = next(iter(labels.items()))
        params["label"] = f"{name}={value}"
    return Call(method="GET", path="/v1/jobs", read=JobPage.of, params=params)


def cancel(job: str) -> Call[Job]:
    """Have a job stop; twice is as once."""
    return Call(method="POST", path=job_path(job, "cancel"), read=Job.of)


def retry(job: str, *, idempotency_key: str | None) -> Call[Job]:
    """Order the same again, once it has ended."""
    return Call(
        method="POST",
        path=job_path(job, "retry"),
        read=Job.of,
        headers=_once(idempotency_key),
    )


def remix(
    job: str, *, changes: Mapping[str, Any], reseed: Sequence[int], idempotency_key: str | None
) -> Call[Job]:
    """Order another film like one that there is, changed."""
    return Call(
        method="POST",
        path=job_path(job, "remix"),
        read=Job.of,
        headers=_once(idempotency_key),
        document={"set": dict(changes), "reseed": list(reseed)},
    )


def report(job: str) -> Call[Mapping[str, Any]]:
    """Ask for all that is known of a job."""
    return Call(method="GET", path=job_path(job, "report"), read=_as_it_is)


def get(path: str, params: Mapping[str, str]) -> Call[Mapping[str, Any]]:
    """Ask for any document of the API."""
    return Call(method="GET", path=path, read=_as_it_is, params=params)


def _as_it_is(document: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = document
    return found


def _once(idempotency_key: str | None) -> dict[str, str]:
    return {"idempotency-key": idempotency_key or f"client-{secrets.token_urlsafe(18)}"}


def _text_of(brief: Brief) -> str:
    if isinstance(brief, Mapping):
        return json.dumps(brief)
    if isinstance(brief, Path):
        return brief.read_text(encoding="utf-8")
    return (
        brief if "\n" in brief or brief.lstrip().startswith("{") else Path(brief).read_text("utf-8")
    )

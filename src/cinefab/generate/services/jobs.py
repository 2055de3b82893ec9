"""A job of somebody else's: submitted once, found again after a kill, anew once if it is forgotten.

No service says what it has begun when an answer is lost: each lost answer may be work that is paid
for, so there are two at most.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

from cinefab.core.canonical import Json, canonical_json
from cinefab.core.clock import Clock
from cinefab.core.errors import Cancelled, CinefabError, Unavailable
from cinefab.generate.http_api import Gone, Patience, Refused, Unanswered, said
from cinefab.generate.run import Run

_KEPT: Final = "job.json"
_TIMES_MAX: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What was submitted, or is about to be; `id` is empty until the service has said one.

    `lost` counts the submissions whose answer was lost: each may be work that is paid for.
    """

    content: str
    times: int
    id: str = ""
    cost_uusd: int | None = None
    lost: int = 0

    def keep(self, run: Run) -> None:
        """Keep it, before anybody waits for it."""
        name = f"{'submitted' if self.id else 'submitting'}-{self.times}"
        document: Json = asdict(self)
        run.keep(name, {_KEPT: canonical_json(document)})

    @classmethod
    def kept(cls, run: Run) -> Job | None:
        """Return what a run has kept; None if it has kept nothing that can be read."""
        point = run.kept()
        if point is None or _KEPT not in point.files:
            return None
        try:
            return cls(**json.loads(point.files[_KEPT].read_bytes()))
        except (OSError, ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far a job is, in percent; `is_done`, or `failed` and why; `answer` as it was given."""

    percent: int
    is_done: bool
    failed: str | None
    answer: Any


class Service(Protocol):
    """How one service is asked; its methods ask once each, and raise what `Api` does."""

    def submit(self, key: str, /) -> tuple[str, int | None]:
        """Begin the work, under a key that names it; return its id, and what it costs if told."""
        ...

    def state(self, job: str, /) -> State:
        """Say how far it is; `Gone` for what is not known there."""
        ...

    def cancel(self, job: str, /) -> None:
        """End it, where there is a word for that."""
        ...


class Jobs:
    """Has one service make one thing, and waits for it."""

    def __init__(
        self, service: Service, patience: Patience, *, clock: Clock, poll_s: float, limit_s: float
    ) -> None:
        self._service = service
        self._patience = patience
        self._clock = clock
        self._poll_s = poll_s
        self._limit_s = limit_s

    def made(self, content: str, run: Run) -> tuple[Job, Any]:
        """Return the job of what `content` names once it is done, and the answer that said so.

        Raises `Refused`, `Unavailable`, `ContractMismatch` and `Cancelled`.
        """
        job = Job.kept(run)
        if job is None or job.content != content:
            job = Job(content=content, times=1)
        elif job.id:
            run.note("resumed_from", job.id)
        while True:
            try:
                if not job.id:
                    job = self._submitted(job, run)
                return job, self._waited_for(job, run)
            except Gone as error:
                if job.times >= _TIMES_MAX:
                    found = f"it has forgotten {job.id}, as the one before"
                    raise self._unavailable(found) from error
                job = Job(content=content, times=job.times + 1)
            except Cancelled:
                self._cancel(job)
                raise

    def _submitted(self, job: Job, run: Run) -> Job:
        job.keep(run)
        # Whoever knows the key makes it once, also where the answer was lost.
        key = f"cinefab-{job.content[:24]}-{job.times}"

        def ask() -> tuple[str, int | None]:
            try:
                return self._service.submit(key)
            except Gone as error:
                raise self._patience.mismatch("it has no such model, or nothing there") from error

        def lost() -> bool:
            nonlocal job
            job = replace(job, lost=job.lost + 1)
            job.keep(run)
            return job.lost < _TIMES_MAX

        if job.lost >= _TIMES_MAX:
            raise self._unavailable("its answers were lost twice; it may have begun both")
        name, cost_uusd = self._patience.ask(ask, run.check_wanted, lost=lost)
        job = replace(job, id=name, cost_uusd=cost_uusd)
        job.keep(run)
        return job

    def _waited_for(self, job: Job, run: Run) -> Any:
        until_us = self._clock.elapsed_us() + round(self._limit_s * 1_000_000)
        told = -1
        while True:
            state = self._patience.ask(lambda: self._service.state(job.id), run.check_wanted)
            if state.is_done:
                run.progress(100, 100)
                return state.answer
            if state.failed is not None:
                # It is over: whoever orders this again asks anew, and does not look at it again.
                replace(job, content="", id="").keep(run)
                raise self._unavailable(f"{job.id} failed: {said(state.failed)}")
            done = min(99, max(0, state.percent))
            if done > told:
                told = done
                run.progress(done, 100)
            run.check_wanted()
            if self._clock.elapsed_us() > until_us:
                self._cancel(job)
                raise self._unavailable(f"{job.id} was not done in time")
            self._clock.sleep(self._poll_s)

    def _cancel(self, job: Job) -> None:
        if job.id:
            with contextlib.suppress(CinefabError, Gone, Unanswered, Refused):
                self._service.cancel(job.id)

    def _unavailable(self, found: str) -> Unavailable:
        return self._patience.unavailable(found)

"""A video is asked for once: found again after a kill, sent anew once if the engine forgot it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.clock import Clock
from cinefab.core.errors import Cancelled
from cinefab.generate.http_api import (
    Answer,
    Api,
    Gone,
    Parts,
    Refused,
    Unanswered,
    items_of,
    said,
)
from cinefab.generate.models.openai_media.settings import Engine
from cinefab.generate.run import Run

_KEPT: Final = "job.json"
_TIMES_MAX: Final = 2
"""How often a video is asked for at most: an engine that forgets it twice would do so again."""

_LIST_MAX: Final = 100
_WAITING: Final = frozenset({"queued", "in_progress", "processing", "pending"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is asked for: the form, its files, what names both, and what the answer must say."""

    fields: Mapping[str, Any]
    files: Parts | None
    content: Sha256
    expected: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What was asked for, or is about to be: `id` is empty until the engine has said one.

    `lost` counts the requests whose answer was lost: each may have begun work that is paid for.
    `known` are the engine's videos of before it was asked: none of them can be this one.
    """

    key: str
    content: str
    times: int
    asked_s: int
    id: str = ""
    lost: int = 0
    known: tuple[str, ...] = ()

    def keep(self, run: Run) -> None:
        """Keep it, before anybody waits for it."""
        name = f"{'asked' if self.id else 'asking'}-{self.times}"
        document: Json = {**asdict(self), "known": list(self.known)}
        run.keep(name, {_KEPT: canonical_json(document)})

    @classmethod
    def kept(cls, run: Run) -> Job | None:
        """Return what a run has kept; None if it has kept nothing that can be read."""
        point = run.kept()
        if point is None or _KEPT not in point.files:
            return None
        try:
            kept = cls(**json.loads(point.files[_KEPT].read_bytes()))
            return replace(kept, known=tuple(kept.known))
        except (OSError, ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A video that can be fetched, and what the engine says that it cost."""

    job: Job
    cost_uusd: int | None


class _Forgotten(Exception):
    """The engine does not know the job any more."""


class Asking:
    """Asks one engine for one video, and waits for it."""

    def __init__(
        self,
        api: Api,
        engine: Engine,
        *,
        clock: Clock,
        new_key: Callable[[], str],
        poll_s: float,
        limit_s: float,
    ) -> None:
        self._api = api
        self._engine = engine
        self._clock = clock
        self._new_key = new_key
        self._poll_s = poll_s
        self._limit_s = limit_s

    def made(self, work: Work, run: Run) -> Done:
        """Return the video's job once it is done.

        Raises `Refused`, `Unavailable`, `ContractMismatch` and `Cancelled`.
        """
        job = Job.kept(run)
        if job is None or job.content != work.content:
            job = self._new(work, times=1)
        else:
            run.note("resumed_from", job.id or "a request whose answer was lost")
        cost: int | None = None
        while True:
            try:
                if not job.id:
                    job, cost = self._taken(job, work, run)
                answer = self._waited_for(job, work, run)
            except _Forgotten as error:
                if job.times >= _TIMES_MAX:
                    found = f"it has forgotten the video {job.id}, as the one before"
                    raise self._api.unavailable(found) from error
                job = self._new(work, times=job.times + 1)
                continue
            except Cancelled:
                self._delete(job)
                raise
            return Done(job=job, cost_uusd=cost if answer.cost_uusd is None else answer.cost_uusd)

    def _new(self, work: Work, *, times: int) -> Job:
        return Job(
            key=self._new_key(),
            content=work.content,
            times=times,
            asked_s=self._clock.now_us() // 1_000_000,
        )

    def _taken(self, job: Job, work: Work, run: Run) -> tuple[Job, int | None]:
        """Return the job with its id, asking for it unless the engine has it already."""
        before = Job.kept(run)
        if before is None or before.key != job.key:
            listed = [item.get("id") for item in self._listed(run)]
            job = replace(job, known=tuple(each for each in listed if isinstance(each, str)))
        elif found := self._found(job, work, run):
            job = replace(job, id=found)
            job.keep(run)
            return job, None
        job.keep(run)

        def ask() -> Answer:
            try:
                files = work.files if self._engine.form_needs_file else _form(work)
                return self._api.post("/videos", fields=work.fields, files=files, key=job.key)
            except Unanswered as error:
                if error.is_taken and (known := self._found(job, work, run)):
                    return Answer(body={"id": known})
                raise

        def lost() -> bool:
            nonlocal job
            job = replace(job, lost=job.lost + 1)
            job.keep(run)
            return job.lost < _TIMES_MAX

        if job.lost >= _TIMES_MAX:
            raise self._api.unavailable("its answers were lost twice; it may have begun both")
        try:
            answer = self._api.patiently(ask, run.check_wanted, lost=lost)
        except Gone as error:
            raise self._api.mismatch("it has no /videos") from error
        named = answer.body.get("id") if isinstance(answer.body, Mapping) else None
        if not isinstance(named, str) or not named or "/" in named:
            raise self._api.mismatch(f"a video without an id: {said(answer.body)}")
        job = replace(job, id=named)
        job.keep(run)
        return job, answer.cost_uusd

    def _found(self, job: Job, work: Work, run: Run) -> str | None:
        """Return the engine's one new video that is like what was asked for, though unanswered.

        A list does not say who asked: where two are like it, neither is taken for this one.
        """
        like = [
            item["id"]
            for item in self._listed(run)
            if isinstance(item.get("id"), str)
            and item["id"] not in job.known
            and item.get("prompt") == work.fields["prompt"]
            and all(str(item.get(name)) == value for name, value in work.expected.items())
            and isinstance(item.get("created_at"), int)
            and item["created_at"] >= job.asked_s - 1
        ]
        return like[0] if len(like) == 1 else None

    def _listed(self, run: Run) -> Sequence[Mapping[str, Any]]:
        if not self._engine.lists:
            return ()
        try:
            answer = self._api.get(f"/videos?limit={_LIST_MAX}&order=desc", run.check_wanted)
        except (Gone, Refused):
            return ()
        return items_of(answer.body)

    def _waited_for(self, job: Job, work: Work, run: Run) -> Answer:
        until_us = self._clock.elapsed_us() + round(self._limit_s * 1_000_000)
        told = -1
        while True:
            try:
                answer = self._api.get(f"/videos/{job.id}", run.check_wanted)
            except Gone as error:
                raise _Forgotten from error
            video = answer.body if isinstance(answer.body, Mapping) else {}
            self._require_its_own(video, job, work)
            progress = video.get("progress")
            done = min(100, max(0, int(progress))) if isinstance(progress, int | float) else 0
            status = video.get("status")
            if status == "completed":
                run.progress(100, 100)
                return answer
            if status not in _WAITING:
                # It is over: whoever orders this again asks anew, and does not look at it again.
                replace(job, content="", id="").keep(run)
                raise self._failed(video)
            if done > told:
                told = done
                run.progress(done, 100)
            run.check_wanted()
            if self._clock.elapsed_us() > until_us:
                self._delete(job)
                found = f"the video {job.id} was not done after {self._limit_s:g} s"
                raise self._api.unavailable(found)
            self._clock.sleep(answer.poll_after_s or self._poll_s)

    def _require_its_own(self, video: Mapping[str, Any], job: Job, work: Work) -> None:
        if video.get("id") != job.id:
            raise self._api.mismatch(f"the video {said(video.get('id'))} for {job.id}")
        for name, value in work.expected.items():
            given = video.get(name)
            if given is not None and not _is_same(str(given), value):
                found = f"{job.id} of {name} {said(given)} where {value} was asked for"
                raise self._api.mismatch(found)

    def _failed(self, video: Mapping[str, Any]) -> Exception:
        error = video.get("error")
        told: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
        code = said(told.get("code") or video.get("status"))
        if "moderation" in code or "policy" in code or "content" in code:
            return Refused(status=400, found=said(told.get("message") or code), parameter="prompt")
        found = f"the video failed: {code} {said(told.get('message', ''))}".strip()
        return self._api.unavailable(found)

    def _delete(self, job: Job) -> None:
        if not job.id:
            return
        try:
            self._api.delete(f"/videos/{job.id}")
        except Unanswered:
            # Whatever it still does, nobody here waits for it.
            return


def _form(work: Work) -> Parts:
    # The published clients always send a form, with a file or without.
    return {} if work.files is None else work.files


def _is_same(given: str, asked: str) -> bool:
    try:
        return abs(float(given) - float(asked)) < 0.01
    except ValueError:
        return given == asked

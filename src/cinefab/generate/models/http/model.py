"""The backend behind the contract: submit, poll, fetch, as the mapping says."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Final

from cinefab.core.canonical import Json, digest_of
from cinefab.core.clock import Clock, SystemClock
from cinefab.generate.backend import ModelCard, TakeRequest
from cinefab.generate.fitting import native_frames
from cinefab.generate.http_api import Answer, Api, Gone, Refused, Unanswered, said
from cinefab.generate.models.http.mapping import Mapped, read_mapping
from cinefab.generate.models.http.settings import OWN_SETTINGS, SETTINGS_SCHEMA
from cinefab.generate.run import ALONE, Run
from cinefab.generate.services.jobs import Job, Jobs, State
from cinefab.generate.services.prices import Prices
from cinefab.generate.services.refusals import refusal
from cinefab.generate.services.results import bytes_at, kept_as
from cinefab.generate.services.shots import (
    picture_of,
    prompt_of,
    require_picture,
    seconds_to_ask,
    work_folder,
)
from cinefab.generate.services.table import PATIENCE_S, TIMEOUT_S, service_card
from cinefab.media.frames import Frame

_POLL_S: Final = 2.0
_UNITS_MAX: Final = 10**9
_BLAMES_PROMPT: Final = frozenset({400, 422})
"""Services do not name the parameter that they refuse, and the prompt is what briefs differ in."""


class Http:
    """One model of a service that a mapping describes."""

    settings_schema: ClassVar[Mapping[str, Any]] = SETTINGS_SCHEMA

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any],
        secrets: Mapping[str, str],
        *,
        clock: Clock | None = None,
    ) -> None:
        """Read the mapping; the service is not asked anything."""
        self._name = name
        self._settings = settings
        self._task = settings["task"]
        self._mapping: Mapped = read_mapping(settings["mapping"], model=name)
        self._prices = Prices.of(settings)
        self._clock = SystemClock() if clock is None else clock
        self._api = Api(
            settings.get("base_url", self._mapping.document["base_url"]),
            headers=self._mapping.headers(secrets),
            patience_s=settings.get("patience_s", PATIENCE_S),
            clock=self._clock,
        )
        own = ("model", "version", "fps", "seconds", "extra")
        determined: Json = {each: str(settings.get(each, "")) for each in own}
        mapping: Json = repr(sorted(self._mapping.document["submit"].items()))
        digest = digest_of({"settings": determined, "mapping": mapping})
        self._version = settings.get("version", "1") + "+" + digest[:12]

    @property
    def card(self) -> ModelCard:
        """What this model says of itself, as its table and mapping do."""
        holes = self._mapping.holes()
        return service_card(
            self._name,
            self._version,
            self._settings,
            asked="What the service is asked for",
            own_settings={
                "type": "object",
                "additionalProperties": False,
                "properties": {n: schema for n, schema in OWN_SETTINGS.items() if n in holes},
            },
            progress=True,
            prices=self._prices,
        )

    def load(self) -> None:
        """Get nothing ready: a service that is away may be back when it is asked."""

    def check(self, request: TakeRequest) -> None:
        """Raise `BriefInvalid` for a shot without the picture that the task begins with."""
        if self._task.startswith("image-to"):
            require_picture(request, model=self._name, begins=self._task)

    def frames(self, request: TakeRequest, run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield the frames of a shot, made by one submission; a killed run pays for it once."""
        from cinefab.generate.received import shown_from

        self.check(request)
        with contextlib.closing(self._api), work_folder(run) as folder:
            seconds = seconds_to_ask(request, self._settings, model=self._name, whole=True)
            asked = _Asked(self._api, self._mapping, self._values(request, seconds))
            jobs = Jobs(
                asked,
                self._api.patience,
                clock=self._clock,
                poll_s=self._settings.get("poll_s", _POLL_S),
                limit_s=self._settings.get("timeout_s", TIMEOUT_S),
            )
            try:
                job, done = jobs.made(asked.content, run)
                path, result = self._fetched(asked, job, done, folder, run)
            except Refused as error:
                raise refusal(
                    error,
                    model=self._name,
                    by=self._mapping.supplier,
                    fields={},
                    blames_prompt=_BLAMES_PROMPT,
                ) from error
            told = asked.cost_of(done)
            if told is None:
                told = asked.units_cost(result, self._settings.get("price_uusd_per_unit"))
            self._account_for(job, told, seconds, run)
            if run.folder is not None:
                run.came_with(path)
            yield from shown_from(
                [path], request, made_by=self._mapping.supplier, confinement=run.confinement
            )

    def cancel(self, run: Run) -> None:
        """Cancel what a run has submitted, where the service has a word for it."""
        job = Job.kept(run)
        if job is not None and job.id:
            with contextlib.closing(self._api), contextlib.suppress(Gone, Refused, Unanswered):
                _Asked(self._api, self._mapping, self._named()).cancel(job.id)

    def _named(self) -> dict[str, Any]:
        """Return the model as paths name it; `app` is its first two parts."""
        model: str = self._settings["model"]
        return {"model": model, "app": "/".join(model.split("/")[:2])}

    def _values(self, request: TakeRequest, seconds: Fraction) -> dict[str, Any]:
        """Return what the holes are filled with; None where there is nothing for one."""
        given: Any = request.input
        fps = Fraction(self._settings.get("fps", 24)).limit_denominator(1001)
        size = request.size
        return {
            **self._settings.get("extra", {}),
            **self._named(),
            "prompt": prompt_of(request),
            "caption": given.get("caption") or None,
            "seed": request.seed % 2**31,
            "width": size.width,
            "height": size.height,
            "size": str(size),
            "ratio": f"{size.width}:{size.height}",
            "fps": int(fps) if fps.denominator == 1 else float(fps),
            "frames": native_frames(request, fps) if self._task.endswith("video") else None,
            "seconds": int(seconds) if self._task.endswith("video") else None,
            "image": self._picture(request),
            **given.get("settings", {}),
        }

    def _picture(self, request: TakeRequest) -> str | None:
        if not self._task.startswith("image-to"):
            return None
        content = base64.b64encode(picture_of(request).read_bytes()).decode()
        return f"data:image/png;base64,{content}"

    def _fetched(
        self, asked: _Asked, job: Job, done: Answer, folder: Path, run: Run
    ) -> tuple[Path, Answer]:
        answer = done
        if "path" in self._mapping.document["result"]:
            try:
                answer = self._api.get(asked.path("result", job.id), run.check_wanted)
            except Gone as error:
                raise self._api.unavailable(f"the result of {job.id} is gone") from error
        url = self._mapping.pick("result", "url", answer.body)
        if not isinstance(url, str):
            raise self._api.mismatch(f"no result where the mapping has it: {said(answer.body)}")

        def fetch() -> bytes:
            return bytes_at(
                url,
                allow_networks=self._settings.get("allow_networks", ()),
                made_by=self._mapping.supplier,
                clock=self._clock,
            )

        return kept_as(folder, self._api.patiently(fetch, run.check_wanted)), answer

    def _account_for(self, job: Job, told_uusd: int | None, seconds: Fraction, run: Run) -> None:
        run.note("engine", self._mapping.supplier)
        run.note("remote_model", self._settings["model"])
        run.note("remote_job", job.id)
        if job.times > 1:
            run.note("asked_times", job.times)
        if "licence" in self._settings:
            run.note("licence", self._settings["licence"])
        run.bill(
            self._prices.bill(
                job.cost_uusd if told_uusd is None else told_uusd,
                seconds=seconds,
                supplier=self._mapping.supplier,
                reference=job.id,
            )
        )


class _Asked:
    """One request of a service as its mapping says it: submitted, looked at, cancelled."""

    def __init__(self, api: Api, mapping: Mapped, values: Mapping[str, Any]) -> None:
        self._api = api
        self._mapping = mapping
        self._values = values

    @property
    def content(self) -> str:
        """What names the request."""
        return digest_of({"body": json.dumps(self._mapping.body(self._values), sort_keys=True)})

    def path(self, section: str, job: str) -> str:
        """Return the path of a section for a job."""
        return self._mapping.text(section, "path", {**self._values, "id": job})

    def submit(self, key: str) -> tuple[str, int | None]:
        """Submit it once."""
        method = self._mapping.document["submit"].get("method", "POST")
        path = self._mapping.text("submit", "path", self._values)
        answer = self._api.send(method, path, body=self._mapping.body(self._values), key=key)
        named = self._mapping.pick("submit", "id", answer.body)
        if not isinstance(named, str) or not named or "/" in named:
            raise self._api.mismatch(f"no id where the mapping has it: {said(answer.body)}")
        return named, self.cost_of(answer)

    def state(self, job: str) -> State:
        """Look at it once."""
        poll = self._mapping.document["poll"]
        answer = self._api.send("GET", self.path("poll", job))
        status = self._mapping.pick("poll", "status", answer.body)
        own = self._mapping.pick("submit", "id", answer.body)
        if own is not None and own != job:
            raise self._api.mismatch(f"the answer of {said(own)} for {job}")
        if status not in (*poll["done"], *poll["failed"], *poll["waiting"]):
            raise self._api.mismatch(f"the status {said(status)}, which the mapping lacks")
        failed = None
        if status in poll["failed"]:
            failed = said(self._mapping.pick("poll", "error", answer.body) or status)
        return State(
            percent=self._percent(answer),
            is_done=status in poll["done"],
            failed=failed,
            answer=answer,
        )

    def cancel(self, job: str) -> None:
        """End it, if the service has a word for that."""
        if "cancel" in self._mapping.document:
            self._api.send(self._mapping.document["cancel"]["method"], self.path("cancel", job))

    def cost_of(self, answer: Answer) -> int | None:
        """Return what an answer says that it costs, in µUSD."""
        cost = self._mapping.document.get("cost", {})
        found = self._mapping.pick("cost", "dollars", answer.body)
        if found is None and "header" in cost:
            found = answer.headers.get(cost["header"].lower())
        try:
            dollars = float(found) * cost.get("unit_uusd", 1_000_000) / 1_000_000
        except (TypeError, ValueError):
            return None
        return round(dollars * 1_000_000) if 0 <= dollars < 1e6 else None

    def units_cost(self, answer: Answer, price_uusd: int | None) -> int | None:
        """Return what the units cost that an answer says are billed; None where either is unknown."""
        header = self._mapping.document.get("cost", {}).get("units_header")
        if header is None or price_uusd is None:
            return None
        try:
            units = Fraction(answer.headers[header.lower()].strip())
        except (KeyError, ValueError, ZeroDivisionError):
            return None
        return int(-(-units * price_uusd // 1)) if 0 <= units < _UNITS_MAX else None

    def _percent(self, answer: Answer) -> int:
        found = self._mapping.pick("poll", "progress", answer.body)
        if not isinstance(found, int | float) or isinstance(found, bool):
            return 0
        return round(found * 100 if found <= 1 else found)

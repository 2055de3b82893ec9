"""The backend behind the contract: submit, poll, fetch, as the mapping says."""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar, Final

from cinefab.core.canonical import Json, canonical_json, digest_of
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.errors import BriefInvalid, Cancelled, CinefabError, ContractMismatch
from cinefab.core.units import Uusd
from cinefab.generate.backend import (
    SERVICE,
    DeviceNeed,
    Limits,
    ModelCard,
    TakeRequest,
    TrainingSet,
)
from cinefab.generate.fitting import native_frames
from cinefab.generate.http_api import Answer, Api, Gone, Refused, Unanswered, said
from cinefab.generate.models.http.mapping import Mapped, read_mapping
from cinefab.generate.models.http.settings import OWN_SETTINGS, SETTINGS_SCHEMA
from cinefab.generate.run import ALONE, Basis, Bill, Run
from cinefab.media.frames import Frame

_KEPT: Final = "job.json"
_TIMES_MAX: Final = 2
_POLL_S: Final = 2.0
_TIMEOUT_S: Final = 1800.0
_PATIENCE_S: Final = 60.0
_RESULT_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What was submitted, or is about to be; `id` is empty until the service has said one.

    `lost` counts the submissions whose answer was lost: each may be work that is paid for.
    """

    content: str
    times: int
    id: str = ""
    cost_uusd: int | None = None
    lost: int = 0

    def keep(self, run: Run) -> None:
        name = f"{'submitted' if self.id else 'submitting'}-{self.times}"
        document: Json = asdict(self)
        run.keep(name, {_KEPT: canonical_json(document)})

    @classmethod
    def kept(cls, run: Run) -> _Job | None:
        point = run.kept()
        if point is None or _KEPT not in point.files:
            return None
        try:
            return cls(**json.loads(point.files[_KEPT].read_bytes()))
        except (OSError, ValueError, TypeError):
            return None


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
        self._clock = SystemClock() if clock is None else clock
        self._base_url = settings.get("base_url", self._mapping.document["base_url"])
        self._secrets = secrets
        self._api = Api(
            self._base_url,
            headers=self._mapping.headers(secrets),
            patience_s=settings.get("patience_s", _PATIENCE_S),
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
        settings = {name: schema for name, schema in OWN_SETTINGS.items() if name in holes}
        capabilities = {"progress"} | ({"deterministic"} & self._claims())
        return ModelCard(
            name=self._name,
            version=self._version,
            task=self._task,
            input_schema={
                "title": "What the service is asked for",
                "type": "object",
                "properties": {
                    "prompt": {"type": "string"},
                    "settings": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": settings,
                    },
                },
            },
            output_schema={"title": "What the service delivers", "type": "object"},
            limits=Limits(
                width_max=self._settings.get("width_max", 4096),
                height_max=self._settings.get("height_max", 4096),
                frames_max=self._settings.get("frames_max", 2_400),
            ),
            capabilities=frozenset(capabilities),
            devices=(DeviceNeed(device_class=SERVICE, memory_mb=1),),
            training_sets=tuple(
                TrainingSet(**each) for each in self._settings.get("training_sets", ())
            ),
            digital_source_type="trainedAlgorithmicMedia",
            cost_us_per_megapixel=1_000,
            cost_us_fixed=5_000_000,
        )

    def load(self) -> None:
        """Get nothing ready: a service that is away may be back when it is asked."""

    def check(self, request: TakeRequest) -> None:
        """Raise `BriefInvalid` for a shot without the picture that the task begins with."""
        if self._task.startswith("image-to") and not request.references:
            raise BriefInvalid(
                attempted=f"make a shot with the model {self._name!r}",
                field="references",
                found=f"{self._task} begins with a picture",
                remedy="Name a picture among the shot's references.",
            )

    def frames(self, request: TakeRequest, run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield the frames of a shot, made by one submission; a killed run pays for it once."""
        from cinefab.generate.received import shown_from

        self.check(request)
        with contextlib.ExitStack() as stack:
            stack.callback(self._api.close)
            folder = run.folder
            if folder is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder.mkdir(parents=True, exist_ok=True)
            seconds = self._seconds(request)
            try:
                job, done = self._made(self._values(request, seconds), run)
                path = self._fetched(job, done, folder, run)
            except Refused as error:
                raise self._refused(error) from error
            self._account_for(job, done, seconds, run)
            if run.folder is not None:
                run.came_with(path)
            yield from shown_from(
                [path], request, made_by=self._mapping.supplier, confinement=run.confinement
            )

    def cancel(self, run: Run) -> None:
        """Cancel what a run has submitted, where the service has a word for it."""
        job = _Job.kept(run)
        if job is not None and job.id:
            with contextlib.closing(self._api):
                self._cancel(job)

    def _claims(self) -> set[str]:
        return {"deterministic"} if self._settings.get("deterministic") else set()

    def _seconds(self, request: TakeRequest) -> Fraction:
        needed = Fraction(request.frames) / request.fps
        known = self._settings.get("seconds")
        if known is None:
            return Fraction(-(-needed // 1))
        longer = [each for each in sorted(known) if each >= needed]
        if not longer:
            raise BriefInvalid(
                attempted=f"make a shot with the model {self._name!r}",
                field="seconds",
                found=f"it lasts {float(needed):g} seconds with its transitions",
                remedy=f"The model makes {', '.join(map(str, sorted(known)))}: shorten the shot.",
            )
        return Fraction(longer[0])

    def _named(self) -> dict[str, str]:
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
            "prompt": given.get("prompt") or given.get("caption") or "",
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
        given: Any = request.input
        names = [name for name in given.get("references", ()) if name in request.references]
        path = request.references[names[0] if names else next(iter(request.references))]
        return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"

    def _made(self, values: Mapping[str, Any], run: Run) -> tuple[_Job, Answer]:
        """Return what was submitted, and what the service said when it was done."""
        body = self._mapping.body(values)
        content = digest_of({"body": json.dumps(body, sort_keys=True)})
        job = _Job.kept(run)
        if job is None or job.content != content:
            job = _Job(content=content, times=1)
        elif job.id:
            run.note("resumed_from", job.id)
        while True:
            try:
                if not job.id:
                    job = self._submitted(job, body, values, run)
                return job, self._waited_for(job, values, run)
            except Gone as error:
                if job.times >= _TIMES_MAX:
                    found = f"it has forgotten {job.id}, as the one before"
                    raise self._api.unavailable(found) from error
                job = _Job(content=content, times=job.times + 1)
            except Cancelled:
                with contextlib.suppress(CinefabError, Unanswered, Refused):
                    self._cancel(job)
                raise

    def _submitted(self, job: _Job, body: Any, values: Mapping[str, Any], run: Run) -> _Job:
        job.keep(run)
        method = self._mapping.document["submit"].get("method", "POST")
        path = self._mapping.text("submit", "path", values)
        # Whoever knows the key makes it once, also where the answer was lost.
        key = f"cinefab-{job.content[:24]}-{job.times}"

        def ask() -> Answer:
            try:
                return self._api.send(method, path, body=body, key=key)
            except Gone as error:
                raise self._api.mismatch(f"it has no {path}") from error

        def lost() -> bool:
            nonlocal job
            job = replace(job, lost=job.lost + 1)
            job.keep(run)
            return job.lost < _TIMES_MAX

        if job.lost >= _TIMES_MAX:
            raise self._api.unavailable("its answers were lost twice; it may have begun both")
        answer = self._api.patiently(ask, run.check_wanted, lost=lost)
        named = self._mapping.pick("submit", "id", answer.body)
        if not isinstance(named, str) or not named or "/" in named:
            raise self._api.mismatch(f"no id where the mapping has it: {said(answer.body)}")
        job = replace(job, id=named, cost_uusd=self._cost_of(answer))
        job.keep(run)
        return job

    def _waited_for(self, job: _Job, values: Mapping[str, Any], run: Run) -> Answer:
        poll = self._mapping.document["poll"]
        path = self._mapping.text("poll", "path", {**values, "id": job.id})
        until_us = self._clock.elapsed_us() + round(
            self._settings.get("timeout_s", _TIMEOUT_S) * 1_000_000
        )
        told = -1
        while True:
            answer = self._api.get(path, run.check_wanted)
            status = self._mapping.pick("poll", "status", answer.body)
            own = self._mapping.pick("submit", "id", answer.body)
            if own is not None and own != job.id:
                raise self._api.mismatch(f"the answer of {said(own)} for {job.id}")
            if status in poll["done"]:
                run.progress(100, 100)
                return answer
            if status in poll["failed"]:
                # It is over: whoever orders this again asks anew, and does not look at it again.
                replace(job, content="", id="").keep(run)
                why = said(self._mapping.pick("poll", "error", answer.body) or status)
                raise self._api.unavailable(f"{job.id} failed: {why}")
            if status not in poll["waiting"]:
                raise self._api.mismatch(f"the status {said(status)}, which the mapping lacks")
            done = self._progress(answer)
            if done > told:
                told = done
                run.progress(done, 100)
            run.check_wanted()
            if self._clock.elapsed_us() > until_us:
                self._cancel(job)
                raise self._api.unavailable(f"{job.id} was not done in time")
            self._clock.sleep(self._settings.get("poll_s", _POLL_S))

    def _progress(self, answer: Answer) -> int:
        found = self._mapping.pick("poll", "progress", answer.body)
        if not isinstance(found, int | float) or isinstance(found, bool):
            return 0
        return min(99, max(0, round(found * 100 if found <= 1 else found)))

    def _fetched(self, job: _Job, done: Answer, folder: Path, run: Run) -> Path:
        answer = done
        values = {"id": job.id, **self._named()}
        if "path" in self._mapping.document["result"]:
            path = self._mapping.text("result", "path", values)
            try:
                answer = self._api.get(path, run.check_wanted)
            except Gone as error:
                raise self._api.unavailable(f"the result of {job.id} is gone") from error
        url = self._mapping.pick("result", "url", answer.body)
        if not isinstance(url, str):
            raise self._api.mismatch(f"no result where the mapping has it: {said(answer.body)}")
        content = self._bytes_at(url)
        suffix = _suffix_of(content)
        target = folder / f"delivered{suffix}"
        target.write_bytes(content)
        return target

    def _bytes_at(self, url: str) -> bytes:
        """Fetch a result from wherever the service says that it is: never from a private place."""
        from cinefab.media.fetching.fetched import FetchLimits, Refusal, resolve_by_system
        from cinefab.media.fetching.remote import Remote

        allowed = [ip_network(each) for each in self._settings.get("allow_networks", ())]
        limits = FetchLimits(bytes_max=_RESULT_BYTES, total_seconds=600.0)
        remote = Remote(
            limits,
            allow_networks=allowed,
            resolve=resolve_by_system,
            tls=None,
            clock=self._clock,
        )

        def fetch() -> bytes:
            try:
                return remote.fetch(url).data
            except Refusal as refusal:
                if "answered 5" in refusal.found or "connection failed" in refusal.found:
                    raise Unanswered(f"{refusal.shown}: {refusal.found}") from refusal
                raise ContractMismatch(
                    attempted=f"fetch what {self._mapping.supplier} made from {refusal.shown}",
                    found=refusal.found,
                    remedy="Allow the network in the model's table (allow_networks), if it is yours.",
                ) from refusal

        return self._api.patiently(fetch, lambda: None)

    def _cancel(self, job: _Job) -> None:
        if not job.id or "cancel" not in self._mapping.document:
            return
        values = {"id": job.id, **self._named()}
        path = self._mapping.text("cancel", "path", values)
        with contextlib.suppress(Gone, Refused, Unanswered):
            self._api.send(self._mapping.document["cancel"]["method"], path)

    def _cost_of(self, answer: Answer) -> int | None:
        cost = self._mapping.document.get("cost", {})
        found = self._mapping.pick("cost", "dollars", answer.body)
        if found is None and "header" in cost:
            found = answer.headers.get(cost["header"].lower())
        try:
            dollars = float(found) * cost.get("unit_uusd", 1_000_000) / 1_000_000
        except (TypeError, ValueError):
            return None
        return round(dollars * 1_000_000) if 0 <= dollars < 1e6 else None

    def _account_for(self, job: _Job, done: Answer, seconds: Fraction, run: Run) -> None:
        run.note("engine", self._mapping.supplier)
        run.note("remote_model", self._settings["model"])
        run.note("remote_job", job.id)
        if job.times > 1:
            run.note("asked_times", job.times)
        if "licence" in self._settings:
            run.note("licence", self._settings["licence"])
        told = self._cost_of(done)
        amount, basis = self._priced(job.cost_uusd if told is None else told, seconds)
        run.bill(
            Bill(
                amount_uusd=amount,
                basis=basis,
                supplier=self._mapping.supplier,
                reference=job.id,
            )
        )

    def _priced(self, told: int | None, seconds: Fraction) -> tuple[Uusd | None, Basis]:
        if told is not None:
            return Uusd(told), "answer"
        per_run = self._settings.get("price_uusd_per_run")
        per_second = self._settings.get("price_uusd_per_second")
        if per_run is None and per_second is None:
            return None, "unknown"
        timed = 0 if per_second is None else int(-(-per_second * seconds // 1))
        return Uusd((per_run or 0) + timed), "price-book"

    def _refused(self, error: Refused) -> CinefabError:
        if error.status in (401, 403):
            return ContractMismatch(
                attempted=f"ask for a shot of the model {self._name!r}",
                found=f"{self._mapping.supplier} does not let us: {error.found}",
                remedy="See that api_key_env names a key that is allowed this model.",
            )
        if error.status in (400, 422):
            return BriefInvalid(
                attempted=f"ask for a shot of the model {self._name!r}",
                field="prompt",
                found=f"{self._mapping.supplier} refused it: {error.found}",
                remedy="Change the shot or its model_settings, as the service says.",
            )
        return ContractMismatch(
            attempted=f"ask for a shot of the model {self._name!r}",
            found=f"{self._mapping.supplier} refused it ({error.status}): {error.found}",
            remedy="Change the model's table or its mapping, as the service says.",
        )


def _suffix_of(content: bytes) -> str:
    heads = {
        b"\x89PNG": ".png",
        b"\xff\xd8\xff": ".jpg",
        b"RIFF": ".webp",
        b"\x1aE\xdf\xa3": ".webm",
    }
    if content[4:8] == b"ftyp":
        return ".avif" if content[8:12] in (b"avif", b"avis") else ".mp4"
    return next((suffix for head, suffix in heads.items() if content.startswith(head)), "")

"""The backend behind the contract: a shot is asked for, waited for, fetched, and shown."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Final

from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.core.ids import RandomIds
from cinefab.generate.backend import AUDIO_HZ, ModelCard, Samples, SoundRequest, TakeRequest
from cinefab.generate.http_api import Answer, Api, Gone, Parts, Refused, items_of, said
from cinefab.generate.models.openai_media.asking import Asking, Job, Work
from cinefab.generate.models.openai_media.settings import (
    ENGINES,
    INPUT_SETTINGS,
    SETTINGS_SCHEMA,
)
from cinefab.generate.run import ALONE, Bill, Run
from cinefab.generate.services.answers import answered_once
from cinefab.generate.services.prices import Prices
from cinefab.generate.services.refusals import refusal
from cinefab.generate.services.results import kept_as
from cinefab.generate.services.shots import (
    picture_of,
    prompt_of,
    require_picture,
    seconds_to_ask,
    size_to_ask,
    work_folder,
)
from cinefab.generate.services.table import PATIENCE_S, TIMEOUT_S, service_card
from cinefab.media.frames import Frame

_POLL_S: Final = 1.0
_FIELDS: Final = {
    "prompt": "prompt",
    "input": "prompt",
    "seconds": "seconds",
    "size": "output.size",
    "input_reference": "references",
    "image": "references",
    "num_inference_steps": "model_settings.steps",
    "guidance_scale": "model_settings.guidance",
    "negative_prompt": "model_settings.negative_prompt",
}
"""The brief's fields, by the parameters that engines name."""


class OpenaiMedia:
    """One model of an engine that speaks OpenAI's media API."""

    settings_schema: ClassVar[Mapping[str, Any]] = SETTINGS_SCHEMA

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any],
        secrets: Mapping[str, str],
        *,
        clock: Clock | None = None,
    ) -> None:
        """Take the settings in; no engine is asked anything."""
        self._name = name
        self._settings = settings
        self._task = settings["task"]
        self._engine = ENGINES[settings.get("engine", "openai")]
        self._clock = SystemClock() if clock is None else clock
        self._ids = RandomIds(self._clock)
        self._prices = Prices.of(settings)
        headers = dict(settings.get("headers", {}))
        if "api_key" in secrets:
            headers["Authorization"] = f"Bearer {secrets['api_key']}"
        self._api = Api(
            settings["base_url"],
            headers=headers,
            patience_s=settings.get("patience_s", PATIENCE_S),
            clock=self._clock,
        )
        own = ("model", "engine", "version", "sizes", "seconds", "fps", "voice")
        determined: Json = {each: str(settings.get(each, "")) for each in own}
        self._version = settings.get("version", "1") + "+" + digest_of(determined)[:12]

    @property
    def card(self) -> ModelCard:
        """What this model says of itself: what the table says, as the API has no word for it."""
        return service_card(
            self._name,
            self._version,
            self._settings,
            asked="What the API is asked for",
            own_settings=INPUT_SETTINGS,
            progress=self._is_video and not self._engine.answers_at_once,
            prices=self._prices,
        )

    @property
    def _is_video(self) -> bool:
        return bool(self._task.endswith("video"))

    def load(self) -> None:
        """Get nothing ready: an engine that is away may be back when it is asked."""

    def check(self, request: TakeRequest) -> None:
        """Raise `BriefInvalid` for a shot without the picture that the task begins with."""
        if self._task.startswith("image-to"):
            require_picture(request, model=self._name, begins=self._task)

    def frames(self, request: TakeRequest, run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield the frames of a shot, made by one request; a killed run pays for it once."""
        from cinefab.generate.received import is_film, shown_from

        self.check(request)
        with self._folder(run) as folder:
            path, bill = (
                self._video(request, run, folder)
                if self._is_video and not self._engine.answers_at_once
                else self._at_once(request, run, folder)
            )
            if self._is_video and not is_film(path):
                raise self._api.mismatch("no film where a video was asked for")
            self._account_for(path, bill, run)
            yield from shown_from([path], request, made_by=self._name, confinement=run.confinement)

    def samples(self, request: SoundRequest, run: Run = ALONE, /) -> Samples:
        """Return exactly the samples asked for, as `/audio/speech` speaks the prompt."""
        from cinefab.generate.received import heard_from

        given: Any = request.input
        own = given.get("settings", {})
        voice = own.get("voice", self._settings.get("voice", "alloy"))
        fields = {
            "model": self._settings["model"],
            "input": given.get("prompt", ""),
            "voice": voice,
            "response_format": "wav",
            **({"instructions": own["instructions"]} if "instructions" in own else {}),
        }
        with self._folder(run) as folder:
            path = folder / "delivered.wav"
            key = self._key(fields, request.seed)

            def ask() -> Mapping[str, str]:
                return self._api.post_for_file("/audio/speech", fields=fields, to=path, key=key)

            try:
                headers = self._api.patiently_once_more(ask, run.check_wanted)
            except Refused as error:
                raise self._refused(error) from error
            cost = Answer(body=None, headers=headers).cost_uusd
            seconds = Fraction(request.samples, AUDIO_HZ)
            self._account_for(path, self._bill(cost, key, seconds=seconds), run)
            return heard_from(
                path, request.samples, made_by=self._name, confinement=run.confinement
            )

    def cancel(self, run: Run) -> None:
        """Delete what a cancelled run has asked for; the engine may go on with it all the same."""
        job = Job.kept(run)
        if job is not None and job.id:
            with contextlib.closing(self._api):
                self._api.delete(f"/videos/{job.id}")

    # Videos

    def _video(self, request: TakeRequest, run: Run, folder: Path) -> tuple[Path, Bill]:
        seconds = seconds_to_ask(
            request, self._settings, model=self._name, whole=not self._engine.takes_frames
        )
        size = str(size_to_ask(request.size, self._settings))
        fields = self._video_fields(request, size=size, seconds=seconds)
        work = Work(
            fields=fields,
            files=self._reference(request, "input_reference"),
            content=self._content(fields, request),
            expected={"size": size, "seconds": _seconds_text(seconds)},
        )
        asking = Asking(
            self._api,
            self._engine,
            clock=self._clock,
            new_key=lambda: self._ids.new("req"),
            poll_s=self._settings.get("poll_s", _POLL_S),
            limit_s=self._settings.get("timeout_s", TIMEOUT_S),
        )
        try:
            done = asking.made(work, run)
            path = folder / "delivered.mp4"
            self._api.fetch(f"/videos/{done.job.id}/content", path, run.check_wanted)
        except Refused as error:
            raise self._refused(error) from error
        run.note("remote_job", done.job.id)
        if done.job.times > 1:
            run.note("asked_times", done.job.times)
        return path, self._bill(done.cost_uusd, done.job.id, seconds=Fraction(seconds))

    def _video_fields(
        self, request: TakeRequest, *, size: str, seconds: Fraction
    ) -> dict[str, Any]:
        given: Any = request.input
        own = given.get("settings", {})
        fields: dict[str, Any] = {
            "model": self._settings["model"],
            "prompt": prompt_of(request),
            "size": size,
            "seconds": _seconds_text(seconds),
        }
        if self._engine.takes_frames:
            fps = self._fps
            fields |= {
                "fps": _number(fps),
                "num_frames": -(-int(seconds * fps * 1000) // 1000),
                "seed": request.seed % 2**31,
            }
            names = (("steps", "num_inference_steps"), ("guidance", "guidance_scale"))
            fields |= {theirs: own[ours] for ours, theirs in names if ours in own}
            if "negative_prompt" in own:
                fields["negative_prompt"] = own["negative_prompt"]
        return fields

    @property
    def _fps(self) -> Fraction:
        return Fraction(self._settings.get("fps", 24)).limit_denominator(1001)

    # What is answered at once

    def _at_once(self, request: TakeRequest, run: Run, folder: Path) -> tuple[Path, Bill]:
        """Return what is answered at once: a picture, or the video itself."""
        where, fields, files = self._asked_at_once(request)
        key = self._key(fields, request.seed)
        limit_s = self._settings.get("timeout_s", TIMEOUT_S)

        def ask() -> tuple[bytes, int | None]:
            answer = self._api.post(where, fields=fields, files=files, key=key, limit_s=limit_s)
            return self._media(answer.body), answer.cost_uusd

        try:
            # There is no job that could be found again, so the key is all that keeps an engine from
            # making it twice while nobody has its answer.
            content, cost_uusd = answered_once(key, ask, run, patience=self._api.patience)
        except Refused as error:
            raise self._refused(error) from error
        except Gone as error:
            raise self._api.mismatch(f"it has no {where}") from error
        seconds = self._whole_seconds(request) if self._is_video else None
        return kept_as(folder, content), self._bill(cost_uusd, key, seconds=seconds)

    def _whole_seconds(self, request: TakeRequest) -> Fraction:
        return seconds_to_ask(request, self._settings, model=self._name, whole=True)

    def _asked_at_once(self, request: TakeRequest) -> tuple[str, Mapping[str, Any], Parts | None]:
        size = str(size_to_ask(request.size, self._settings))
        if self._is_video:
            return "/videos", self._whole_video(request, size), None
        given: Any = request.input
        own = given.get("settings", {})
        fields: dict[str, Any] = {
            "model": self._settings["model"],
            "prompt": prompt_of(request),
            "n": 1,
            "size": size,
            **({"quality": own["quality"]} if "quality" in own else {}),
        }
        if self._engine.takes_frames:
            fields |= {"seed": request.seed % 2**31}
        if self._task == "image-to-image":
            return "/images/edits", fields, self._reference(request, "image")
        return "/images/generations", {**fields, "response_format": "b64_json"}, None

    def _whole_video(self, request: TakeRequest, size: str) -> Mapping[str, Any]:
        """Return what an engine is asked for that answers with the video: JSON, whole seconds."""
        seconds = self._whole_seconds(request)
        fields = self._video_fields(request, size=size, seconds=seconds)
        fields["fps"] = max(1, round(self._fps))
        common = {name: fields.pop(name) for name in ("model", "prompt", "size", "seconds")}
        asked = {**common, "seconds": int(seconds), "response_format": "b64_json", "nvext": fields}
        if self._task.startswith("image-to"):
            content = base64.b64encode(picture_of(request).read_bytes()).decode()
            asked["input_reference"] = f"data:image/png;base64,{content}"
        return asked

    def _media(self, body: object) -> bytes:
        told = body.get("error") if isinstance(body, Mapping) else None
        if told:
            raise self._api.unavailable(f"it failed: {said(told)}")
        items = items_of(body)
        text = items[0].get("b64_json") if len(items) == 1 else None
        if not isinstance(text, str):
            found = f"{len(items)} of them" if len(items) != 1 else "nothing in base64"
            raise self._api.mismatch(f"{found} where one was asked for")
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise self._api.mismatch("something that is not base64") from error

    # What both share

    def _reference(self, request: TakeRequest, field: str) -> Parts | None:
        if not self._task.startswith("image-to"):
            return None
        path = picture_of(request)
        return {field: (f"{field}.png", path.read_bytes(), "image/png")}

    def _content(self, fields: Mapping[str, Any], request: TakeRequest) -> Sha256:
        said_of: Json = {name: str(value) for name, value in fields.items()}
        return digest_of({"fields": said_of, "seed": request.seed})

    def _key(self, fields: Mapping[str, Any], seed: int) -> str:
        text: Json = {name: str(value) for name, value in fields.items()}
        return f"cinefab-{digest_of({'fields': text, 'seed': seed, 'model': self._name})[:32]}"

    def _bill(self, cost_uusd: int | None, reference: str, *, seconds: Fraction | None) -> Bill:
        return self._prices.bill(
            cost_uusd, seconds=seconds, supplier=self._supplier, reference=reference
        )

    @property
    def _supplier(self) -> str:
        return str(self._settings["base_url"].split("://", 1)[1].partition("/")[0])

    def _account_for(self, path: Path, bill: Bill, run: Run) -> None:
        run.note("engine", self._settings.get("engine", "openai"))
        run.note("remote_model", self._settings["model"])
        if "licence" in self._settings:
            run.note("licence", self._settings["licence"])
        run.bill(bill)
        if run.folder is not None:
            run.came_with(path)

    def _refused(self, error: Refused) -> BriefInvalid | ContractMismatch:
        return refusal(error, model=self._name, by="the engine", fields=_FIELDS)

    @contextlib.contextmanager
    def _folder(self, run: Run) -> Iterator[Path]:
        with contextlib.closing(self._api), work_folder(run) as folder:
            yield folder


def _seconds_text(seconds: Fraction) -> str:
    return str(seconds.numerator) if seconds.denominator == 1 else f"{float(seconds):.3f}"


def _number(fps: Fraction) -> int | float:
    return int(fps) if fps.denominator == 1 else float(fps)

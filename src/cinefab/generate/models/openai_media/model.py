"""The backend behind the contract: a shot is asked for, waited for, fetched, and shown."""

from __future__ import annotations

import base64
import binascii
import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Final

from cinefab.core.brief import Size
from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.core.ids import RandomIds
from cinefab.core.units import Uusd
from cinefab.generate.backend import (
    SERVICE,
    DeviceNeed,
    Limits,
    ModelCard,
    Samples,
    SoundRequest,
    TakeRequest,
    TrainingSet,
)
from cinefab.generate.http_api import Api, Parts, Refused, items_of
from cinefab.generate.models.openai_media.asking import Asking, Job, Work
from cinefab.generate.models.openai_media.settings import (
    ENGINES,
    INPUT_SETTINGS,
    SETTINGS_SCHEMA,
)
from cinefab.generate.run import ALONE, Basis, Bill, Run
from cinefab.media.frames import Frame

_POLL_S: Final = 1.0
_TIMEOUT_S: Final = 1800.0
_PATIENCE_S: Final = 60.0
_SUFFIXES: Final = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"RIFF": ".webp",
    b"\x1aE\xdf\xa3": ".webm",
}


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
        if settings.get("engine") == "dynamo" and self._is_video:
            raise ContractMismatch(
                attempted=f"make the model {name!r}",
                found="Dynamo answers with the video itself, and has no jobs to be waited for",
                remedy="Use it for pictures, or describe its videos by a mapping of backend http.",
            )
        headers = dict(settings.get("headers", {}))
        if "api_key" in secrets:
            headers["Authorization"] = f"Bearer {secrets['api_key']}"
        self._api = Api(
            settings["base_url"],
            headers=headers,
            patience_s=settings.get("patience_s", _PATIENCE_S),
            clock=self._clock,
        )
        own = ("model", "engine", "version", "sizes", "seconds", "fps", "voice")
        determined: Json = {each: str(settings.get(each, "")) for each in own}
        self._version = settings.get("version", "1") + "+" + digest_of(determined)[:12]

    @property
    def card(self) -> ModelCard:
        """What this model says of itself: what the table says, as the API has no word for it."""
        capabilities = {"progress"} if self._is_video else set()
        if self._settings.get("deterministic"):
            capabilities.add("deterministic")
        return ModelCard(
            name=self._name,
            version=self._version,
            task=self._task,
            input_schema={
                "title": "What the API is asked for",
                "type": "object",
                "properties": {"prompt": {"type": "string"}, "settings": INPUT_SETTINGS},
            },
            output_schema={"title": "What the engine delivers", "type": "object"},
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

    @property
    def _is_video(self) -> bool:
        return bool(self._task.endswith("video"))

    def load(self) -> None:
        """Get nothing ready: an engine that is away may be back when it is asked."""

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
        """Yield the frames of a shot, made by one request; a killed run pays for it once."""
        from cinefab.generate.received import is_film, shown_from

        self.check(request)
        with self._folder(run) as folder:
            path, bill = (
                self._video(request, run, folder)
                if self._is_video
                else (self._image(request, run, folder))
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
            from cinefab.generate.http_api import Answer

            cost = Answer(body=None, headers=headers).cost_uusd
            seconds = Fraction(request.samples, 48_000)
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
        seconds = self._seconds(request)
        size = self._size(request.size)
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
            limit_s=self._settings.get("timeout_s", _TIMEOUT_S),
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
            "prompt": given.get("prompt") or given.get("caption") or "",
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

    def _seconds(self, request: TakeRequest) -> Fraction:
        """Return how long a video to ask for: as long as the shot, or the next length there is."""
        needed = Fraction(request.frames) / request.fps
        known = self._settings.get("seconds")
        if known is None:
            return needed if self._engine.takes_frames else Fraction(-(-needed // 1))
        longer = [each for each in sorted(known) if each >= needed]
        if not longer:
            raise BriefInvalid(
                attempted=f"make a shot with the model {self._name!r}",
                field="seconds",
                found=f"it lasts {float(needed):g} seconds with its transitions",
                remedy=f"The model makes {', '.join(map(str, sorted(known)))}: shorten the shot.",
            )
        return Fraction(longer[0])

    def _size(self, size: Size) -> str:
        """Return the size to ask for: the film's, or the known one that is most like it."""
        known = self._settings.get("sizes")
        if known is None:
            return str(size)

        def unlike(each: str) -> tuple[float, int]:
            width, height = (int(side) for side in each.split("x"))
            ratio = width / height * size.height / size.width
            return max(ratio, 1 / ratio), abs(width * height - size.width * size.height)

        return str(min(known, key=unlike))

    # Images

    def _image(self, request: TakeRequest, run: Run, folder: Path) -> tuple[Path, Bill]:
        given: Any = request.input
        own = given.get("settings", {})
        fields: dict[str, Any] = {
            "model": self._settings["model"],
            "prompt": given.get("prompt") or given.get("caption") or "",
            "n": 1,
            "size": self._size(request.size),
            **({"quality": own["quality"]} if "quality" in own else {}),
        }
        if self._engine.takes_frames:
            fields |= {"seed": request.seed % 2**31}
        files = self._reference(request, "image") if request.references else None
        is_edit = self._task == "image-to-image"
        path, key = folder / "delivered", self._key(fields, request.seed)
        if not is_edit:
            files = None
            fields["response_format"] = "b64_json"

        def ask() -> Any:
            where = "/images/edits" if is_edit else "/images/generations"
            return self._api.post(where, fields=fields, files=files, key=key)

        try:
            # A picture is answered at once: there is no job that could be found again, so the key
            # is all that keeps an engine from making it twice.
            answer = self._api.patiently_once_more(ask, run.check_wanted)
        except Refused as error:
            raise self._refused(error) from error
        path = _with_suffix(path, self._picture(answer.body, run))
        return path, self._bill(answer.cost_uusd, key, seconds=None)

    def _picture(self, body: object, run: Run) -> bytes:
        items = items_of(body)
        text = items[0].get("b64_json") if len(items) == 1 else None
        if not isinstance(text, str):
            found = f"{len(items)} pictures" if len(items) != 1 else "no picture in base64"
            raise self._api.mismatch(f"{found} where one was asked for")
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise self._api.mismatch("a picture that is not base64") from error

    # What both share

    def _reference(self, request: TakeRequest, field: str) -> Parts | None:
        if not self._task.startswith("image-to"):
            return None
        given: Any = request.input
        names = [name for name in given.get("references", ()) if name in request.references]
        path = request.references[names[0] if names else next(iter(request.references))]
        return {field: (f"{field}.png", path.read_bytes(), "image/png")}

    def _content(self, fields: Mapping[str, Any], request: TakeRequest) -> Sha256:
        said_of: Json = {name: str(value) for name, value in fields.items()}
        return digest_of({"fields": said_of, "seed": request.seed})

    def _key(self, fields: Mapping[str, Any], seed: int) -> str:
        text: Json = {name: str(value) for name, value in fields.items()}
        return f"cinefab-{digest_of({'fields': text, 'seed': seed, 'model': self._name})[:32]}"

    def _bill(self, cost_uusd: int | None, reference: str, *, seconds: Fraction | None) -> Bill:
        amount, basis = self._priced(cost_uusd, seconds)
        return Bill(amount_uusd=amount, basis=basis, supplier=self._supplier, reference=reference)

    def _priced(self, cost_uusd: int | None, seconds: Fraction | None) -> tuple[Uusd | None, Basis]:
        if cost_uusd is not None:
            return Uusd(cost_uusd), "answer"
        per_run = self._settings.get("price_uusd_per_run")
        per_second = self._settings.get("price_uusd_per_second")
        if per_run is None and (per_second is None or seconds is None):
            return None, "unknown"
        timed = 0 if per_second is None or seconds is None else -(-per_second * seconds // 1)
        return Uusd((per_run or 0) + int(timed)), "price-book"

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
        fields = {
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
        if error.status in (401, 403):
            return ContractMismatch(
                attempted=f"ask for a shot of the model {self._name!r}",
                found=f"the engine does not let us: {error.found}",
                remedy="See that api_key_env names a key that is allowed this model.",
            )
        if error.parameter in fields:
            return BriefInvalid(
                attempted=f"ask for a shot of the model {self._name!r}",
                field=fields[error.parameter or ""],
                found=f"the engine refused it: {error.found}",
                remedy="Change the field, or choose another model.",
            )
        return ContractMismatch(
            attempted=f"ask for a shot of the model {self._name!r}",
            found=f"the engine refused it ({error.status}): {error.found}",
            remedy="Change the brief or the model's table, as the engine says.",
        )

    @contextlib.contextmanager
    def _folder(self, run: Run) -> Iterator[Path]:
        with contextlib.ExitStack() as stack:
            stack.callback(self._api.close)
            folder = run.folder
            if folder is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder.mkdir(parents=True, exist_ok=True)
            yield folder


def _with_suffix(path: Path, content: bytes) -> Path:
    suffix = next((s for head, s in _SUFFIXES.items() if content.startswith(head)), "")
    if content[4:12] == b"ftypavif":
        suffix = ".avif"
    whole = path.with_suffix(suffix)
    whole.write_bytes(content)
    return whole


def _seconds_text(seconds: Fraction) -> str:
    return str(seconds.numerator) if seconds.denominator == 1 else f"{float(seconds):.3f}"


def _number(fps: Fraction) -> int | float:
    return int(fps) if fps.denominator == 1 else float(fps)

"""The backend behind the contract: pictures, films and speech of a provider that litellm knows."""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Final

from cinefab.core.brief import Size
from cinefab.core.canonical import Json, digest_of
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.errors import BriefInvalid, ContractMismatch, Unavailable
from cinefab.core.units import Uusd
from cinefab.generate.backend import AUDIO_HZ, ModelCard, Samples, SoundRequest, TakeRequest
from cinefab.generate.http_api import Gone, Patience, Refused, Unanswered, said
from cinefab.generate.models.litellm.asking import child_of
from cinefab.generate.models.litellm.prices import read_price_map, uusd_of
from cinefab.generate.models.litellm.settings import OWN_SETTINGS, SETTINGS_SCHEMA
from cinefab.generate.run import ALONE, Bill, Run
from cinefab.generate.services.answers import answered_once
from cinefab.generate.services.jobs import Jobs, State
from cinefab.generate.services.prices import Prices
from cinefab.generate.services.refusals import refusal
from cinefab.generate.services.results import bytes_at, kept_as
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

_POLL_S: Final = 2.0
_ASK_S: Final = 120.0
_DONE: Final = "completed"
_WAITING: Final = frozenset({"queued", "in_progress", "processing", "pending", "running"})
_FIELDS: Final = {"prompt": "prompt"}


class Litellm:
    """One model of a provider, asked through litellm in a process of its own.

    The library says of nothing that it could be cancelled, and finds no job again but by its id.
    """

    settings_schema: ClassVar[Mapping[str, Any]] = SETTINGS_SCHEMA

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any],
        secrets: Mapping[str, str],
        *,
        clock: Clock | None = None,
    ) -> None:
        """Look the model's price up; raise `ContractMismatch` where litellm is not installed."""
        self._name = name
        self._settings = settings
        self._secrets = secrets
        self._task: str = settings["task"]
        self._clock = SystemClock() if clock is None else clock
        self._python: str = settings.get("python", sys.executable)
        self._book = read_price_map(self._python)
        self._table = Prices.of(settings)
        self._patience = Patience(
            f"{settings['model']} through litellm",
            patience_s=settings.get("patience_s", PATIENCE_S),
            remedy="See that model, base_url and options are right, and try it in litellm itself.",
            clock=self._clock,
        )
        own = ("model", "version", "sizes", "seconds", "voice", "options")
        determined: Json = {each: str(settings.get(each, "")) for each in own}
        self._version = settings.get("version", "1") + "+" + digest_of(determined)[:12]

    @property
    def card(self) -> ModelCard:
        """What this model says of itself; its price is the table's, else that of litellm's map."""
        return service_card(
            self._name,
            self._version,
            self._settings,
            asked="What litellm is asked for",
            own_settings=OWN_SETTINGS,
            progress=self._is_video,
            prices=self._prices(None),
        )

    @property
    def _is_video(self) -> bool:
        return self._task.endswith("video")

    def load(self) -> None:
        """Get nothing ready: the process is started when it is first asked."""

    def check(self, request: TakeRequest) -> None:
        """Raise `BriefInvalid` for a shot without the picture that the task begins with."""
        if self._task.startswith("image-to"):
            require_picture(request, model=self._name, begins=self._task)

    def frames(self, request: TakeRequest, run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield the frames of a shot, made by one request; a killed run pays for a film once."""
        from cinefab.generate.received import is_film, shown_from

        self.check(request)
        with work_folder(run) as folder:
            make = self._video if self._is_video else self._image
            try:
                path, bill = make(request, run, folder)
            except Refused as error:
                raise self._refused(error) from error
            if self._is_video and not is_film(path):
                raise self._patience.mismatch("no film where a video was asked for")
            self._account_for(path, bill, run)
            yield from shown_from(
                [path], request, made_by=self._supplier, confinement=run.confinement
            )

    def samples(self, request: SoundRequest, run: Run = ALONE, /) -> Samples:
        """Return exactly the samples asked for, as the provider speaks the prompt."""
        from cinefab.generate.received import heard_from

        given: Any = request.input
        own = given.get("settings", {})
        arguments = {
            "input": given.get("prompt", ""),
            "voice": own.get("voice", self._settings.get("voice", "alloy")),
            "response_format": "wav",
            **({"instructions": own["instructions"]} if "instructions" in own else {}),
        }
        key = self._key(arguments, request.seed)
        with work_folder(run) as folder:
            path = folder / "delivered.wav"
            asked = {"arguments": self.with_access(arguments), "to": str(path), "key": key}

            def ask() -> tuple[bytes, int | None]:
                told = self.ask("speech", asked, run)
                return path.read_bytes(), uusd_of(told.get("cost_usd"))

            content, cost_uusd = self._paid(key, ask, run)
            path.write_bytes(content)
            seconds = Fraction(request.samples, AUDIO_HZ)
            bill = self._bill(cost_uusd, key, seconds=seconds, size=None)
            self._account_for(path, bill, run)
            return heard_from(
                path, request.samples, made_by=self._supplier, confinement=run.confinement
            )

    # Films

    def _video(self, request: TakeRequest, run: Run, folder: Path) -> tuple[Path, Bill]:
        seconds = seconds_to_ask(request, self._settings, model=self._name, whole=True)
        size = size_to_ask(request.size, self._settings)
        arguments = {
            "prompt": prompt_of(request),
            "seconds": str(int(seconds)),
            "size": str(size),
        }
        film = _Film(self, arguments, self._picture(request), request.seed, run)
        jobs = Jobs(
            film,
            self._patience,
            clock=self._clock,
            poll_s=self._settings.get("poll_s", _POLL_S),
            limit_s=self._settings.get("timeout_s", TIMEOUT_S),
        )
        job, _ = jobs.made(film.content, run)
        path = folder / "delivered.mp4"

        def fetch() -> None:
            arguments = {"video_id": job.id, **self.access()}
            self.ask("content", {"arguments": arguments, "to": str(path)}, run)

        try:
            self._patience.ask(fetch, run.check_wanted)
        except Gone as error:
            raise self._unavailable(f"what {job.id} has made is gone") from error
        run.note("remote_job", job.id)
        if job.times > 1:
            run.note("asked_times", job.times)
        return path, self._bill(job.cost_uusd, job.id, seconds=seconds, size=size)

    # Pictures

    def _image(self, request: TakeRequest, run: Run, folder: Path) -> tuple[Path, Bill]:
        given: Any = request.input
        own = given.get("settings", {})
        size = size_to_ask(request.size, self._settings)
        arguments = {
            "prompt": prompt_of(request),
            "n": 1,
            "size": str(size),
            **({"quality": own["quality"]} if "quality" in own else {}),
        }
        key = self._key(arguments, request.seed)
        part = folder / "delivered.part"
        asked = {
            "arguments": self.with_access(arguments),
            "picture": self._picture(request),
            "to": str(part),
            "key": key,
        }

        def ask() -> tuple[bytes, int | None]:
            part.unlink(missing_ok=True)
            answer = self.ask("image", asked, run)
            cost_uusd = uusd_of(answer.get("cost_usd"))
            if part.is_file():
                return part.read_bytes(), cost_uusd
            if answer.get("pictures") == 1 and isinstance(answer.get("url"), str):
                return self._fetched(answer["url"], run), cost_uusd
            raise self.mismatch(f"{answer.get('pictures')} pictures for one")

        content, cost_uusd = self._paid(key, ask, run)
        part.unlink(missing_ok=True)
        return kept_as(folder, content), self._bill(cost_uusd, key, seconds=None, size=size)

    def _fetched(self, url: str, run: Run) -> bytes:
        def fetch() -> bytes:
            return bytes_at(
                url,
                allow_networks=self._settings.get("allow_networks", ()),
                made_by=self._supplier,
                clock=self._clock,
            )

        return self._patience.ask(fetch, run.check_wanted)

    def _picture(self, request: TakeRequest) -> str | None:
        return str(picture_of(request)) if self._task.startswith("image-to") else None

    # What all share

    def _paid(
        self, content: str, ask: Callable[[], tuple[bytes, int | None]], run: Run
    ) -> tuple[bytes, int | None]:
        try:
            return answered_once(content, ask, run, patience=self._patience)
        except Gone as error:
            raise self.mismatch("the provider has no such model") from error
        except Refused as error:
            raise self._refused(error) from error

    def _refused(self, error: Refused) -> BriefInvalid | ContractMismatch:
        return refusal(error, model=self._name, by=self._supplier, fields=_FIELDS)

    def ask(self, call: str, asked: Mapping[str, Any], run: Run) -> Mapping[str, Any]:
        """Ask litellm's process once."""
        return child_of(self._python).ask(
            call, asked, within_s=_ASK_S, check_wanted=run.check_wanted, clock=self._clock
        )

    def access(self) -> dict[str, Any]:
        """Return where the provider is, and what lets us in."""
        where = {"api_base": self._settings["base_url"]} if "base_url" in self._settings else {}
        return {
            **self._settings.get("options", {}),
            **where,
            **self._secrets,
            "timeout": _ASK_S,
            # Whether it is asked again is for whoever counts what may be paid for.
            "max_retries": 0,
        }

    def mismatch(self, found: str) -> ContractMismatch:
        """Return the error for an answer that is none."""
        return self._patience.mismatch(found)

    def with_access(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is asked of the model, with where it is and what lets us in."""
        return {"model": self._settings["model"], **arguments, **self.access()}

    def _key(self, arguments: Mapping[str, Any], seed: int) -> str:
        said_of: Json = {name: str(value) for name, value in arguments.items()}
        return f"cinefab-{digest_of({'asked': said_of, 'seed': seed, 'model': self._name})[:32]}"

    def _prices(self, size: Size | None) -> Prices:
        if self._table.are_known:
            return self._table
        return self._book.prices_of(self._settings["model"], task=self._task, size=size)

    def _bill(
        self,
        counted: int | None,
        reference: str,
        *,
        seconds: Fraction | None,
        size: Size | None,
    ) -> Bill:
        """Return the bill: by the table, else as litellm counts it, else by its map, else unknown.

        What litellm counts is not what the provider says: it is of its map, too.
        """
        if counted is not None and not self._table.are_known:
            return Bill(
                amount_uusd=Uusd(counted),
                basis="price-book",
                supplier=self._supplier,
                reference=reference,
            )
        return self._prices(size).bill(
            None, seconds=seconds, supplier=self._supplier, reference=reference
        )

    @property
    def _supplier(self) -> str:
        provider, _, rest = self._settings["model"].partition("/")
        return str(provider if rest else "openai")

    def _account_for(self, path: Path, bill: Bill, run: Run) -> None:
        run.note("engine", self._book.source)
        run.note("remote_model", self._settings["model"])
        if bill.basis == "price-book":
            run.note("prices", "the model's table" if self._table.are_known else self._book.source)
        if "licence" in self._settings:
            run.note("licence", self._settings["licence"])
        run.bill(bill)
        if run.folder is not None:
            run.came_with(path)

    def _unavailable(self, found: str) -> Unavailable:
        return self._patience.unavailable(found)


class _Film:
    """One film as litellm is asked for it: begun, and looked at."""

    def __init__(
        self,
        model: Litellm,
        arguments: Mapping[str, Any],
        picture: str | None,
        seed: int,
        run: Run,
    ) -> None:
        self._model = model
        self._arguments = arguments
        self._picture = picture
        self._seed = seed
        self._run = run

    @property
    def content(self) -> str:
        """What names it."""
        picture = "" if self._picture is None else Path(self._picture).name
        asked: Json = {**self._arguments, "seed": self._seed, "picture": picture}
        return digest_of(asked)

    def submit(self, key: str) -> tuple[str, int | None]:
        """Ask for it once."""
        arguments = self._model.with_access(self._arguments)
        asked = {"arguments": arguments, "picture": self._picture, "key": key}
        answer = self._model.ask("video", asked, self._run)
        named = answer.get("id")
        if not isinstance(named, str) or not named:
            raise Unanswered(f"a video without an id: {said(answer)}")
        return named, uusd_of(answer.get("cost_usd"))

    def state(self, job: str) -> State:
        """Look at it once."""
        arguments = {"video_id": job, **self._model.access()}
        answer = self._model.ask("state", {"arguments": arguments}, self._run)
        own, asked = _own_id(answer.get("id")), _own_id(job)
        if own is not None and asked is not None and own != asked:
            raise self._model.mismatch(f"the video {said(own)} for {said(asked)}")
        status, progress = answer.get("status"), answer.get("progress")
        is_done = status == _DONE
        failed = None
        if not is_done and status not in _WAITING:
            failed = said(answer.get("failure") or status)
        return State(
            percent=int(progress) if isinstance(progress, int | float) else 0,
            is_done=is_done,
            failed=failed,
            answer=answer,
        )

    def cancel(self, _job: str) -> None:
        """Do nothing: litellm has no word for it."""


def _own_id(name: object) -> str | None:
    """Return the provider's own id from one of litellm's, which has where it is from before it."""
    if not isinstance(name, str) or not name.startswith("video_"):
        return None
    try:
        text = base64.b64decode(name.removeprefix("video_"), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return text.rpartition("video_id:")[2] if "video_id:" in text else None

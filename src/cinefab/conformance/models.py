"""What every model must keep, ours and a stranger's, as promises that can be tried one by one.

`cinefab models check NAME` tries them all. A package that brings a model may also run each of
`PROMISES` in its own tests: `for name, holds in PROMISES.items(): holds(subject)`. What is broken
is raised as `ContractMismatch`, saying which promise and how; `NotPromised` says that the card
does not declare what a promise is about.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np

from cinefab.core.brief import Size
from cinefab.core.canonical import Json, canonical_json
from cinefab.core.errors import BriefInvalid, Cancelled, CinefabError, ContractMismatch
from cinefab.core.verdict import Advice
from cinefab.generate.backend import AUDIO_HZ, CAPABILITIES, TASKS, SoundRequest, TakeRequest
from cinefab.generate.contract import InputContract
from cinefab.generate.run import Run
from cinefab.media.encode import PREVIEW, encode
from cinefab.media.fitting import Fitter, to_frame
from cinefab.media.frames import Frame, Rgb
from cinefab.media.still import write_png

_PICTURE: Final = "picture"
_LAST_BITS: Final = 2
"""By how much of 255 a frame may differ when it is made with others: sums are split otherwise."""

_STEPS_MAX: Final = 64
"""Resume points that are tried at most: of a longer run every n-th."""


class NotPromised(Exception):
    """The card does not declare what this promise is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model to be tried: how another one of it is made, and a shot for it to make.

    `make` gives a new instance, not loaded, as another process would have it. `settings` are its
    own, as a brief's `model_settings`. `folder` is for what the trial writes.
    """

    make: Callable[[], Any]
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    size: Size = field(default_factory=lambda: Size(160, 96))
    fps: Fraction = Fraction(12)
    frames: int = 10

    @property
    def is_sound(self) -> bool:
        """Whether it makes sound, not pictures."""
        return bool(self.make().card.task == "text-to-audio")

    def request(self) -> TakeRequest:
        """Return a request for the whole of a shot that begins under a transition."""
        card = self.make().card
        reference = self._reference(card)
        names = [] if reference is None else [_PICTURE]
        given: dict[str, Any] = {
            "prompt": "A cup of coffee on a wooden table, morning light",
            "caption": "Poured slowly",
            "camera": "push-in",
            "index": 0,
            "references": names,
            "roles": dict.fromkeys(names, "background"),
            "colours": ["#6b1f12", "#f4e6d2"],
            "logo": None,
        }
        if card.task == "clip":
            fps = f"{self.fps.numerator}/{self.fps.denominator}"
            given["clip"] = {
                "start_ms": 0,
                "speed": "1/1",
                "fit": "cover",
                "fps": fps,
                "frames": 64,
            }
        if self.settings:
            given["settings"] = dict(self.settings)
        return TakeRequest(
            input=given,
            seed=7,
            size=self.size,
            fps=self.fps,
            first_frame=0 if card.task == "clip" else -2,
            frames=self.frames,
            shot_frames=max(1, self.frames - 4),
            references={} if reference is None else {_PICTURE: reference},
            masks={},
            files={},
        )

    def sound_request(self) -> SoundRequest:
        """Return a request for a little less than a second of sound."""
        given: dict[str, Any] = {"prompt": "Soft piano, a quiet morning"}
        if self.settings:
            given["settings"] = dict(self.settings)
        return SoundRequest(input=given, seed=7, samples=AUDIO_HZ - 480)

    def _reference(self, card: Any) -> Path | None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if card.task == "clip":
            path = self.folder / "clip.mp4"
            pictures = (to_frame(picture(self.size, number)) for number in range(64))
            encode(pictures, path, size=self.size, fps=self.fps, settings=PREVIEW)
            return path
        path = self.folder / "picture.png"
        write_png(picture(Size(256, 192), 0), path)
        return path if card.begins_with_picture or card.task == "motion-graphics" else None


def picture(size: Size, number: int) -> Rgb:
    """Return a colourful picture, another one for each number, shape (height, width, 3)."""
    x = np.arange(size.width, dtype=np.uint16)[None, :]
    y = np.arange(size.height, dtype=np.uint16)[:, None]
    red, green, blue = 2 * x + 5 * number + 0 * y, 3 * y + 0 * x, x + y + 40
    return np.stack([red % 256, green % 256, blue % 256], axis=-1).astype(np.uint8)


def _says_what_it_is(subject: Subject) -> None:
    card = subject.make().card
    promise = "the card is whole"
    if card != subject.make().card:
        raise _broken(card, promise, "it was another one when asked again")
    if card.task not in TASKS:
        raise _broken(
            card, promise, f"the task {card.task!r} is none of {', '.join(sorted(TASKS))}"
        )
    unknown = sorted(card.capabilities - CAPABILITIES.keys())
    if unknown:
        known = ", ".join(sorted(CAPABILITIES))
        raise _broken(card, promise, f"it declares {unknown[0]!r}, which is none of {known}")
    for name in ("name", "version", "digital_source_type"):
        if not getattr(card, name):
            raise _broken(card, promise, f"its {name} is empty")
    if not card.devices or any(need.memory_mb < 1 for need in card.devices):
        raise _broken(card, promise, "it says of no device what memory it takes there")
    if any(need.count < 1 or not need.device_class for need in card.devices) or card.load_us < 0:
        raise _broken(card, promise, "it needs less than one device, or less than no time to load")
    _require_possible_limits(card, promise)
    if sum(each.share_bp for each in card.training_sets) not in (0, 10_000):
        raise _broken(card, promise, "the shares of its training sets do not sum to a whole")
    contract = InputContract(card)
    given: Any = subject.sound_request().input if subject.is_sound else subject.request().input
    for word, settings in card.advised.items():
        if word not in set(Advice):
            raise _broken(card, promise, f"it answers to the advice {word!r}, which nobody gives")
        contract.check(given | {"settings": dict(settings)}, index=0)


def _require_possible_limits(card: Any, promise: str) -> None:
    if min(card.limits.width_max, card.limits.height_max, card.limits.frames_max) < 1:
        raise _broken(card, promise, "its limits allow nothing")
    if not 0 <= card.limits.overlap_frames <= card.limits.frames_max // 2:
        # Then a third window would fade into the first, or none would come to an end.
        found = f"windows of {card.limits.frames_max} overlap by {card.limits.overlap_frames}"
        raise _broken(card, promise, found)


def _refuses_what_its_schema_does_not_have(subject: Subject) -> None:
    card = subject.make().card
    given: Any = subject.sound_request().input if subject.is_sound else subject.request().input
    contract = InputContract(card)
    contract.check(given, index=0)
    try:
        contract.check(given | {"settings": {"no-such-setting": 1}}, index=0)
    except BriefInvalid as error:
        if error.field == "model_settings.no-such-setting":
            return
        found = f"the error named {error.field}"
        raise _broken(card, "an unknown setting is refused by its name", found) from error
    raise _broken(card, "an unknown setting is refused by its name", "nothing was refused")


def _gives_what_is_asked_for(subject: Subject) -> None:
    card = subject.make().card
    if subject.is_sound:
        asked = subject.sound_request()
        sound = _loaded(subject).samples(asked, Run())
        if sound.shape != (asked.samples, 2) or sound.dtype != np.float32:
            found = f"{sound.shape} of {sound.dtype} for {(asked.samples, 2)} of float32"
            raise _broken(card, "exactly the samples asked for are given", found)
        if not np.isfinite(sound).all() or np.abs(sound).max(initial=0) > 1:
            raise _broken(card, "samples lie between -1 and 1", "some do not")
        return
    request = subject.request()
    given = _frames(subject, Run())
    if len(given) != request.frames:
        found = f"{len(given)} frames for {request.frames}"
        raise _broken(card, "exactly the frames asked for are given", found)
    shape = (request.size.height * 3 // 2, request.size.width)
    for frame in given:
        if frame.shape != shape or frame.dtype != np.uint8:
            found = f"{frame.shape} of {frame.dtype} for {shape} of uint8"
            raise _broken(card, "frames have the size asked for", found)


def _gives_the_same_bytes_again(subject: Subject) -> None:
    card = _declares(subject, "deterministic")
    _require_same(card, "the same request gives the same bytes", _made(subject), _made(subject))


def _serves_one_after_another(subject: Subject) -> None:
    card = _declares(subject, "deterministic")
    backend = _loaded(subject)
    first = _made(subject, Run(), backend)
    _made(replace(subject, frames=max(2, subject.frames // 2)), Run(), backend)
    again = _made(subject, Run(), backend)
    _require_same(card, "a request in between leaves no trace", first, again)


def _gives_parts_as_a_whole(subject: Subject) -> None:
    card = _declares(subject, "any-frame")
    request = subject.request()
    whole = _frames(subject, Run())
    for cut in sorted({1, request.frames // 2, request.frames - 1} - {0, request.frames}):
        head = replace(request, frames=cut)
        rest = replace(request, first_frame=request.first_frame + cut, frames=request.frames - cut)
        backend = _loaded(subject)
        parts = [*_copied(backend.frames(head, Run())), *_copied(backend.frames(rest, Run()))]
        _require_same(card, f"parts cut after {cut} have the frames of the whole", whole, parts)


def _tells_its_steps(subject: Subject) -> None:
    card = _declares(subject, "progress")
    told = _Told()
    _made(subject, Run(folder=_empty(subject, "steps"), tell=told))
    promise = "its steps are told in order, to the last"
    if not told.steps:
        raise _broken(card, promise, "none was told")
    done = [step for step, _ in told.steps]
    if done != sorted(done) or done[-1] != told.steps[-1][1]:
        raise _broken(card, promise, f"{told.steps[:3]} … {told.steps[-1]}")


def _stops_between_two_steps(subject: Subject) -> None:
    card = _declares(subject, "progress")
    backend = _loaded(subject)
    whole = _made(subject, Run(), backend)
    told = _Told()
    run = Run(folder=_empty(subject, "stopped"), tell=told)
    told.on_step = lambda _count: run.stop()
    try:
        _made(subject, run, backend)
    except Cancelled:
        pass
    else:
        if len(told.steps) > 1:
            raise _broken(card, "a run that is not wanted stops", "it went on to its end")
    if len(told.steps) > 2:
        found = f"{len(told.steps) - 1} more steps were told"
        raise _broken(card, "a run that is not wanted stops within a step", found)
    if "deterministic" in card.capabilities:
        after = _made(subject, Run(), backend)
        _require_same(card, "after a stop it makes what it made before", whole, after)


def _goes_on_where_it_was_killed(subject: Subject) -> None:
    card = _declares(subject, "checkpoint")
    told = _Told()
    whole = _made(subject, Run(folder=_empty(subject, "whole"), tell=told))
    promise = "a run that was killed goes on bit for bit"
    if told.kept == 0:
        raise _broken(card, promise, "it kept no resume point")
    every = -(-told.kept // _STEPS_MAX)
    for kill_at in range(1, told.kept + 1, every):
        folder = _empty(subject, f"killed-{kill_at}")
        _killed(subject, folder, at=kill_at)
        rest = _Told()
        again = _made(subject, Run(folder=folder, tell=rest))
        _require_same(card, f"{promise}: after point {kill_at}", whole, again)
        if told.steps and len(rest.steps) >= len(told.steps) + (1 if kill_at == told.kept else 0):
            found = f"after point {kill_at} all {len(rest.steps)} steps were made again"
            raise _broken(card, promise, found)


def _makes_several_in_one_run(subject: Subject) -> None:
    card = _declares(subject, "batch")
    promise = "requests that are alike are made in one run"
    backend = _loaded(subject)
    one = subject.request()
    several = [replace(one, seed=one.seed + number) for number in range(2)]
    if not backend.compatible(*several):
        raise _broken(card, promise, "two that differ in their seed alone cannot be")
    run = Run(folder=_empty(subject, "together"))
    together = [_copied(frames) for frames in backend.takes(several, run)]
    for number, (made, request) in enumerate(zip(together, several, strict=True)):
        alone = _copied(backend.frames(request, Run()))
        if len(made) != len(alone):
            raise _broken(card, promise, f"take {number} has {len(made)} frames of {len(alone)}")
        apart = max(
            int(np.abs(a.astype(np.int16) - b.astype(np.int16)).max())
            for a, b in zip(made, alone, strict=True)
        )
        if apart > _LAST_BITS:
            found = f"take {number} differs by {apart} of 255 from what it is alone"
            raise _broken(card, promise, found)
    if "batch" not in run.notes:
        raise _broken(card, promise, "it does not say so in the lineage, as the note `batch`")


def _begins_with_its_picture(subject: Subject) -> None:
    card = _declares(subject, "start-picture")
    request = subject.request()
    shown = picture(Size(256, 192), 0)
    turned = np.ascontiguousarray(shown[::-1, ::-1])
    path = _empty(subject, "start") / "turned.png"
    write_png(turned, path)
    fitter = Fitter(request.size, fit="cover")
    given = [fitter.fitted(to_frame(each)) for each in (shown, turned)]
    asked = [request, replace(request, references={_PICTURE: path})]
    for number, each in enumerate(asked):
        first = _copied(_loaded(subject).frames(each, Run()))[0]
        likeness = [_correlation(first, other, rows=request.size.height) for other in given]
        if likeness[number] <= likeness[1 - number]:
            promise = "a shot begins with the picture that it is given"
            raise _broken(card, promise, "it is as much like another one")


def _correlation(one: Frame, other: Frame, *, rows: int) -> float:
    """Return how alike the lumas of two frames are; 0 where one of them is of a single tone."""
    a, b = (each[:rows].astype(np.float64).ravel() for each in (one, other))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return 0.0 if size == 0 else float(a @ b) / size


def _is_billed_once(subject: Subject) -> None:
    card = subject.make().card
    told = _Told()
    run = Run(folder=_empty(subject, "billed"), tell=told)
    _made(subject, run)
    if not run.bills:
        raise NotPromised
    if told.kept == 0:
        promise = "work that is paid for is found again"
        raise _broken(card, promise, "it bills, but keeps no resume point to find it by")
    folder = _empty(subject, "billed-killed")
    _killed(subject, folder, at=1)
    again = Run(folder=folder)
    _made(subject, again)
    if len(again.bills) != 1:
        found = f"{len(again.bills)} bills after one that was killed"
        raise _broken(card, "a run that is continued is billed once", found)


def _hands_over_what_was_delivered(subject: Subject) -> None:
    card = subject.make().card
    run = Run(folder=_empty(subject, "delivered"))
    _made(subject, run)
    if not run.delivered and not run.notes:
        raise NotPromised
    promise = "what it says of its origin can be kept"
    for path in run.delivered:
        if not path.is_file() or run.folder not in path.parents:
            raise _broken(card, promise, f"{path.name} is no file in the run's own folder")
    try:
        canonical_json(run.notes)
    except TypeError as error:
        raise _broken(card, promise, f"its notes are no JSON for lineage: {error}") from error


def _ends_what_goes_on_elsewhere(subject: Subject) -> None:
    card = subject.make().card
    if getattr(subject.make(), "cancel", None) is None:
        raise NotPromised
    folder = _empty(subject, "cancelled")
    _killed(subject, folder, at=1)
    promise = "what goes on elsewhere is ended, as often as it is asked"
    for asked in (Run(folder=folder), Run(folder=folder), Run(folder=_empty(subject, "nothing"))):
        try:
            subject.make().cancel(asked)
        except CinefabError as error:
            raise _broken(card, promise, error.found) from error


def _says_ahead_what_it_refuses(subject: Subject) -> None:
    card = subject.make().card
    if subject.is_sound or getattr(subject.make(), "check", None) is None:
        raise NotPromised
    try:
        _loaded(subject).check(subject.request())
    except BriefInvalid as error:
        found = f"it refused what it can make: {error.found}"
        raise _broken(card, "it refuses ahead only what it cannot make", found) from error


PROMISES: Final[Mapping[str, Callable[[Subject], None]]] = {
    "says-what-it-is": _says_what_it_is,
    "refuses-what-its-schema-does-not-have": _refuses_what_its_schema_does_not_have,
    "gives-what-is-asked-for": _gives_what_is_asked_for,
    "gives-the-same-bytes-again": _gives_the_same_bytes_again,
    "serves-one-after-another": _serves_one_after_another,
    "gives-parts-as-a-whole": _gives_parts_as_a_whole,
    "tells-its-steps": _tells_its_steps,
    "stops-between-two-steps": _stops_between_two_steps,
    "goes-on-where-it-was-killed": _goes_on_where_it_was_killed,
    "makes-several-in-one-run": _makes_several_in_one_run,
    "begins-with-its-picture": _begins_with_its_picture,
    "is-billed-once": _is_billed_once,
    "hands-over-what-was-delivered": _hands_over_what_was_delivered,
    "ends-what-goes-on-elsewhere": _ends_what_goes_on_elsewhere,
    "says-ahead-what-it-refuses": _says_ahead_what_it_refuses,
}
"""Each promise by its name; a call tries one."""

QUICK: Final = (
    "says-what-it-is",
    "refuses-what-its-schema-does-not-have",
    "gives-what-is-asked-for",
    "says-ahead-what-it-refuses",
)
"""The promises that take one short run in all: what a model is held to before it is registered."""


class _Killed(BaseException):
    """Stands for the end of the process: nothing of the model's may catch it."""


class _Told:
    """Hears what a run tells; `on_step` and `on_kept` are called with how many there were."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.kept = 0
        self.on_step: Callable[[int], None] = lambda _count: None
        self.on_kept: Callable[[int], None] = lambda _count: None

    def __call__(self, news: Json) -> None:
        told: Any = news
        if "step" in told:
            self.steps.append((told["step"], told["steps"]))
            self.on_step(len(self.steps))
        if "kept" in told:
            self.kept += 1
            self.on_kept(self.kept)


def _killed(subject: Subject, folder: Path, *, at: int) -> None:
    """Run the model until it has kept `at` resume points, and end it there."""
    told = _Told()

    def kill(count: int) -> None:
        if count == at:
            raise _Killed

    told.on_kept = kill
    try:
        _made(subject, Run(folder=folder, tell=told))
    except _Killed:
        return


def _declares(subject: Subject, capability: str) -> Any:
    card = subject.make().card
    if capability not in card.capabilities:
        raise NotPromised
    return card


def _loaded(subject: Subject) -> Any:
    backend = subject.make()
    backend.load()
    return backend


def _made(subject: Subject, run: Run | None = None, backend: Any = None) -> list[Any]:
    """Return what it makes, as arrays."""
    run = Run() if run is None else run
    backend = _loaded(subject) if backend is None else backend
    if subject.is_sound:
        return [backend.samples(subject.sound_request(), run)]
    return _copied(backend.frames(subject.request(), run))


def _frames(subject: Subject, run: Run) -> list[Frame]:
    return _copied(_loaded(subject).frames(subject.request(), run))


def _copied(frames: Iterator[Frame]) -> list[Frame]:
    return [frame.copy() for frame in frames]


def _require_same(card: Any, promise: str, once: list[Any], again: list[Any]) -> None:
    if len(once) != len(again):
        raise _broken(card, promise, f"{len(again)} pieces for {len(once)}")
    for index, (a, b) in enumerate(zip(once, again, strict=True)):
        if not np.array_equal(a, b):
            raise _broken(card, promise, f"piece {index} differed")


def _empty(subject: Subject, name: str) -> Path:
    number = len(list(subject.folder.glob(f"{name}-run*"))) if subject.folder.is_dir() else 0
    folder = subject.folder / f"{name}-run{number}"
    folder.mkdir(parents=True)
    return folder


def _broken(card: Any, promise: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"hold {card.name}@{card.version} against the contract of models",
        found=f"{promise}: {found}",
        remedy="Mend the model, or take what it does not keep out of its card's capabilities.",
    )


def describe(subject: Subject) -> Json:
    """Return the card as JSON, for whoever reads the answer of a check."""
    card = subject.make().card
    return {
        "model": card.ref,
        "task": card.task,
        "capabilities": sorted(card.capabilities),
        "devices": [[need.device_class, need.memory_mb, need.count] for need in card.devices],
        "digital_source_type": card.digital_source_type,
        "training_sets": [[each.name, each.share_bp, each.licence] for each in card.training_sets],
        "input_schema": json.loads(json.dumps(dict(card.input_schema), default=str)),
    }

"""The process that runs a model: a request comes in as JSON, encoded takes go out as files.

These functions run in a compute process, which keeps a model loaded from one request to the
next. Only names, numbers and paths travel; pictures never do.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from cinefab.core.brief import Quality, Size
from cinefab.core.canonical import Json
from cinefab.core.clock import SystemClock
from cinefab.core.effect import Stretch
from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.core.plan import Part
from cinefab.generate.backend import SHOTS_OWN, ModelBackend, TakeRequest
from cinefab.generate.run import Run
from cinefab.generate.windows import Window, are_joined, overlap_add, windows_for
from cinefab.media.decode import decode
from cinefab.media.encode import encode, settings_for
from cinefab.media.frames import Frame
from cinefab.media.sandbox.outcome import Confinement
from cinefab.media.still import png_bytes, to_rgb, write_jpeg
from cinefab.media.thumbnail import thumbnail
from cinefab.store.file_digest import file_sha256

Report = Callable[[Json], None]


class Finish(Protocol):
    """What lies between a model's frames and the encoder; it is named by the request."""

    def source(self, wanted: Stretch, /) -> Stretch:
        """Return the stretch that the model is to make for `wanted`."""
        ...

    def finish(self, frames: Iterator[Frame], wanted: Stretch, /) -> Iterator[Frame]:
        """Yield the wanted frames, made from those of `source`."""
        ...

    @property
    def spent(self) -> list[Json]:
        """What each of its steps took so far."""
        ...


_TELL_EVERY_FRAMES: Final = 6
_loaded: Final[dict[str, ModelBackend]] = {}
"""Models that this process has loaded; a process serves one request at a time."""


def make_takes(argument: Mapping[str, Any], report: Report) -> Json:
    """Make the parts of one shot that are asked for, and return each file's digest and length.

    `argument`: `entry` (`package.module:Class`, with `configured`, if the model is made of settings:
    its `name`, `settings` and `secrets`), `request` (the fields of `TakeRequest` that the
    parts share), `quality`, and `parts`, each with `key`, `part`, `first_frame`, `frames` and the
    `path` to write; `extent` are the shot's first frame and its end, those of the parts if it is
    left out. `run_folder` is where the run's resume points lie, if it may have any, `confinement` what
    must hold where an engine's files are decoded, and what was said of the run comes back as `run`. With `finish`, frames go through that before they are encoded, and what it
    spent is returned, too. Of a body a small picture is left beside it, as `thumbnail`: nobody has
    to decode the film again to show what it is. Raises `ContractMismatch` when the model does not keep its contract.
    """
    backend, load_us = loaded_backend(argument)
    run = run_of(argument, report)
    return {**takes_of(backend, argument, run, report), "load_us": load_us}


def takes_of(
    backend: ModelBackend, argument: Mapping[str, Any], run: Run, report: Report
) -> dict[str, Json]:
    """Do what `make_takes` does, of a model that is loaded and a run that is watched."""
    finish = _finish(argument.get("finish"))
    extent = _extent(argument)
    done = 0

    def counted(frames: Iterator[Frame]) -> Iterator[Frame]:
        nonlocal done
        for frame in frames:
            yield frame
            done += 1
            if done % _TELL_EVERY_FRAMES == 0:
                report({"frames": done})

    made: list[Json] = []
    # Effects and windows reach beyond a part's ends: parts that follow each other are one stretch.
    joined = finish is not None or backend.card.limits.overlap_frames > 0
    for stretch in _stretches(argument["parts"], joined=joined, whole=_whole(backend, extent)):
        request = _request(
            argument["request"], first_frame=stretch.first, frames=stretch.end - stretch.first
        )
        frames = _finished(backend, request, finish, extent, run)
        at = stretch.first
        for part in stretch.parts:
            path = Path(part["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            still = Path(part["path"]).with_suffix(".jpg")
            _skip(frames, part["first_frame"] - at)
            at = part["first_frame"] + part["frames"]
            shown = counted(islice(frames, part["frames"]))
            if Part(part["part"]) is Part.BODY:
                shown = _seen(shown, middle=part["frames"] // 2, still=still)
            encoded = encode(
                shown,
                path,
                size=request.size,
                fps=request.fps,
                settings=settings_for(Quality(argument["quality"]), Part(part["part"])),
            )
            made.append(
                {
                    "key": part["key"],
                    "path": part["path"],
                    "digest": file_sha256(path),
                    "size_bytes": encoded.size_bytes,
                    "frames": encoded.frames,
                    "thumbnail": str(still) if Part(part["part"]) is Part.BODY else None,
                }
            )
        # Only at its end does a model show that it made too many.
        for _ in frames:
            pass
    return {"parts": made, **_spent(finish), **said_of(run)}


def asked_of(argument: Mapping[str, Any]) -> TakeRequest:
    """Return what the model itself is asked for a whole shot: its effects may look around it."""
    extent = _extent(argument)
    request = _request(argument["request"], first_frame=extent[0], frames=extent[1] - extent[0])
    finish = _finish(argument.get("finish"))
    if finish is None:
        return request
    return _asked(request, finish.source(_wanted(request, extent)))


def make_still(argument: Mapping[str, Any], _report: Report) -> Json:
    """Make one frame of a shot as a JPEG: the first thing that a person sees of a film.

    `argument`: `entry`, `request`, `first_frame`, the `path` to write, and `finish` as takes have
    it; `checks` are requests of the film's other shots, small and in full (`small`, `full`, `shot`
    being its index, with an `entry` where their model is another). What one of them cannot show is
    raised before there is a picture, by the shot's path in the brief.
    """
    backend, load_us = loaded_backend(argument)
    for each in argument.get("checks", ()):
        other, other_us = loaded_backend(each if "entry" in each else argument)
        load_us += other_us
        check_shot(other, each)
    finish = _finish(argument.get("finish"))
    request = _request(argument["request"], first_frame=argument["first_frame"], frames=1)
    path = Path(argument["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    # Nothing beside the one frame is drawn for its effects: this is the quick look.
    alone = (argument["first_frame"], argument["first_frame"] + 1)
    for frame in _finished(backend, request, finish, alone, Run()):
        write_jpeg(frame, path)
    return {
        "path": str(path),
        "digest": file_sha256(path),
        "size_bytes": path.stat().st_size,
        "load_us": load_us,
    }


def make_start(argument: Mapping[str, Any], _report: Report) -> Json:
    """Write the picture that a dearer model begins a shot with, as an RGB PNG at `path`.

    `argument`: `take` and `frame` of it, or what is drawn anew: `entry`, `request`, `first_frame`.
    """
    path = Path(argument["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    load_us = 0
    frames: Iterator[Frame]
    if "take" in argument:
        number = argument["frame"]
        frames = islice(decode(Path(argument["take"])), number, number + 1)
    else:
        backend, load_us = loaded_backend(argument)
        request = _request(argument["request"], first_frame=argument["first_frame"], frames=1)
        frames = _checked(backend, request, Run())
    (frame,) = frames
    picture = to_rgb(frame)
    path.write_bytes(png_bytes(picture))
    return {
        "size_bytes": path.stat().st_size,
        "width": picture.shape[1],
        "height": picture.shape[0],
        "load_us": load_us,
    }


def load_model(argument: Mapping[str, Any], _report: Report) -> Json:
    """Load the model `entry` ahead of its first take; return how long that took."""
    _, load_us = loaded_backend(argument)
    return {"load_us": load_us}


def cancel_takes(argument: Mapping[str, Any], _report: Report) -> Json:
    """End what goes on elsewhere of a run that was cancelled; return how many parts were told.

    `argument`: `entry` and `configured`, and the run's `run_folder`.
    """
    backend, _ = loaded_backend(argument)
    cancel: Callable[[Run], None] | None = getattr(backend, "cancel", None)
    if cancel is None:
        return {"told": 0}
    parts = Run(folder=Path(argument["run_folder"])).parts
    for part in parts:
        cancel(part)
    return {"told": len(parts)}


def check_shot(backend: ModelBackend, check: Mapping[str, Any]) -> None:
    """Raise `BriefInvalid` for a shot that the model cannot show, if it can say so ahead.

    A small picture is composed the quickest; only what does not fit there is looked at in full.
    """
    ask: Callable[[TakeRequest], None] | None = getattr(backend, "check", None)
    if ask is None:
        return
    try:
        ask(_request(check["small"], first_frame=0, frames=1))
    except BriefInvalid:
        try:
            ask(_request(check["full"], first_frame=0, frames=1))
        except BriefInvalid as error:
            raise _of_shot(error, check["shot"]) from None


def _of_shot(error: BriefInvalid, shot: int) -> BriefInvalid:
    if error.field not in SHOTS_OWN:
        return error
    return BriefInvalid(
        field=f"shots[{shot}].{error.field}",
        found=error.found.removeprefix(f"{error.field}: "),
        remedy=error.remedy,
        attempted=error.attempted,
    )


def loaded_backend(argument: Mapping[str, Any]) -> tuple[ModelBackend, int]:
    """Return the model of `entry` and `configured`, and how long it took to load it here, if it did."""
    entry, configured = argument["entry"], argument.get("configured")
    # Settings may hold floats, which have no canonical spelling.
    known = _loaded.get(name := json.dumps([entry, configured], sort_keys=True))
    if known is not None:
        return known, 0
    clock = SystemClock()
    started_us = clock.elapsed_us()
    backend = make_backend(entry, configured)
    backend.load()
    _loaded[name] = backend
    return backend, clock.elapsed_us() - started_us


def make_backend(entry: str, configured: Mapping[str, Any] | None) -> Any:
    """Return the model at `package.module:Class`, made of settings if it has some; not loaded."""
    module, _, name = entry.partition(":")
    kind = getattr(importlib.import_module(module), name)
    if configured is None:
        return kind()
    return kind(configured["name"], configured["settings"], configured["secrets"])


def run_of(argument: Mapping[str, Any], report: Report) -> Run:
    """Return the run whose resume points lie in `run_folder`, if it may have any."""
    folder = argument.get("run_folder")
    return Run(
        folder=None if folder is None else Path(folder),
        tell=report,
        confinement=Confinement(argument.get("confinement", Confinement.REQUIRED)),
    )


def said_of(run: Run) -> dict[str, Json]:
    """Return what was said of a run, if anything was."""
    said: dict[str, Json] = {}
    if run.bills:
        said["bills"] = [bill.as_dict() for bill in run.bills]
    if run.notes:
        said["notes"] = dict(run.notes)
    if run.delivered:
        said["delivered"] = [str(path) for path in run.delivered]
    return {"run": said} if said else {}


def _finish(document: Mapping[str, Any] | None) -> Finish | None:
    if document is None:
        return None
    module, _, name = document["entry"].partition(":")
    finish: Finish = getattr(importlib.import_module(module), name)(document["effects"])
    return finish


def _seen(frames: Iterator[Frame], *, middle: int, still: Path) -> Iterator[Frame]:
    for index, frame in enumerate(frames):
        if index == middle:
            still.write_bytes(thumbnail(frame))
        yield frame


def _spent(finish: Finish | None) -> dict[str, Json]:
    return {} if finish is None else {"effects": finish.spent}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """Frames that are made in one go, and those of its parts that are wanted."""

    first: int
    end: int
    parts: tuple[Mapping[str, Any], ...]


def _whole(backend: ModelBackend, extent: Sequence[int]) -> Sequence[int] | None:
    """Return the shot's whole extent if its model makes nothing less, or its parts would differ."""
    return None if "any-frame" in backend.card.capabilities else extent


def _stretches(
    parts: Sequence[Mapping[str, Any]], *, joined: bool, whole: Sequence[int] | None
) -> Iterator[_Stretch]:
    if whole is not None:
        yield _Stretch(first=whole[0], end=whole[1], parts=tuple(parts))
        return
    together: list[Mapping[str, Any]] = []
    for part in parts:
        if together and not (
            joined and together[-1]["first_frame"] + together[-1]["frames"] == part["first_frame"]
        ):
            yield _stretch(together)
            together = []
        together.append(part)
    yield _stretch(together)


def _stretch(parts: Sequence[Mapping[str, Any]]) -> _Stretch:
    end = parts[-1]["first_frame"] + parts[-1]["frames"]
    return _Stretch(first=parts[0]["first_frame"], end=end, parts=tuple(parts))


def _skip(frames: Iterator[Frame], count: int) -> None:
    for _ in islice(frames, count):
        pass


def _extent(argument: Mapping[str, Any]) -> Sequence[int]:
    parts = argument["parts"]
    ends = [part["first_frame"] + part["frames"] for part in parts]
    given: Sequence[int] = argument.get(
        "extent", [min(part["first_frame"] for part in parts), max(ends)]
    )
    return given


def _finished(
    backend: ModelBackend,
    request: TakeRequest,
    finish: Finish | None,
    extent: Sequence[int],
    run: Run,
) -> Iterator[Frame]:
    wanted = _wanted(request, extent)
    if finish is None:
        return _made(backend, request, wanted, run)
    source = finish.source(wanted)
    return finish.finish(_made(backend, _asked(request, source), source, run), wanted)


def _wanted(request: TakeRequest, extent: Sequence[int]) -> Stretch:
    return Stretch(
        size=request.size,
        fps=request.fps,
        first=request.first_frame,
        frames=request.frames,
        extent_first=extent[0],
        extent_end=extent[1],
        shot_frames=request.shot_frames,
    )


def _asked(request: TakeRequest, source: Stretch) -> TakeRequest:
    return replace(
        request,
        size=source.size,
        fps=source.fps,
        first_frame=source.first,
        frames=source.frames,
        shot_frames=source.shot_frames,
    )


def _made(
    backend: ModelBackend, request: TakeRequest, wanted: Stretch, run: Run
) -> Iterator[Frame]:
    """Yield what the model makes: in one run, or in windows that are joined."""
    limits = backend.card.limits
    if not are_joined(limits, wanted):
        return _checked(backend, request, run)

    def make(window: Window) -> Iterator[Frame]:
        asked = replace(request, first_frame=window.first, frames=window.frames)
        return _checked(backend, asked, run)

    return overlap_add(windows_for(limits, wanted), make, wanted)


def _request(shared: Mapping[str, Any], *, first_frame: int, frames: int) -> TakeRequest:
    width, height = shared["size"]
    return TakeRequest(
        input=shared["input"],
        seed=shared["seed"],
        size=Size(width, height),
        fps=Fraction(shared["fps"]),
        first_frame=first_frame,
        frames=frames,
        shot_frames=shared["shot_frames"],
        references=_paths(shared["references"]),
        masks=_paths(shared["masks"]),
        files=_paths(shared["files"]),
    )


def _paths(named: Mapping[str, str]) -> Mapping[str, Path]:
    return {name: Path(path) for name, path in named.items()}


def _checked(backend: ModelBackend, request: TakeRequest, run: Run) -> Iterator[Frame]:
    shape = (request.size.height * 3 // 2, request.size.width)
    count = 0
    # What is made in several goes can be continued in each of them.
    part = run.within(f"at{request.first_frame}-{request.frames}".replace("-", "_"))
    frames = backend.frames(request, part)
    if not isinstance(frames, Iterable):
        raise _mismatch(backend, f"{type(frames).__name__} for frames", "an iterator of frames")
    for frame in frames:
        if not isinstance(frame, np.ndarray):
            raise _mismatch(backend, f"{type(frame).__name__} for a frame", f"{shape} and uint8")
        if frame.shape != shape or frame.dtype.name != "uint8":
            raise _mismatch(
                backend, f"a frame of shape {frame.shape} and {frame.dtype}", f"{shape} and uint8"
            )
        count += 1
        yield frame
    if count != request.frames:
        raise _mismatch(backend, f"{count} frames", f"{request.frames} frames")


def _mismatch(backend: ModelBackend, found: str, promised: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"take the frames of {backend.card.ref}",
        found=f"{found} where its contract promises {promised}",
        remedy="Choose another model, or pin the version before; nothing of this take was kept.",
    )

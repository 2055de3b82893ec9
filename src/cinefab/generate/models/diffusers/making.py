"""A pipeline that is loaded, and what it makes of wishes: watched step by step, window by window."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from cinefab.core.brief import Size
from cinefab.core.canonical import Json, Sha256, digest_of, sha256_of
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.effect import Stretch
from cinefab.core.errors import BriefInvalid, CinefabError, ContractMismatch, OutOfMemory
from cinefab.generate.backend import Limits
from cinefab.generate.models.diffusers.adapters import Adapters
from cinefab.generate.models.diffusers.calling import Shape, Wish, generator_seed, words
from cinefab.generate.models.diffusers.card import Identity
from cinefab.generate.models.diffusers.points import Points
from cinefab.generate.models.diffusers.schedulers import GO_ON, fresh_scheduler
from cinefab.generate.models.diffusers.seeing import Pictures, look, pictures_from
from cinefab.generate.models.diffusers.settings import Configured
from cinefab.generate.models.diffusers.stepping import Step, watched
from cinefab.generate.run import Run
from cinefab.generate.windows import Window, overlap_add, windows_for
from cinefab.media.frames import Rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Wishes that are made in one call: of one size and length, with a picture each or none."""

    wishes: Sequence[Wish]
    size: Size
    frames: int
    pictures: Sequence[Rgb] | None


class Maker:
    """One pipeline and what lies over it; serves one run at a time."""

    def __init__(
        self,
        pipeline: Any,
        configured: Configured,
        identity: Identity,
        weights: Callable[[], Sha256 | None],
        clock: Clock | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.shape = Shape(pipeline, configured)
        self.configured = configured
        self.identity = identity
        self.weights = weights
        self.clock: Clock = clock or SystemClock()
        self.adapters = Adapters(pipeline, configured.loras)
        self.scheduler = pipeline.scheduler

    def check(self, wish: Wish) -> None:
        """Raise `BriefInvalid` for a setting that this pipeline does not take."""
        fresh_scheduler(self.scheduler, wish.scheduler)
        words(self.shape, [wish], self.configured)

    def stills(self, job: Job, run: Run) -> list[Rgb]:
        """Return one picture for each wish."""
        made = _Run(self, job, run, windows=1).make(0, 0, None, job.pictures)
        return [each[0] for each in pictures_from(made)]

    def films(self, job: Job, run: Run) -> list[Iterator[Rgb]]:
        """Return the frames of each wish, `job.frames` of them, at the model's own rate and size.

        Frames of one wish alone come as their windows are made; of several all are made first.
        """
        windows, wanted = self._windows(job)
        made = _Run(self, job, run, windows=len(windows))
        if len(job.wishes) == 1:
            return [overlap_add(windows, _Following(made, job, windows).frames, wanted)]
        held = _Following(made, job, windows)
        parts = [held.all_of(window) for window in windows]

        def frames_of(wish: int, window: Window) -> Iterator[Rgb]:
            return iter(parts[windows.index(window)][wish])

        return [
            overlap_add(windows, functools.partial(frames_of, wish), wanted)
            for wish in range(len(job.wishes))
        ]

    def sound(self, wish: Wish, seconds: Fraction, run: Run) -> Any:
        """Return what the pipeline gave for a wish of sound, as it gave it."""
        job = Job(wishes=[wish], size=Size(0, 0), frames=1, pictures=None)
        return _Run(self, job, run, windows=1, seconds=seconds).make(0, 0, None, None)

    def _windows(self, job: Job) -> tuple[tuple[Window, ...], Stretch]:
        wanted = Stretch(
            size=job.size,
            fps=self.shape.fps,
            first=0,
            frames=job.frames,
            extent_first=0,
            extent_end=job.frames,
            shot_frames=job.frames,
        )
        limits = Limits(
            width_max=job.size.width,
            height_max=job.size.height,
            frames_max=self.shape.window,
            overlap_frames=self.shape.overlap,
        )
        if job.frames > self.shape.window and self.shape.overlap == 0:
            raise ContractMismatch(
                attempted="lay windows over a shot",
                found=f"it has {job.frames} of the model's frames, a run {self.shape.window}",
                remedy="Set window and overlap in the model's table, or shorten the shot.",
            )
        return windows_for(limits, wanted), wanted


class _Following:
    """Windows one after the other: each begins with a frame of the one before, if it takes one."""

    def __init__(self, made: _Run, job: Job, windows: Sequence[Window]) -> None:
        self._made = made
        self._job = job
        self._windows = windows
        self._before: Pictures | None = None

    def frames(self, window: Window) -> Iterator[Rgb]:
        """Yield the frames of a window of the only wish."""
        yield from self.all_of(window)[0]

    def all_of(self, window: Window) -> Pictures:
        """Return the frames of a window, of every wish."""
        number = self._windows.index(window)
        begin = self._job.pictures
        if begin is not None and self._before is not None:
            place = window.first - self._windows[number - 1].first
            begin = [each[place] for each in self._before]
        made = pictures_from(self._made.make(number, window.first, window.frames, begin))
        if made.shape[1] < window.frames:
            raise ContractMismatch(
                attempted="take the frames that the model made",
                found=f"{made.shape[1]} where {window.frames} were asked for",
                remedy="Set its window to what it makes in one run; nothing of this was kept.",
            )
        self._before = made
        return made[:, : window.frames]


class _Run:
    """The calls of one run, and what is kept of them."""

    def __init__(
        self, maker: Maker, job: Job, run: Run, *, windows: int, seconds: Fraction | None = None
    ) -> None:
        self._maker = maker
        self._job = job
        self._run = run
        self._windows = windows
        self._seconds = seconds
        self._points: Points | None = None
        self._done = 0

    def make(
        self, number: int, place: int, frames: int | None, pictures: Sequence[Rgb] | None
    ) -> Any:
        """Make one window, or what is left of it, and return what the pipeline gave."""
        import torch

        maker, pipeline = self._maker, self._maker.pipeline
        first = self._job.wishes[0]
        maker.adapters.put(first.loras)
        pipeline.scheduler = fresh_scheduler(maker.scheduler, first.scheduler)
        call = self._call(frames, pictures)
        points = self._points_for(call)
        start = points.start_of(number)
        seeds = [generator_seed(wish.seed, place) for wish in self._job.wishes]
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        torch.manual_seed(seeds[0])
        call["generator"] = generators[0] if len(generators) == 1 else generators

        def stepped(step: Step) -> None:
            self._done += 1
            points.stepped(number, watch)
            of = max(self._done, step.of * self._windows)
            self._run.progress(self._done, of, preview=self._preview(step))

        try:
            with watched(pipeline, generators, on_step=stepped, start=start) as watch:
                output = pipeline(**call)
                if number < self._windows - 1:
                    points.finish(number, watch)
        except Exception as error:
            raise _typed(error) from error
        finally:
            # Whatever ended the call, hooks and step caches of this one are none of the next.
            pipeline.maybe_free_model_hooks()
            pipeline.scheduler = maker.scheduler
        if number == self._windows - 1:
            points.tell()
        return output

    def _call(self, frames: int | None, pictures: Sequence[Rgb] | None) -> dict[str, Any]:
        from PIL import Image

        maker, shape = self._maker, self._maker.shape
        call = words(shape, self._job.wishes, maker.configured)
        known: dict[str, Any] = {"output_type": "np"}
        if self._seconds is not None:
            seconds = float(self._seconds)
            known |= {"audio_end_in_s": seconds, "audio_length_in_s": seconds, "output_type": "pt"}
        else:
            known |= {"width": self._job.size.width, "height": self._job.size.height}
        if frames is not None:
            rate = shape.fps
            known |= {"num_frames": shape.run_frames(frames), "frame_rate": int(rate)}
        if pictures is not None:
            images = [Image.fromarray(np.ascontiguousarray(each)) for each in pictures]
            if "image" not in shape.takes:
                raise ContractMismatch(
                    attempted="call the model",
                    found=f"{type(maker.pipeline).__name__} takes no picture",
                    remedy='Name the class that does in its table: pipeline = "…Pipeline".',
                )
            known["image"] = images[0] if len(images) == 1 else images
        return call | {name: value for name, value in known.items() if name in shape.takes}

    def _points_for(self, call: dict[str, Any]) -> Points:
        if self._points is not None:
            return self._points
        maker, run = self._maker, self._run
        configured = maker.configured
        scheduler = maker.pipeline.scheduler
        kind = type(scheduler).__name__
        why_not = None
        if kind not in GO_ON:
            why_not = f"{kind} is none of those that are known to go on bit for bit"
        elif configured.step_cache != "none":
            why_not = "with a step cache a run cannot be gone on with"
        self._points = Points(
            run,
            self._key(call, scheduler),
            every=configured.resume_every,
            clock=maker.clock,
            why_not=why_not,
        )
        self._note(scheduler)
        self._done = self._points.restore()
        return self._points

    def _key(self, call: dict[str, Any], scheduler: Any) -> dict[str, Json]:
        """Return everything that determines what the run makes, by what it is of."""
        maker, job = self._maker, self._job
        identity = maker.identity
        plain = {
            name: value
            for name, value in call.items()
            if isinstance(value, bool | int | float | str) and name != "prompt"
        }
        pictures = [sha256_of(each.tobytes()) for each in job.pictures or ()]
        return {
            "model": identity.card.version,
            "pipeline": type(maker.pipeline).__name__,
            "scheduler": [type(scheduler).__name__, _spelled(dict(scheduler.config))],
            "LoRA": [[name, repr(scale)] for name, scale in job.wishes[0].loras],
            "library": dict(identity.libraries),
            "device": _device(identity.device),
            "dtype": identity.dtype,
            "batch": [
                [digest_of([wish.prompt, wish.negative_prompt]), str(wish.seed)]
                for wish in job.wishes
            ],
            "shape": [job.size.width, job.size.height, job.frames, self._windows],
            "call": _spelled(plain),
            "picture": pictures,
        }

    def _note(self, scheduler: Any) -> None:
        maker, run, first = self._maker, self._run, self._job.wishes[0]
        identity = maker.identity
        run.note("engine", {**identity.libraries, "pipeline": type(maker.pipeline).__name__})
        run.note("device", _device(identity.device))
        run.note("scheduler", type(scheduler).__name__)
        digest = maker.weights()
        if digest is not None:
            run.note("weights", digest)
        if first.loras:
            run.note("loras", [[name, repr(scale)] for name, scale in first.loras])
        if maker.configured.licence:
            run.note("licence", maker.configured.licence)
        if len(self._job.wishes) > 1:
            seeds: Json = [str(wish.seed) for wish in self._job.wishes]
            run.note("batch", {"of": len(self._job.wishes), "seeds": seeds})
        if self._windows > 1:
            run.note("windows", self._windows)

    def _preview(self, step: Step) -> Rgb | None:
        every = self._maker.configured.preview_every
        if not every or self._run.folder is None or self._seconds is not None:
            return None
        if step.done % every and step.done != step.of:
            return None
        return look(self._maker.pipeline, step.estimate, self._job.size)


def _typed(error: Exception) -> Exception:
    """Return what went wrong inside a pipeline as one of ours, with what helps."""
    import torch

    if isinstance(error, CinefabError):
        return error
    said = str(error).strip().splitlines()
    found = f"{type(error).__name__}: {said[0][:300] if said else ''}"
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "alloc" in found.lower():
        return OutOfMemory(
            attempted="run the model",
            found=f"its device has not enough memory ({found})",
            remedy='Set offload = "model", a smaller width and height, a shorter window, or '
            "quantisation in its table; or run it on a larger device.",
        )
    if isinstance(error, ValueError | TypeError):
        return BriefInvalid(
            attempted="call the model",
            field="model_settings",
            found=f"its pipeline refuses what it is asked for ({found})",
            remedy="Change what the error names, in the brief or in the model's table.",
        )
    return ContractMismatch(
        attempted="run the model",
        found=found,
        remedy="Choose another model, or mend this one's table; nothing of this take was kept.",
    )


def _device(device: str) -> str:
    import torch

    if device == "cuda":
        return f"cuda:{torch.cuda.get_device_name()}:{torch.version.cuda}"
    return f"cpu:{platform.machine()}:{torch.backends.cpu.get_cpu_capability()}"


def _spelled(value: Any) -> str:
    import json

    return json.dumps(value, sort_keys=True, default=str)

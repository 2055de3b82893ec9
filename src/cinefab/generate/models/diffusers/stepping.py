"""Between a pipeline and its scheduler: where steps are counted, kept, and gone on from.

Every pipeline of diffusers hands its scheduler each step (`scheduler.step`), whatever else it
does. A watched scheduler is of a class of its own for as long as one call lasts; nothing of a
pipeline is edited. To go on after step k the pipeline is called exactly as before: it encodes its
prompt and draws its first noise again, but its denoisers answer nothing and the scheduler gives
what it gave, until step k, where the scheduler's own state and every generator's are put back.
From there on all is as it was, bit for bit.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from cinefab.core.canonical import Json
from cinefab.generate.models.diffusers.packing import Packer, Unpackable, unpacked

_DENOISERS: Final = ("transformer", "transformer_2", "unet", "prior", "controlnet")
_CONFIG: Final = "_internal_dict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """All that a call goes on from: what was said of it, and its tensors."""

    step: int
    document: Mapping[str, Any]
    tensors: Mapping[str, Any]

    def finished(self) -> Point:
        """Return what is left to keep of a call whose last step was this one: what it gave."""
        used: dict[str, Any] = {}
        given = {"output": self.document["output"], "calls": self.document["calls"]}
        for name in _names(given):
            used[name] = self.tensors[name]
        return Point(step=self.step, document={"step": self.step, **given}, tensors=used)

    def as_bytes(self) -> tuple[bytes, bytes]:
        """Return it as JSON and as safetensors."""
        from safetensors.torch import save

        return json.dumps(self.document, sort_keys=True).encode(), save(dict(self.tensors))


def point_from(document: bytes, tensors: bytes) -> Point:
    """Read a point; raises `ValueError` or an error of safetensors for what is none."""
    from safetensors.torch import load

    read = json.loads(document)
    return Point(step=int(read["step"]), document=read, tensors=load(tensors))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step that was taken: which one of how many, and the latents after it."""

    done: int
    of: int
    latents: Any
    estimate: Any
    """What the picture is likely to become: less noisy than `latents`, where the solver tells."""


class Watch:
    """One call of a pipeline under watch; see `watched`."""

    def __init__(
        self,
        pipeline: Any,
        generators: Sequence[Any],
        on_step: Callable[[Step], None],
        start: Point | None,
    ) -> None:
        self._pipeline = pipeline
        self._scheduler = pipeline.scheduler
        self._generators = generators
        self._on_step = on_step
        self._start = start
        self._taken = 0
        self._last: Any = None
        self._calls: dict[str, Json] = {} if start is None else dict(start.document["calls"])
        self._is_alone = True
        self._hooks: list[Any] = []
        self._asleep: dict[str, Any] = {}

    @property
    def taken(self) -> int:
        """Steps taken so far, those that were skipped included."""
        return self._taken

    def point(self) -> Point | None:
        """Return what to go on from after the last step; None if this call cannot be gone on with."""
        if not self._is_alone or self._last is None:
            return None
        packer = Packer()
        try:
            document: dict[str, Json] = {
                "step": self._taken,
                "output": packer.packed(self._last),
                "calls": dict(self._calls),
                "scheduler": packer.packed(_state_of(self._scheduler)),
                "chance": packer.packed(_chance(self._generators)),
            }
        except Unpackable:
            return None
        return Point(step=self._taken, document=document, tensors=packer.tensors)

    def step(self, scheduler: Any, take: Callable[..., Any], given: Any, named: Any) -> Any:
        """Take one step for the pipeline, or give what it gave when this call was made before."""
        if scheduler is not self._scheduler:
            # A copy beside it, such as one for the sound of a film: its state is not kept here.
            self._is_alone = False
            return take(*given, **named)
        self._taken += 1
        if self._start is not None and self._taken <= self._start.step:
            return self._replayed(self._start)
        before = _argument(given, named, 2, "sample")
        self._last = take(*given, **named)
        latents = _first(self._last)
        self._on_step(
            Step(
                done=self._taken,
                of=self._steps(),
                latents=latents,
                estimate=_estimate(scheduler, self._last, given, named, before),
            )
        )
        return self._last

    def _replayed(self, start: Point) -> Any:
        device = self._pipeline._execution_device  # noqa: SLF001 - public nowhere
        self._last = unpacked(start.document["output"], start.tensors, device)
        if self._taken == start.step:
            self.wake()
            if "scheduler" in start.document:
                state = unpacked(start.document["scheduler"], start.tensors, device)
                self._scheduler.__dict__.update(state)
                _put_chance(
                    self._generators, unpacked(start.document["chance"], start.tensors, device)
                )
        return self._last

    def _steps(self) -> int:
        told = getattr(self._pipeline, "_num_timesteps", None)
        return max(self._taken, int(told) if told else len(self._scheduler.timesteps))

    def sleep(self) -> None:
        """Let the denoisers answer nothing until the point is reached, and note what they answer."""
        for name in _DENOISERS:
            module = getattr(self._pipeline, name, None)
            if module is None or not hasattr(module, "register_forward_hook"):
                continue
            if self._start is not None and name in self._calls:
                self._asleep[name] = module.__dict__.get("forward")
                module.forward = functools.partial(_nothing, self._calls[name], module)
            else:
                self._listen(name, module)

    def wake(self) -> None:
        """Give the denoisers their own forward back."""
        for name, own in self._asleep.items():
            module = getattr(self._pipeline, name)
            del module.__dict__["forward"]
            if own is not None:
                module.forward = own
            self._listen(name, module)
        self._asleep.clear()

    def _listen(self, name: str, module: Any) -> None:
        def noted(_module: Any, _given: Any, answer: Any) -> None:
            self._calls[name] = _shape_of(answer)

        self._hooks.append(module.register_forward_hook(noted))

    def end(self) -> None:
        """Leave nothing behind in the pipeline."""
        self.wake()
        for hook in self._hooks:
            hook.remove()


@contextmanager
def watched(
    pipeline: Any,
    generators: Sequence[Any],
    *,
    on_step: Callable[[Step], None],
    start: Point | None = None,
) -> Iterator[Watch]:
    """Watch the one call that the pipeline is given inside; `start` is what it goes on from.

    `on_step` is called after each step that was really taken; what it raises ends the call. Within
    it the watch can be asked for a `point`. Afterwards the pipeline is as it was.
    """
    scheduler = pipeline.scheduler
    own = type(scheduler)
    watch = Watch(pipeline, generators, on_step, start)

    @functools.wraps(own.step)
    def step(self: Any, *given: Any, **named: Any) -> Any:
        return watch.step(self, functools.partial(own.step, self), given, named)

    # Pipelines look at the scheduler's class and at the signature of its step.
    scheduler.__class__ = type(own.__name__, (own,), {"step": step, "__module__": own.__module__})
    watch.sleep()
    try:
        yield watch
    finally:
        watch.end()
        scheduler.__class__ = own


def _state_of(scheduler: Any) -> dict[str, Any]:
    return {
        name: value
        for name, value in scheduler.__dict__.items()
        if name != _CONFIG and not callable(value)
    }


def _chance(generators: Sequence[Any]) -> dict[str, Any]:
    import torch

    states: dict[str, Any] = {
        "own": [generator.get_state() for generator in generators],
        "all": torch.get_rng_state(),
    }
    if torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _put_chance(generators: Sequence[Any], states: Mapping[str, Any]) -> None:
    import torch

    for generator, state in zip(generators, states["own"], strict=True):
        generator.set_state(state)
    torch.set_rng_state(states["all"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])


def _shape_of(answer: Any) -> Json:
    """Return the shapes of what a denoiser answered: a tensor, or some in a tuple or an output."""
    import torch

    match answer:
        case torch.Tensor():
            return {"shape": list(answer.shape), "dtype": str(answer.dtype).removeprefix("torch.")}
        case tuple():
            return {"tuple": [_shape_of(each) for each in answer]}
        case Mapping():
            fields = {name: _shape_of(each) for name, each in answer.items()}
            return {"output": [type(answer).__module__, type(answer).__name__], "fields": fields}
        case _:
            return None


def _nothing(shape: Any, module: Any, *_given: Any, **_named: Any) -> Any:
    """Answer zeros of a shape, without having computed anything."""
    import torch

    from cinefab.generate.models.diffusers.packing import output_class

    match shape:
        case {"shape": list(sides), "dtype": str(dtype)}:
            device = next(module.parameters()).device
            return torch.zeros(sides, dtype=getattr(torch, dtype), device=device)
        case {"tuple": list(each)}:
            return tuple(_nothing(one, module) for one in each)
        case {"output": [str(source), str(name)], "fields": dict(fields)}:
            given = {key: _nothing(one, module) for key, one in fields.items()}
            return output_class(source, name)(**given)
        case _:
            return None


def _names(tree: Any) -> Iterator[str]:
    match tree:
        case {"tensor": str(name)} | {"array": str(name)}:
            yield name
        case Mapping():
            for each in tree.values():
                yield from _names(each)
        case list():
            for each in tree:
                yield from _names(each)
        case _:
            pass


def _argument(given: Sequence[Any], named: Mapping[str, Any], place: int, name: str) -> Any:
    return given[place] if len(given) > place else named.get(name)


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output.prev_sample


def _estimate(
    scheduler: Any, output: Any, given: Sequence[Any], named: Mapping[str, Any], before: Any
) -> Any:
    """Return what the solver takes the end of its way to be, or else where it is now."""
    import torch

    latents = _first(output)
    told = output[1] if isinstance(output, tuple) and len(output) > 1 else None
    if told is None:
        told = getattr(output, "pred_original_sample", None)
    if told is None and (outputs := getattr(scheduler, "model_outputs", None)):
        solves = getattr(scheduler, "predict_x0", None) or "++" in str(
            scheduler.config.get("algorithm_type", "")
        )
        told = outputs[-1] if solves else None
    if told is None and type(scheduler).__name__.startswith("FlowMatchEuler"):
        at = scheduler.step_index - 1
        velocity = _argument(given, named, 0, "model_output")
        told = before - scheduler.sigmas[at].to(before.device) * velocity
    is_like = isinstance(told, torch.Tensor) and told.shape == latents.shape
    return told if is_like else latents

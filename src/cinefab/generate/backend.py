"""The contract that every model keeps, ours and a stranger's.

A model is found through the entry-point group `cinefab.models`; the entry point names a class
that is called without arguments, in a process of its own, and has these three members.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Protocol

from cinefab.core.brief import Size
from cinefab.core.canonical import Json
from cinefab.core.units import BasisPoints
from cinefab.media.frames import Frame

SHOTS_OWN: Final = frozenset({"caption", "prompt", "camera"})
"""Fields of `TakeRequest.input` that are fields of a shot of the brief, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """What a model was trained on, its share in the whole, and under which licence."""

    name: str
    share_bp: BasisPoints
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNeed:
    """A class of device a model runs on, and the memory it takes there."""

    device_class: str
    memory_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a model can make at most in one run.

    With `overlap_frames`, at most half of `frames_max`, a longer shot is made in runs that overlap
    by so many frames and are faded into each other; with 0, a longer shot is refused.
    """

    width_max: int
    height_max: int
    frames_max: int
    overlap_frames: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a model says of itself; `input_schema` is a JSON Schema of `TakeRequest.input`.

    `digital_source_type` is the last part of an IPTC term, such as `algorithmicMedia`.
    `cost_us_per_megapixel` is the device time of one frame of 10^6 pixels, `cost_us_fixed` of
    one take's preparation: what estimates are made of before a model has a profile here.
    """

    name: str
    version: str
    task: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    limits: Limits
    capabilities: frozenset[str]
    devices: tuple[DeviceNeed, ...]
    training_sets: tuple[TrainingSet, ...]
    digital_source_type: str
    cost_us_per_megapixel: int
    cost_us_fixed: int

    @property
    def ref(self) -> str:
        """The exact thing that ran: `name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeRequest:
    """One segment to be made: what to show, and exactly which frames of the shot.

    `frames` of them from `first_frame` on, counted from the shot's start on the timeline (below
    zero under the transition before it), of a shot that is `shot_frames` long there.
    `references` maps a name to the path of its normalised RGB PNG, `masks` to its grey mask PNG,
    `files` maps `font`, `lut` to the paths of what the brand brings.
    """

    input: Json
    seed: int
    size: Size
    fps: Fraction
    first_frame: int
    frames: int
    shot_frames: int
    references: Mapping[str, Path]
    masks: Mapping[str, Path]
    files: Mapping[str, Path]


class ModelBackend(Protocol):
    """Generates the frames of takes; one instance serves one process, one take at a time.

    A model may also have `check(request) -> None`, which raises what `frames` would raise for the
    request, without drawing: it is asked about every shot before the film's first picture, so it
    takes milliseconds. A model without it is only asked for frames.
    """

    @property
    def card(self) -> ModelCard:
        """What this model says of itself; cheap, and the same at every call."""
        ...

    def load(self) -> None:
        """Get ready to run: weights, tables, compiled code. Its time is charged as `load`."""
        ...

    def frames(self, request: TakeRequest, /) -> Iterator[Frame]:
        """Yield exactly `request.frames` frames, in order.

        The same request gives the same bytes on the same machine if the card says
        `deterministic`. Raises `BriefInvalid` for an input that cannot be shown, naming the field.
        """
        ...

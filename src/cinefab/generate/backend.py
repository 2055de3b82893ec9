"""The contract that every model keeps, ours and a stranger's.

A model is found through the entry-point group `cinefab.models`, which names a class. It runs in a
process of its own. There are two kinds:

- A class without `settings_schema` is one model; it is called without arguments.
- A class with `settings_schema`, a closed JSON Schema, makes a model of each table `[models.NAME]`
  in the settings that names it as its `backend`; it is called as `Backend(name, settings, secrets)`
  and its card is called `name`. Whatever of the settings changes a pixel is in the card's version.
  A setting `x_env` names an environment variable, whose value is handed on as `secrets["x"]`.

`cinefab models check NAME` holds any of them against all that is promised here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from cinefab.core import stage
from cinefab.core.brief import Size
from cinefab.core.canonical import Json
from cinefab.core.device import DeviceNeed
from cinefab.core.units import BasisPoints
from cinefab.generate.run import ALONE, Run
from cinefab.media.frames import Frame

__all__ = [
    "AUDIO_HZ",
    "CAPABILITIES",
    "SERVICE",
    "SHOTS_OWN",
    "TASKS",
    "DeviceNeed",
    "Limits",
    "ModelBackend",
    "ModelCard",
    "Samples",
    "SoundBackend",
    "SoundRequest",
    "TakeRequest",
    "TrainingSet",
]

SHOTS_OWN: Final = frozenset({"caption", "prompt", "camera", "references"})
"""Fields of `TakeRequest.input` that are fields of a shot of the brief, too."""

CAPABILITIES: Final[Mapping[str, str]] = {
    "deterministic": "the same request gives the same bytes on the same machine",
    "any-frame": "any stretch of a shot can be made alone; otherwise a shot is made in one run",
    "progress": "tells its steps, and can be stopped between two of them",
    "checkpoint": "keeps resume points: a run that was killed goes on bit for bit as it would have",
    "cancel_frees_gpu": "what is cancelled frees its device within a step",
    "batch": "makes several requests in one run",
    "window": "makes shots longer than one run of its own, in windows that overlap",
    "captions": "draws the caption",
    "logo": "draws the logo",
    "lut": "grades by the brand's LUT",
    "font": "sets type in the brand's font",
    "clips": "shows videos, and draws nothing of its own",
    "start-picture": "begins with the first of a shot's references, and keeps its composition",
}
"""What a card may declare, and what each word promises; a word that is not here is refused."""

TASKS: Final = frozenset(
    {
        "motion-graphics",
        "clip",
        "text-to-video",
        "image-to-video",
        "text-to-image",
        "image-to-image",
        "text-to-audio",
    }
)
"""What a model is for. One that makes pictures shows each with the shot's camera move."""

SERVICE: Final = stage.SERVICE
"""The device class of what runs on somebody else's machine, and is billed by them."""

AUDIO_HZ: Final = 48_000
"""Samples a second of what a `text-to-audio` model makes."""

Samples = NDArray[np.float32]
"""Sound: shape (samples, 2), between -1 and 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """What a model was trained on, its share in the whole, and under which licence."""

    name: str
    share_bp: BasisPoints
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a model can make at most in one run.

    With `overlap_frames`, at most half of `frames_max`, a longer shot is made in runs that overlap
    by so many frames and are faded into each other; with 0, a longer shot is refused. `batch_max` is
    how many shots of a film it makes in one run, if its card says `batch`. A model that makes sound
    may say how many samples it makes at most in `samples_max`; None where it makes any number.
    """

    width_max: int
    height_max: int
    frames_max: int
    overlap_frames: int = 0
    batch_max: int = 1
    samples_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a model says of itself; `input_schema` is a JSON Schema of `TakeRequest.input`.

    Under `settings` it has what the brief may set for this model alone (`model_settings`).
    `advised` holds, by a word of `core.verdict.Advice`, the settings that a shot is made again with
    when a check advises it: more steps for `more-care`, say.
    `output_schema` describes what is given back. `task` is one of `TASKS`, `capabilities` are words
    of `CAPABILITIES`.

    `devices` are the classes that it runs on, the preferred one first; a studio that has none of
    them with the memory that it takes there refuses it (`FitsNowhere`).

    `digital_source_type` is the last part of an IPTC term, such as `algorithmicMedia`.
    `cost_us_per_megapixel` is the device time of one frame of 10^6 pixels, `cost_us_fixed` of
    one take's preparation: what estimates are made of before a model has a profile here. `load_us`
    is what `load` takes in a new process, as far as it can be said before it was seen here. A model
    that somebody else bills may say what they ask, for estimates alone: in µUSD for each run, and
    for each second that it shows; None where it is not known. `silence_s` is how long it may tell
    nothing before its process is ended as hung; None leaves that to the studio.
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
    load_us: int = 0
    price_uusd_per_run: int | None = None
    price_uusd_per_second: int | None = None
    advised: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    silence_s: float | None = None

    @property
    def ref(self) -> str:
        """The exact thing that ran: `name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def begins_with_picture(self) -> bool:
        """Whether a shot begins with the first of its references: by its task, or as it declares."""
        return self.task.startswith("image-to-") or "start-picture" in self.capabilities


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundRequest:
    """A stretch of sound to be made: what it is to be like, and exactly how long."""

    input: Json
    seed: int
    samples: int


class ModelBackend(Protocol):
    """Generates the frames of takes; one instance serves one process, one take at a time.

    A model may also have

    - `check(request) -> None`, which raises what `frames` would raise for the request, without
      drawing: it is asked about every shot before the film's first picture, so it takes
      milliseconds;
    - `takes(requests, run) -> Sequence[Iterator[Frame]]`, if its card says `batch`: the frames of
      each request, made together, and `compatible(one, other) -> bool`, which says whether two
      requests can be; what it notes of the run goes into the lineage of all of them; and
    - `cancel(run) -> None`, which ends work that goes on elsewhere, named by the run's resume
      point, when nobody wants it any more.
    """

    @property
    def card(self) -> ModelCard:
        """What this model says of itself; cheap, and the same at every call."""
        ...

    def load(self) -> None:
        """Get ready to run: weights, tables, compiled code. Its time is charged as `load`."""
        ...

    def frames(self, request: TakeRequest, run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield exactly `request.frames` frames, in order.

        The same request gives the same bytes on the same machine if the card says
        `deterministic`, also when it goes on from a resume point of `run`. Raises `BriefInvalid`
        for an input that cannot be shown, naming the field, `Cancelled` when the run is not wanted
        any more, and `Unavailable` for what may pass.
        """
        ...


class SoundBackend(Protocol):
    """Generates sound; the rest of its contract is that of `ModelBackend`.

    It makes the music of films that name it in `sound.music.model`.
    """

    @property
    def card(self) -> ModelCard:
        """What this model says of itself; cheap, and the same at every call."""
        ...

    def load(self) -> None:
        """Get ready to run; charged as `load`."""
        ...

    def samples(self, request: SoundRequest, run: Run = ALONE, /) -> Samples:
        """Return exactly `request.samples` samples of `AUDIO_HZ`, shape (samples, 2)."""
        ...

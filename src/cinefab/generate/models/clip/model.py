"""The model behind the contract: what it shows was filmed elsewhere, and only cut here."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

from cinefab.generate.backend import DeviceNeed, Limits, ModelCard, TakeRequest
from cinefab.generate.clips import Cut
from cinefab.generate.run import ALONE, Run
from cinefab.media.frames import Frame

CARD: Final = ModelCard(
    name="clip",
    version="1.0.0",
    task="clip",
    input_schema={
        "title": "Clip",
        "type": "object",
        "properties": {
            "clip": {
                "type": "object",
                "additionalProperties": False,
                "required": ["start_ms", "speed", "fit", "fps", "frames"],
                "properties": {
                    "start_ms": {"type": "integer", "minimum": 0},
                    "speed": {"type": "string", "pattern": "^[0-9]+/[0-9]+$"},
                    "fit": {"enum": ["cover", "contain"]},
                    "fps": {"type": "string", "pattern": "^[0-9]+/[0-9]+$"},
                    "frames": {"type": "integer", "minimum": 1},
                },
            },
            "references": {"type": "array", "minItems": 1, "maxItems": 1},
        },
    },
    output_schema={
        "title": "Frames",
        "description": "I420 frames of the asked size: BT.709, limited range",
        "type": "object",
    },
    limits=Limits(width_max=1920, height_max=1920, frames_max=20_000),
    capabilities=frozenset({"deterministic", "any-frame", "clips"}),
    devices=(DeviceNeed(device_class="cpu-core", memory_mb=256),),
    training_sets=(),
    # What came from outside was trimmed and fitted; nothing of it is ours.
    digital_source_type="algorithmicallyEnhanced",
    cost_us_per_megapixel=12_000,
    cost_us_fixed=60_000,
)


class Clip:
    """Shows a stretch of a prepared video in the film's size and rate."""

    @property
    def card(self) -> ModelCard:
        """What this model says of itself."""
        return CARD

    def load(self) -> None:
        """Get nothing ready: its libraries are those of the encoder."""

    def frames(self, request: TakeRequest, _run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield exactly `request.frames` frames; the one reference is the path of its video.

        Long videos are sought, not read from their start. Frames may be the same array again
        where the film has more of them than the video.
        """
        from cinefab.media.decode import decode_from
        from cinefab.media.fitting import Fitter

        given: Any = request.input
        clip = given["clip"]
        cut = Cut(
            start_ms=clip["start_ms"],
            speed=Fraction(clip["speed"]),
            fps=Fraction(clip["fps"]),
            frames=clip["frames"],
        )
        path = request.references[given["references"][0]]
        fitter = Fitter(request.size, fit=clip["fit"])
        at = cut.shown(request.first_frame, rate=request.fps)
        video = decode_from(path, at)
        shown = fitter.fitted(next(video))
        for frame in range(request.first_frame, request.first_frame + request.frames):
            due = cut.shown(frame, rate=request.fps)
            if due > at:
                for _ in range(due - at - 1):
                    next(video)
                shown = fitter.fitted(next(video))
                at = due
            yield shown

"""A dear model that begins with a picture, and moves over it: what image-to-video is, in small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cinefab.core.errors import BriefInvalid
from cinefab.generate.backend import DeviceNeed, Limits, ModelCard, TakeRequest
from cinefab.generate.fitting import moved
from cinefab.generate.run import ALONE, Run
from cinefab.media.frames import Frame
from cinefab.media.still import read_png

CARD = ModelCard(
    name="opener",
    version="1",
    task="image-to-video",
    input_schema={
        "type": "object",
        "properties": {
            "references": {"type": "array", "items": {"type": "string"}, "maxItems": 1},
        },
    },
    output_schema={"title": "Frames", "type": "object"},
    limits=Limits(width_max=1920, height_max=1920, frames_max=240),
    capabilities=frozenset({"deterministic", "start-picture"}),
    devices=(DeviceNeed(device_class="cpu-core", memory_mb=64),),
    training_sets=(),
    digital_source_type="trainedAlgorithmicMedia",
    cost_us_per_megapixel=2_000_000,
    cost_us_fixed=3_000_000,
)


class Opener:
    """Shows the first of a shot's references, moved as the shot orders it."""

    @property
    def card(self) -> ModelCard:
        """What this model says of itself."""
        return CARD

    def load(self) -> None:
        """Get nothing ready."""

    def frames(self, request: TakeRequest, _run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield the picture, moved; refuse a shot that has none."""
        given: Any = request.input
        if not given["references"]:
            raise BriefInvalid(field="references", found="none", remedy="Give the shot one.")
        yield from moved(read_png(request.references[given["references"][0]]), request)

"""What the procedural model says of itself."""

from __future__ import annotations

from typing import Final

from cinefab.generate.backend import DeviceNeed, Limits, ModelCard
from cinefab.generate.models.procedural.shot import INPUT_SCHEMA

CARD: Final = ModelCard(
    name="procedural",
    version="1.0.0",
    task="motion-graphics",
    input_schema=INPUT_SCHEMA,
    output_schema={
        "title": "Frames",
        "description": "I420 frames of the asked size: BT.709, limited range",
        "type": "object",
    },
    limits=Limits(width_max=1920, height_max=1920, frames_max=20_000),
    capabilities=frozenset({"deterministic", "captions", "logo", "lut", "font", "any-frame"}),
    devices=(DeviceNeed(device_class="cpu-core", memory_mb=512),),
    training_sets=(),
    digital_source_type="algorithmicMedia",
    cost_us_per_megapixel=16_000,
    cost_us_fixed=150_000,
    load_us=750_000,
)

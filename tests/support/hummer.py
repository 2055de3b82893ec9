"""A model that hums: two seconds of sound at most, of a pitch that its prompt decides."""

from __future__ import annotations

from typing import Any

import numpy as np

from cinefab.core.errors import BriefInvalid
from cinefab.generate.backend import (
    AUDIO_HZ,
    DeviceNeed,
    Limits,
    ModelCard,
    Samples,
    SoundRequest,
    TrainingSet,
)
from cinefab.generate.run import ALONE, Run

TONE_HZ = 330


class Hummer:
    """Hums softly, with a little chance in it; `low` in the prompt is an octave lower."""

    @property
    def card(self) -> ModelCard:
        """What this model says of itself."""
        return ModelCard(
            name="hummer",
            version="1",
            task="text-to-audio",
            input_schema={
                "type": "object",
                "required": ["prompt"],
                "properties": {"prompt": {"type": "string", "minLength": 1}},
            },
            output_schema={"title": "Sound", "type": "object"},
            limits=Limits(width_max=1, height_max=1, frames_max=1, samples_max=2 * AUDIO_HZ),
            capabilities=frozenset({"deterministic"}),
            devices=(DeviceNeed(device_class="cpu-core", memory_mb=64),),
            training_sets=(TrainingSet(name="Hums", share_bp=10_000, licence="CC0-1.0"),),
            digital_source_type="trainedAlgorithmicMedia",
            cost_us_per_megapixel=1_000,
            cost_us_fixed=10_000,
        )

    def load(self) -> None:
        """Get nothing ready."""

    def samples(self, request: SoundRequest, run: Run = ALONE, /) -> Samples:
        """Return a hum, exactly as long as it was asked for."""
        given: Any = request.input
        if "silence" in given["prompt"]:
            raise BriefInvalid(
                attempted="hum", field="prompt", found="nothing to hum", remedy="Ask for a sound."
            )
        tone_hz = TONE_HZ / 2 if "low" in given["prompt"] else TONE_HZ
        at = np.arange(request.samples) / AUDIO_HZ
        rng = np.random.default_rng(request.seed)
        hum = 0.02 * np.sin(2 * np.pi * tone_hz * at) + 0.0005 * rng.standard_normal(len(at))
        run.note("breath", "one")
        return np.stack([hum, hum], axis=1).astype(np.float32)

"""A model of sound: one note, whose height is its seed's."""

from __future__ import annotations

import numpy as np

from cinefab.generate.backend import (
    AUDIO_HZ,
    DeviceNeed,
    Limits,
    ModelCard,
    Samples,
    SoundRequest,
)
from cinefab.generate.run import ALONE, Run


class Tune:
    """Plays one note as long as it is asked to."""

    @property
    def card(self) -> ModelCard:
        """What this model says of itself."""
        return ModelCard(
            name="tune",
            version="1",
            task="text-to-audio",
            input_schema={"type": "object", "properties": {"prompt": {"type": "string"}}},
            output_schema={"title": "Samples", "type": "object"},
            limits=Limits(width_max=1, height_max=1, frames_max=1),
            capabilities=frozenset({"deterministic"}),
            devices=(DeviceNeed(device_class="cpu-core", memory_mb=16),),
            training_sets=(),
            digital_source_type="trainedAlgorithmicMedia",
            cost_us_per_megapixel=1,
            cost_us_fixed=1_000,
        )

    def load(self) -> None:
        """Get nothing ready."""

    def samples(self, request: SoundRequest, run: Run = ALONE, /) -> Samples:
        """Return a note in two channels."""
        run.note("note", "one")
        at = np.arange(request.samples, dtype=np.float32) / AUDIO_HZ
        note = 0.5 * np.sin(2 * np.pi * (440 + request.seed % 12 * 10) * at)
        return np.stack([note, note], axis=1).astype(np.float32)

"""A model that takes a moment to load, and says in which process it was: small, but whole."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cinefab.generate.backend import DeviceNeed, Limits, ModelCard, TakeRequest
from cinefab.generate.run import ALONE, Run
from cinefab.media.frames import Frame


class SlowToLoad:
    """Shows one grey that drifts."""

    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "log": {"type": "string"},
            "device_class": {"type": "string"},
            "count": {"type": "integer"},
            "memory_mb": {"type": "integer"},
            "pause_s": {"type": "number"},
        },
    }

    def __init__(self, name: str, settings: Mapping[str, Any], _secrets: Mapping[str, str]) -> None:
        self._name = name
        self._settings = settings

    @property
    def card(self) -> ModelCard:
        """What this model says of itself."""
        return ModelCard(
            name=self._name,
            version="1",
            task="text-to-video",
            input_schema={"type": "object"},
            output_schema={"title": "Frames", "type": "object"},
            limits=Limits(width_max=1920, height_max=1920, frames_max=240),
            capabilities=frozenset({"deterministic"}),
            devices=(
                DeviceNeed(
                    device_class=self._settings.get("device_class", "cpu-core"),
                    memory_mb=self._settings.get("memory_mb", 100),
                    count=self._settings.get("count", 1),
                ),
            ),
            training_sets=(),
            digital_source_type="trainedAlgorithmicMedia",
            cost_us_per_megapixel=10_000,
            cost_us_fixed=10_000,
            load_us=3_600_000_000,
        )

    def load(self) -> None:
        """Take a moment, and say so."""
        time.sleep(0.2)
        if "log" in self._settings:
            seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            with Path(self._settings["log"]).open("a") as out:
                out.write(f"{self._name} {os.getpid()} {seen}\n")

    def frames(self, request: TakeRequest, _run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield frames whose grey drifts under some grain."""
        time.sleep(self._settings.get("pause_s", 0))
        rng = np.random.default_rng(request.seed)
        size = request.size
        grain = rng.integers(0, 12, (size.height, size.width), dtype=np.uint8)
        for index in range(request.frames):
            frame = np.full((size.height * 3 // 2, size.width), 128, dtype=np.uint8)
            frame[: size.height] = 90 + 3 * index + np.roll(grain, 3 * index, axis=1)
            yield frame

"""A model that stands for somebody else's engine: it bills, notes, and hands over a file as it came."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cinefab.core.stage import Bill
from cinefab.generate.backend import DeviceNeed, Limits, ModelCard, TakeRequest
from cinefab.generate.run import ALONE, Run
from cinefab.media.frames import Frame


class Bought:
    """Shows one colour that drifts; whatever the settings give it comes with it."""

    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "file": {"type": "string"},
            "asks_uusd": {"type": ["integer", "null"]},
            "device_class": {"type": "string"},
            "price_uusd": {"type": "integer"},
            "version": {"type": "string"},
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
            version=self._settings.get("version", "1"),
            task="text-to-video",
            input_schema={"type": "object"},
            output_schema={"title": "Frames", "type": "object"},
            limits=Limits(width_max=1920, height_max=1920, frames_max=240),
            capabilities=frozenset({"deterministic"}),
            devices=(
                DeviceNeed(
                    device_class=self._settings.get("device_class", "cpu-core"), memory_mb=64
                ),
            ),
            training_sets=(),
            digital_source_type="trainedAlgorithmicMedia",
            cost_us_per_megapixel=10_000,
            cost_us_fixed=10_000,
            price_uusd_per_run=self._settings.get("price_uusd"),
        )

    def load(self) -> None:
        """Get nothing ready."""

    def frames(self, request: TakeRequest, run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield frames, and say what came with them."""
        run.note("engine", "bought/1")
        if "asks_uusd" in self._settings:
            asked = self._settings["asks_uusd"]
            run.bill(
                Bill(
                    amount_uusd=asked,
                    basis="unknown" if asked is None else "answer",
                    supplier="shop",
                    reference=f"run-{request.seed}",
                )
            )
        if "file" in self._settings and run.folder is not None:
            run.folder.mkdir(parents=True, exist_ok=True)
            run.came_with(Path(shutil.copy(self._settings["file"], run.folder)))
        rng = np.random.default_rng(request.seed)
        size = request.size
        grain = rng.integers(0, 12, (size.height * 3 // 2, size.width), dtype=np.uint8)
        for index in range(request.frames):
            frame = np.full((size.height * 3 // 2, size.width), 128, dtype=np.uint8)
            frame[: size.height] = 90 + 3 * index
            frame[: size.height] += np.roll(grain[: size.height], 3 * index, axis=1)
            yield frame

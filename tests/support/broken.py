"""A model that really fails: it takes all memory, hangs, crashes in native code, or returns a misfit."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cinefab.core.errors import Unavailable
from cinefab.core.stage import Bill
from cinefab.generate.backend import DeviceNeed, Limits, ModelCard, TakeRequest
from cinefab.generate.run import ALONE, Run
from cinefab.media.frames import Frame


class Broken:
    """Fails as `how` says, the first `times` times that it is asked, which `log` counts; then draws."""

    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["log"],
        "properties": {
            "how": {"enum": ["memory", "hang", "crash", "worker", "misfit", "away"]},
            "times": {"type": "integer"},
            "log": {"type": "string"},
            "asks_uusd": {"type": "integer"},
            "frames_max": {"type": "integer"},
            "shade": {"type": "integer"},
            "price_uusd": {"type": "integer"},
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
            limits=Limits(
                width_max=1920, height_max=1920, frames_max=self._settings.get("frames_max", 240)
            ),
            capabilities=frozenset({"deterministic", "progress"}),
            devices=(DeviceNeed(device_class="cpu-core", memory_mb=64),),
            training_sets=(),
            digital_source_type="trainedAlgorithmicMedia",
            cost_us_per_megapixel=10_000,
            cost_us_fixed=10_000,
            price_uusd_per_run=self._settings.get("price_uusd"),
        )

    def load(self) -> None:
        """Get nothing ready."""

    def frames(self, request: TakeRequest, run: Run = ALONE, /) -> Iterator[Frame]:
        """Fail, or yield frames."""
        run.progress(0, 2)
        log = Path(self._settings["log"])
        with log.open("a") as file:
            file.write(f"{self._name} {os.getpid()} {request.seed}\n")
        if "asks_uusd" in self._settings:
            run.bill(
                Bill(
                    amount_uusd=self._settings["asks_uusd"],
                    basis="answer",
                    supplier="shop",
                    reference=f"{self._name}-{request.seed}",
                )
            )
        asked = sum(line.startswith(f"{self._name} ") for line in log.read_text().splitlines())
        if "how" in self._settings and asked <= self._settings.get("times", 1 << 30):
            self._fail()
        rng = np.random.default_rng(request.seed)
        size = request.size
        grain = rng.integers(0, 12, (size.height, size.width), dtype=np.uint8)
        for index in range(request.frames):
            if self._settings.get("how") == "misfit" and index == request.frames - 1:
                return
            frame = np.full((size.height * 3 // 2, size.width), 128, dtype=np.uint8)
            frame[: size.height] = self._settings.get("shade", 90) + 3 * index
            frame[: size.height] += np.roll(grain, 3 * index, axis=1)
            yield frame

    def _fail(self) -> None:
        match self._settings["how"]:
            case "memory":
                kept = []
                while True:
                    kept.append(np.empty(256 << 20, dtype=np.uint8))
            case "hang":
                ctypes.PyDLL(None).sleep(600)  # in native code, with the interpreter's lock
            case "crash":
                ctypes.string_at(0)
            case "worker":
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(60)
            case "away":
                raise Unavailable(
                    attempted="ask the engine", found="it does not answer", remedy="Start it."
                )

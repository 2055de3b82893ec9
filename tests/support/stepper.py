"""A model that works in steps, keeps resume points and is made of settings: small, but whole."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cinefab.generate.backend import DeviceNeed, Limits, ModelCard, TakeRequest
from cinefab.generate.fitting import fitted, native_frames
from cinefab.generate.run import ALONE, Run
from cinefab.media.frames import Frame

FPS = Fraction(8)


class Stepper:
    """Averages noise with colours, step by step; each step needs the one before."""

    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["colour"],
        "properties": {
            "colour": {"type": "integer", "minimum": 0, "maximum": 255},
            "api_key_env": {"type": "string"},
            "log": {"type": "string"},
            "pause_s": {"type": "number"},
        },
    }
    says: ClassVar[frozenset[str]] = frozenset({"deterministic", "progress", "checkpoint"})

    def __init__(self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._name = name
        self._colour = settings["colour"]
        self._secrets = secrets
        self._log, self._pause_s = settings.get("log"), settings.get("pause_s", 0)

    @property
    def card(self) -> ModelCard:
        """What this model says of itself."""
        return ModelCard(
            name=self._name,
            version=f"1-{self._colour}",
            task="text-to-video",
            input_schema={
                "type": "object",
                "properties": {
                    "prompt": {"type": "string"},
                    "settings": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"steps": {"type": "integer", "minimum": 1, "maximum": 9}},
                    },
                },
            },
            output_schema={"title": "Frames", "type": "object"},
            limits=Limits(width_max=1920, height_max=1920, frames_max=240),
            capabilities=self.says,
            devices=(DeviceNeed(device_class="cpu-core", memory_mb=64),),
            training_sets=(),
            digital_source_type="trainedAlgorithmicMedia",
            cost_us_per_megapixel=10_000,
            cost_us_fixed=10_000,
        )

    def load(self) -> None:
        """Get nothing ready."""

    def frames(self, request: TakeRequest, run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield frames at 8 a second, fitted to the film."""
        given: Any = request.input
        steps = given.get("settings", {}).get("steps", 4)
        count = native_frames(request, FPS)
        rng = np.random.default_rng(request.seed)
        made, done = rng.random((count, 24, 40, 3)), 0
        point = run.kept()
        if point is not None:
            run.note("resumed_from", point.point)
            made = np.frombuffer(point.files["made"].read_bytes()).reshape(made.shape)
            state = json.loads(point.files["state"].read_bytes())
            done, rng.bit_generator.state = state["done"], state["rng"]
        while done < steps:
            made = made * 0.5 + rng.random(made.shape) * 0.1 + 0.4 * self._colour / 255
            done += 1
            if self._log is not None:
                with Path(self._log).open("a") as log:
                    log.write(f"{request.seed} {request.first_frame} {done}\n")
            time.sleep(self._pause_s)
            state = json.dumps({"done": done, "rng": rng.bit_generator.state}).encode()
            run.keep(f"step-{done}", {"made": made.tobytes(), "state": state})
            run.progress(done, steps, preview=self._shown(made[0]))
        yield from fitted((self._shown(each) for each in made), FPS, request)

    def _shown(self, picture: Any) -> Any:
        return (np.clip(picture, 0, 1) * 255).astype(np.uint8)

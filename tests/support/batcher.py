"""A model of steps that makes several requests in one run, and whose pictures tell with how many."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from stepper import FPS, Stepper

from cinefab.core.errors import BriefInvalid
from cinefab.generate.backend import ModelCard, TakeRequest
from cinefab.generate.fitting import fitted, native_frames
from cinefab.generate.run import ALONE, Run
from cinefab.media.frames import Frame


class Batcher(Stepper):
    """Steps of all requests are taken at once; a `Bad` one is refused, a `Deadly` one kills."""

    settings_schema: ClassVar[Mapping[str, Any]] = {
        **Stepper.settings_schema,
        "properties": {
            **Stepper.settings_schema["properties"],
            "batch": {"type": "integer", "minimum": 1},
        },
    }

    def __init__(self, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        super().__init__(name, settings, secrets)
        self._batch = settings.get("batch", 4)

    @property
    def card(self) -> ModelCard:
        """What this model says of itself."""
        card = super().card
        return replace(
            card,
            capabilities=(card.capabilities | {"batch"}) - {"deterministic"},
            limits=replace(card.limits, batch_max=self._batch),
        )

    def frames(self, request: TakeRequest, run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield the frames of one request."""
        (frames,) = self.takes([request], run)
        yield from frames

    def compatible(self, one: TakeRequest, other: TakeRequest, /) -> bool:
        """Say whether two requests are of one length and of as many steps."""
        return one.frames == other.frames and _steps(one) == _steps(other)

    def takes(self, requests: Sequence[TakeRequest], run: Run = ALONE, /) -> list[Iterator[Frame]]:
        """Return the frames of each request; the more there are, the brighter are all, by a little."""
        steps, count = _steps(requests[0]), native_frames(requests[0], FPS)
        words = [str(_input(request)["prompt"]) for request in requests]
        if any("Bad" in prompt for prompt in words):
            raise BriefInvalid(
                attempted="make takes", field="prompt", found="a bad one", remedy="Ask otherwise."
            )
        made = np.stack(
            [np.random.default_rng(each.seed).random((count, 24, 40, 3)) for each in requests]
        )
        done, point = 0, run.kept()
        if point is not None:
            made = np.frombuffer(point.files["made"].read_bytes()).reshape(made.shape)
            done = json.loads(point.files["state"].read_bytes())
            run.note("resumed_from", done)
        if len(requests) > 1:
            run.note("batch", {"of": len(requests)})
        while done < steps:
            made = made * 0.75 + 0.2 * self._colour / 255 + 0.0005 * len(requests)
            done += 1
            self._tell(requests, done)
            run.keep(f"step-{done}", {"made": made.tobytes(), "state": str(done).encode()})
            run.progress(done, steps)
            if any("Deadly" in prompt for prompt in words):
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(self._pause_s)
        return [
            fitted((self._shown(each) for each in one), FPS, request)
            for one, request in zip(made, requests, strict=True)
        ]

    def _tell(self, requests: Sequence[TakeRequest], done: int) -> None:
        if self._log is not None:
            with Path(self._log).open("a") as log:
                log.write(f"{len(requests)} {done}\n")


def _input(request: TakeRequest) -> Any:
    return request.input


def _steps(request: TakeRequest) -> int:
    return int(_input(request).get("settings", {}).get("steps", 4))

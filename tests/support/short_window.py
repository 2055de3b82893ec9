"""The embedded model with a short memory: nine frames in one run, three of them shared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cinefab.generate.backend import ModelCard, TakeRequest
from cinefab.generate.models.procedural import Procedural
from cinefab.generate.run import ALONE, Run
from cinefab.media.frames import Frame


class ShortWindow(Procedural):
    """Draws what the embedded model draws, and refuses to draw more of it at once."""

    @property
    def card(self) -> ModelCard:
        """What this model says of itself."""
        limits = replace(super().card.limits, frames_max=9, overlap_frames=3)
        return replace(super().card, limits=limits)

    def frames(self, request: TakeRequest, _run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield the frames of a run that is short enough."""
        assert request.frames <= 9, f"asked for {request.frames} frames in one run"
        yield from super().frames(request)

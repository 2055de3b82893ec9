"""What size and how many frames a workflow is asked for, for a shot of a film."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cinefab.core.brief import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a workflow's own model can make: sides are multiples, lengths `step * n + 1`.

    `pixels` is about how many a picture of it has, whatever its proportions.
    """

    pixels: int
    multiple: int
    frames_step: int

    def size_for(self, film: Size) -> Size:
        """Return the size to ask for: the film's proportions, and the model's number of pixels."""
        scale = math.sqrt(self.pixels / (film.width * film.height))
        return Size(self._side(film.width * scale), self._side(film.height * scale))

    def frames_for(self, needed: int) -> int:
        """Return the least number of frames that can be asked for and is enough."""
        return -(-max(0, needed - 1) // self.frames_step) * self.frames_step + 1

    def _side(self, length: float) -> int:
        return max(1, round(length / self.multiple)) * self.multiple

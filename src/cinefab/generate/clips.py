"""Which frame of a video is shown when: exact arithmetic, shared by plans and the model.

A film's frame shows the video's frame that is nearest to its own time, so a clip at the video's
rate is the video's own frames, whatever the film's rate is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A stretch of a video of `frames` at `fps`, from `start_ms` on at `speed` times its pace."""

    start_ms: int
    speed: Fraction
    fps: Fraction
    frames: int

    def place(self, frame: int, *, rate: Fraction) -> int:
        """Return the number of the video's frame that is due at `frame` of a shot at `rate`.

        It may lie before the video, or beyond it.
        """
        seconds = Fraction(self.start_ms, 1000) + frame * self.speed / rate
        return (seconds * self.fps + Fraction(1, 2)).__floor__()

    def shown(self, frame: int, *, rate: Fraction) -> int:
        """Return the number of the frame that is shown: where there is none, the nearest stands."""
        return min(max(self.place(frame, rate=rate), 0), self.frames - 1)

    def room_ms(self) -> int:
        """Return how long a shot may be until the video ends."""
        left = Fraction(self.frames) / self.fps - Fraction(self.start_ms, 1000)
        return max(0, (left / self.speed * 1000).__floor__())

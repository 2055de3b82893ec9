"""Windows: a shot that is longer than its model's longest run, made in runs that overlap.

Windows lie on one grid for the whole shot, so parts of it that are made apart are made of the
same runs. Where two of them overlap, one fades into the other with weights that are whole numbers
and sum to one: what both agree on comes out as it was, bit for bit.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cinefab.core.effect import Stretch
from cinefab.core.errors import ContractMismatch
from cinefab.generate.backend import Limits
from cinefab.media.frames import Frame

_ONE: Final = 1 << 14
"""A whole, in the weights of a fade."""


@dataclass(frozen=True, slots=True)
class Window:
    """One run: `frames` of them from `first` on, counted from the shot's start."""

    first: int
    frames: int

    @property
    def end(self) -> int:
        """The first frame after it."""
        return self.first + self.frames


def windows_for(limits: Limits, wanted: Stretch) -> tuple[Window, ...]:
    """Return the runs that `wanted` is made of, in order; one, if its shot fits into one.

    Neighbours overlap by `limits.overlap_frames`; only a shot's last window may be shorter than
    the longest run. A model that cannot be joined is asked for exactly what is wanted. Raises
    `ContractMismatch` for an overlap in which a frame would lie in three windows.
    """
    extent = wanted.extent_end - wanted.extent_first
    end = wanted.first + wanted.frames
    if limits.overlap_frames == 0 or extent <= limits.frames_max:
        return (Window(wanted.first, wanted.frames),)
    if 2 * limits.overlap_frames > limits.frames_max:
        raise ContractMismatch(
            attempted="lay windows over a shot",
            found=f"the model's limits ask for an overlap of {limits.overlap_frames} in runs of "
            f"{limits.frames_max}",
            remedy="Mend its card: at most half of a run may overlap.",
        )
    hop = limits.frames_max - limits.overlap_frames
    starts = range(wanted.extent_first, wanted.extent_end - limits.overlap_frames, hop)
    grid = [Window(at, min(limits.frames_max, wanted.extent_end - at)) for at in starts]
    return tuple(each for each in grid if each.first < end and each.end > wanted.first)


def are_joined(limits: Limits, wanted: Stretch) -> bool:
    """Say whether a stretch of that shot is made of windows, so that where it ends matters."""
    return limits.overlap_frames > 0 and (
        wanted.extent_end - wanted.extent_first > limits.frames_max
    )


def overlap_add(
    windows: Sequence[Window], make: Callable[[Window], Iterator[Frame]], wanted: Stretch
) -> Iterator[Frame]:
    """Yield the wanted frames from those that `make` gives for each window, one after the other.

    Only the frames of one overlap are held. `make` gives frames of any shape, of whole numbers up
    to 8 bits; they may be views of a buffer that is used again.
    """
    end = wanted.first + wanted.frames
    held: deque[Frame] = deque()
    for number, window in enumerate(windows):
        before = windows[number - 1].end if number else window.first
        following = windows[number + 1].first if number + 1 < len(windows) else window.end
        overlap = len(held)
        for place, made in enumerate(make(window), start=window.first):
            frame = made
            if place < before:
                frame = _mixed(held.popleft(), made, fade(place - window.first, overlap))
            if place >= following:
                held.append(frame.copy())
            elif wanted.first <= place < end:
                yield frame


def fade(index: int, frames: int) -> int:
    """Return the new window's weight at `index` of an overlap of `frames`, of 16,384 in all.

    A raised cosine, above nothing and below all of it at both ends, so no frame stands twice.
    """
    return round(_ONE * (0.5 - 0.5 * math.cos(math.pi * (index + 1) / (frames + 1))))


def _mixed(old: Frame, new: Frame, weight: int) -> Frame:
    total = old.astype(np.uint32) * np.uint32(_ONE - weight) + new * np.uint32(weight)
    mixed: Frame = ((total + np.uint32(_ONE // 2)) // np.uint32(_ONE)).astype(new.dtype)
    return mixed

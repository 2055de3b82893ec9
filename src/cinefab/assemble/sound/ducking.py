"""Ducking: everything else steps back before somebody speaks, and comes back after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cinefab.assemble.sound.samples import seconds

Stretch = tuple[int, int]
"""From a sample to a sample: somebody speaks."""

DEPTH_DB: Final = -11.0
"""How far the rest steps back."""

ATTACK_S: Final = 0.18
"""How long before the first word it begins to; it is down when the word begins."""

RELEASE_S: Final = 0.6
"""How long after the last word it takes to come back."""

_PAUSE_S: Final = 0.7  # a shorter pause in speech is no reason to come back


def joined(spoken: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """Return the stretches in order, those that a mere pause divides as one."""
    together: list[Stretch] = []
    for start, end in sorted(spoken):
        if together and start - together[-1][1] < seconds(_PAUSE_S):
            together[-1] = together[-1][0], max(end, together[-1][1])
        else:
            together.append((start, end))
    return tuple(together)


def duck_gain(spoken: Sequence[Stretch], start: int, samples: int) -> NDArray[np.float32]:
    """Return the gain of everything but the voice from `start` on; `spoken` was `joined`."""
    place = np.arange(start, start + samples)
    depth = np.zeros(samples)
    attack, release = seconds(ATTACK_S), seconds(RELEASE_S)
    for begins, ends in spoken:
        if ends + release < start or begins - attack > start + samples:
            continue
        down = np.clip((place - (begins - attack)) / attack, 0, 1)
        up = np.clip((ends + release - place) / release, 0, 1)
        eased = np.minimum(0.5 - 0.5 * np.cos(np.pi * down), 0.5 - 0.5 * np.cos(np.pi * up))
        np.maximum(depth, eased, out=depth)
    gains: NDArray[np.float32] = (10 ** (DEPTH_DB * depth / 20)).astype(np.float32)
    return gains

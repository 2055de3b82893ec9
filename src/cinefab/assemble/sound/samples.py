"""What sound is made of here: float samples of two channels, in blocks that fit in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cinefab.core.sound import SAMPLE_RATE

Samples: TypeAlias = NDArray[np.float32]
"""Shape (2, samples), full scale at 1."""

BLOCK: Final = 126_208
"""Samples that are made at a time, 2.6 seconds: a long film takes no more memory than a short one.

With the limiter's margins, and with the response of a loudness meter, it is 2^17 points, which
transforms are quickest at.
"""


def in_blocks(sounds: Iterable[Samples]) -> Iterator[Samples]:
    """Yield what comes in pieces of any length in blocks of `BLOCK` samples; the last is the rest."""
    waiting: list[Samples] = []
    length = 0
    for sound in sounds:
        waiting.append(sound)
        length += sound.shape[1]
        while length >= BLOCK:
            whole = np.concatenate(waiting, axis=1)
            yield whole[:, :BLOCK]
            waiting, length = [whole[:, BLOCK:]], length - BLOCK
    if length:
        yield np.concatenate(waiting, axis=1)


def seconds(length_s: float) -> int:
    """Return a length in samples."""
    return round(length_s * SAMPLE_RATE)


def silence(samples: int) -> Samples:
    """Return that many samples of nothing."""
    return np.zeros((2, samples), np.float32)


def gain(level_db: float) -> np.float32:
    """Return the factor of a level."""
    return np.float32(10 ** (level_db / 20))


def faded(sound: Samples, *, attack: int, release: int) -> Samples:
    """Return `sound` with a raised-cosine start and end, so that nothing clicks."""
    length = sound.shape[1]
    attack, release = min(attack, length), min(release, length)
    shaped = sound.copy()
    shaped[:, :attack] *= rise(attack)
    shaped[:, length - release :] *= rise(release)[::-1]
    return shaped


def rise(samples: int) -> NDArray[np.float32]:
    """Return a raised cosine from 0 to 1."""
    return (0.5 - 0.5 * np.cos(np.pi * np.arange(samples) / max(1, samples))).astype(np.float32)


def panned(mono: NDArray[np.float32], place: float) -> Samples:
    """Return `mono` from left, -1, to right, 1, at equal power."""
    angle = (place + 1) * np.pi / 4
    return np.stack([mono * np.float32(np.cos(angle)), mono * np.float32(np.sin(angle))])

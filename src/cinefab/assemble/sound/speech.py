"""Spoken lines on the film's clock: each as loud as the others, where its shot wants it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cinefab.assemble.sound.bus import Bus
from cinefab.assemble.sound.ducking import Stretch
from cinefab.assemble.sound.loudness import SILENT_LUFS, loudness_of
from cinefab.assemble.sound.samples import BLOCK, Samples, faded, gain, seconds
from cinefab.core.sound import SAMPLE_RATE
from cinefab.media.audio import read_sound

VOICE_LUFS: Final = -18.0
"""How loud every line is before the film is brought to its loudness."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line's file, where it begins on the film's clock, and its length in samples."""

    path: Path
    at: int
    samples: int


def play_lines(lines: Sequence[Line], samples: int) -> Iterator[Samples]:
    """Yield the voice of a film in blocks of `BLOCK` samples; the last one is what is left."""
    waiting = iter(sorted(lines, key=lambda line: line.at))
    line = next(waiting, None)
    bus = Bus()
    for start in range(0, samples, BLOCK):
        length = min(BLOCK, samples - start)
        while line is not None and line.at < start + length:
            bus.lay(_levelled(line), line.at - start)
            line = next(waiting, None)
        yield bus.take(length)


def stretches(lines: Sequence[Line]) -> tuple[Stretch, ...]:
    """Return where somebody speaks."""
    return tuple((line.at, line.at + line.samples) for line in lines)


def line_at(start_ms: int) -> int:
    """Return the sample at which a line begins that is planned for a millisecond."""
    return start_ms * SAMPLE_RATE // 1000


def _levelled(line: Line) -> Samples:
    sound = np.concatenate(list(read_sound(line.path)), axis=1)
    loudness = loudness_of(sound[:, n : n + BLOCK] for n in range(0, sound.shape[1], BLOCK))
    if loudness <= SILENT_LUFS:
        return sound
    levelled = sound * gain(VOICE_LUFS - loudness)
    return faded(levelled, attack=seconds(0.003), release=seconds(0.01))

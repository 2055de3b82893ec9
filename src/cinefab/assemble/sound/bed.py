"""A bed that a model made: brought to the loudness of a bed, repeated to the film's end, and faded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from cinefab.assemble.sound.loudness import SILENT_LUFS, LoudnessMeter
from cinefab.assemble.sound.samples import BLOCK, Samples, gain, in_blocks, rise, seconds
from cinefab.media.audio import read_sound

BED_LUFS: Final = -17.0
"""What a bed is brought to before the film is mastered: about what the synthesised ones have."""

_GAIN_MAX_DB: Final = 30.0
_CROSS_S: Final = 1.0
_CROSS_MOST: Final = 4  # of a short sound no more than a quarter fades into its own beginning
_FADE_IN_S: Final = 0.04
_FADE_OUT_S: Final = 0.9


def play_bed(path: Path, samples: int, *, level_db: int) -> Iterator[Samples]:
    """Yield `samples` of the sound at `path` in blocks of `BLOCK`; the last one is what is left.

    A sound that is shorter is repeated, its end fading into its beginning at equal power.
    """
    sound = np.concatenate(list(read_sound(path)), axis=1)
    meter = LoudnessMeter()
    for block in in_blocks([sound]):
        meter.feed(block)
    heard = max(meter.lufs(), SILENT_LUFS)
    factor = gain(min(_GAIN_MAX_DB, BED_LUFS - heard) + level_db)
    whole = _repeated(sound, samples) * factor
    fade_in, fade_out = min(seconds(_FADE_IN_S), samples), min(seconds(_FADE_OUT_S), samples // 4)
    whole[:, :fade_in] *= rise(fade_in)
    if fade_out:
        whole[:, samples - fade_out :] *= rise(fade_out)[::-1]
    for start in range(0, samples, BLOCK):
        yield whole[:, start : start + BLOCK]


def _repeated(sound: Samples, samples: int) -> Samples:
    length = sound.shape[1]
    if length >= samples:
        return sound[:, :samples].copy()
    cross = min(seconds(_CROSS_S), length // _CROSS_MOST)
    into = np.sin(np.pi / 2 * (np.arange(cross) + 0.5) / max(1, cross)).astype(np.float32)
    made = np.zeros((2, samples + length), np.float32)
    made[:, :length] = sound
    end = length
    while end < samples:
        begin = end - cross
        made[:, begin:end] = made[:, begin:end] * into[::-1] + sound[:, :cross] * into
        made[:, end : begin + length] = sound[:, cross:]
        end = begin + length
    return made[:, :samples].copy()

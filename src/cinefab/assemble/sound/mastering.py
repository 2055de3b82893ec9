"""Mastering: a mix is brought to its loudness and kept under its ceiling, whatever its length.

The mix is rendered once, to a file of plain floats; every pass reads it block by block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cinefab.assemble.sound.limiter import MARGIN, limited, true_peak
from cinefab.assemble.sound.loudness import SILENT_LUFS, LoudnessMeter
from cinefab.assemble.sound.samples import BLOCK, Samples, gain, silence

TOLERANCE_LU: Final = 0.2
"""How near the loudness is brought to what was ordered; the order allows 0.5."""

PASSES_MAX: Final = 6
_GAIN_MAX_DB: Final = 60.0


@dataclass(frozen=True, slots=True)
class Level:
    """What makes a mix a master: a gain, then a ceiling for its true peaks, in decibels."""

    gain_db: float
    ceiling_db: float


class Raw:
    """A rendered mix on disk: float samples of two channels, one after the other."""

    def __init__(self, path: Path, blocks: Iterable[Samples]) -> None:
        self._path = path
        self.samples = 0
        meter = LoudnessMeter()
        with path.open("wb") as file:
            for block in blocks:
                file.write(np.ascontiguousarray(block.T).tobytes())
                self.samples += block.shape[1]
                meter.feed(block)
        self.lufs = meter.lufs()

    def read(self, start: int, end: int) -> Samples:
        """Return the samples from `start` to `end`, silence beyond the film's own."""
        first, last = max(0, start), min(end, self.samples)
        sound = silence(end - start)
        with self._path.open("rb") as file:
            file.seek(first * 8)
            found = np.fromfile(file, np.float32, max(0, last - first) * 2)
        sound[:, first - start : first - start + len(found) // 2] = found.reshape(-1, 2).T
        return sound


def find_level(raw: Raw, *, lufs: float, ceiling_db: float) -> Level:
    """Return the gain that brings `raw` to `lufs` under that ceiling, as nearly as it goes."""
    if raw.lufs <= SILENT_LUFS:
        return Level(0.0, ceiling_db)
    gain_db = min(_GAIN_MAX_DB, lufs - raw.lufs)
    for _ in range(PASSES_MAX):
        level = Level(gain_db, ceiling_db)
        meter = LoudnessMeter()
        touched = False
        for block, changed in _passed(raw, level):
            touched |= changed
            meter.feed(block)
        missing = lufs - meter.lufs()
        if abs(missing) <= TOLERANCE_LU:
            return level
        # A limited film gains less than it is given.
        gain_db = min(_GAIN_MAX_DB, gain_db + missing * (1.2 if touched else 1))
    return Level(gain_db, ceiling_db)


def mastered(raw: Raw, level: Level) -> Iterator[Samples]:
    """Yield the finished sound in blocks of `BLOCK` samples."""
    return (block for block, _ in _passed(raw, level))


def _passed(raw: Raw, level: Level) -> Iterator[tuple[Samples, bool]]:
    factor = gain(level.gain_db)
    for start in range(0, raw.samples, BLOCK):
        end = min(start + BLOCK, raw.samples)
        stretch = raw.read(start - MARGIN, end + MARGIN) * factor
        block = limited(stretch, ceiling_db=level.ceiling_db)
        # `limited` lends a view of what it leaves as it is.
        yield block, block.base is not stretch


def measured(blocks: Iterable[Samples]) -> tuple[float, float]:
    """Return the loudness of `blocks` in LUFS, and their true peak in dBTP."""
    meter = LoudnessMeter()

    def metered() -> Iterator[Samples]:
        for block in blocks:
            meter.feed(block)
            yield block

    peak_dbtp = peak_of(metered())
    return meter.lufs(), peak_dbtp


def peak_of(blocks: Iterable[Samples]) -> float:
    """Return the true peak of `blocks` in dBTP."""
    highest, before = 0.0, silence(0)
    for block in blocks:
        # Peaks may lie between the last sample of one block and the first of the next.
        highest = max(highest, true_peak(np.concatenate([before, block], axis=1)))
        before = block[:, -64:]
    return float(20 * np.log10(max(highest, 1e-9)))

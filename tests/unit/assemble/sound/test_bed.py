"""A bed that a model made: as long as the film, as loud as any bed, and without a seam."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cinefab.assemble.sound.bed import BED_LUFS, play_bed
from cinefab.assemble.sound.loudness import LoudnessMeter
from cinefab.assemble.sound.samples import BLOCK
from cinefab.core.sound import SAMPLE_RATE
from cinefab.media.audio import write_flac


def a_tone(folder: Path, seconds: float, *, level: float = 0.01) -> Path:
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tone = (level * np.sin(2 * np.pi * 440 * at)).astype(np.float32)
    write_flac([np.stack([tone, tone])], folder / "tone.flac")
    return folder / "tone.flac"


@pytest.mark.parametrize("film_s", [1.0, 3.0, 7.3])
def test_it_is_exactly_as_long_as_the_film_and_is_heard_throughout(
    tmp_path: Path, film_s: float
) -> None:
    samples = round(film_s * SAMPLE_RATE)

    blocks = list(play_bed(a_tone(tmp_path, 3.0), samples, level_db=0))

    assert all(block.shape[1] == BLOCK for block in blocks[:-1])
    heard = np.concatenate(blocks, axis=1)
    assert heard.shape == (2, samples)
    tenths = heard[0, : samples // 4_800 * 4_800].reshape(-1, 4_800)
    power = np.sqrt((tenths[1:-10] ** 2).mean(axis=1))
    assert power.size == 0 or power.min() > 0.5 * power.max()
    assert np.abs(heard[:, :10]).max() < 0.01


def test_it_is_as_loud_as_a_bed_however_soft_the_model_was(tmp_path: Path) -> None:
    def lufs(level: float, level_db: int) -> float:
        meter = LoudnessMeter()
        path = a_tone(tmp_path, 6.0, level=level)
        for block in play_bed(path, 6 * SAMPLE_RATE, level_db=level_db):
            meter.feed(block)
        return meter.lufs()

    assert lufs(0.01, 0) == pytest.approx(BED_LUFS, abs=1)
    assert lufs(0.5, 0) == pytest.approx(BED_LUFS, abs=1)
    assert lufs(0.5, -6) == pytest.approx(BED_LUFS - 6, abs=1)

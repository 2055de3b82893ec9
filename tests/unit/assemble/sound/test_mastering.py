"""Loudness is what FFmpeg measures too, and no peak is above its ceiling."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from heard import loudness
from hypothesis import given, settings
from hypothesis import strategies as st

from cinefab.assemble.sound.limiter import MARGIN, limited, true_peak
from cinefab.assemble.sound.loudness import SILENT_LUFS, loudness_of
from cinefab.assemble.sound.mastering import Raw, find_level, mastered, peak_of
from cinefab.assemble.sound.samples import BLOCK, Samples, silence
from cinefab.media.audio import write_flac


def a_noise(samples: int, *, level: float, seed: int = 0) -> Samples:
    noise = np.random.default_rng(seed).standard_normal((2, samples), np.float32)
    return noise * np.float32(level)


def in_blocks(sound: Samples) -> Iterator[Samples]:
    return (sound[:, start : start + BLOCK] for start in range(0, sound.shape[1], BLOCK))


def a_scene(seed: int) -> Samples:
    """Return six seconds that are loud, quiet, silent and shrill by turns."""
    sound = a_noise(288_000, level=0.1, seed=seed)
    sound[:, 96_000:144_000] *= 0.02
    sound[:, 144_000:192_000] = 0
    turn = 2 * np.pi * (150 + 2_000 * seed) * np.arange(96_000) / 48_000
    sound[:, 192_000:] = 0.3 * np.sin(turn).astype(np.float32)
    return sound


@pytest.mark.parametrize("seed", range(3))
def test_loudness_is_measured_as_ffmpeg_measures_it(seed: int, tmp_path: Path) -> None:
    sound = a_scene(seed)
    write_flac(in_blocks(sound), tmp_path / "scene.flac")

    ours = loudness_of(in_blocks(sound))

    assert ours == pytest.approx(loudness(tmp_path / "scene.flac").lufs, abs=0.1)


def test_a_stereo_sine_of_1_khz_has_the_loudness_that_the_standard_gives_it() -> None:
    # BS.1770: a full-scale 997 Hz sine in one channel is -3.01 LKFS; in two, 3.01 more.
    turn = 2 * np.pi * 997 * np.arange(480_000) / 48_000
    sine = np.stack([np.sin(turn), np.sin(turn)]).astype(np.float32)

    assert loudness_of(in_blocks(sine)) == pytest.approx(0.0, abs=0.05)


def test_silence_has_no_loudness() -> None:
    assert loudness_of(in_blocks(silence(480_000))) == SILENT_LUFS


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    level=st.floats(0.05, 4),
    ceiling_db=st.floats(-12, -0.5),
    spikes=st.lists(st.integers(0, 19_999), max_size=8),
)
def test_no_true_peak_is_above_the_ceiling(
    seed: int, level: float, ceiling_db: float, spikes: list[int]
) -> None:
    sound = a_noise(20_000, level=level / 4, seed=seed)
    sound[:, spikes] += np.float32(level)

    quiet = limited(np.pad(sound, ((0, 0), (MARGIN, MARGIN))), ceiling_db=ceiling_db)

    assert 20 * np.log10(true_peak(quiet)) <= ceiling_db + 0.15
    assert np.abs(quiet).max() <= 10 ** (ceiling_db / 20) + 1e-5


def test_what_is_under_the_ceiling_is_left_as_it_is() -> None:
    sound = np.pad(a_noise(20_000, level=0.05), ((0, 0), (MARGIN, MARGIN)))

    assert np.array_equal(limited(sound, ceiling_db=-1), sound[:, MARGIN:-MARGIN])


@pytest.mark.parametrize("level", [0.001, 0.1, 1.0])
def test_a_master_has_its_loudness_and_its_peaks_whatever_the_mix_was(
    level: float, tmp_path: Path
) -> None:
    sound = a_scene(1) * np.float32(level)
    sound[:, ::9_600] += np.float32(1.5 * level)  # a click every fifth of a second
    raw = Raw(tmp_path / "raw", in_blocks(sound))

    level_found = find_level(raw, lufs=-16, ceiling_db=-2)
    size = write_flac(mastered(raw, level_found), tmp_path / "master.flac")

    measured = loudness(tmp_path / "master.flac")
    assert size > 0
    assert measured.lufs == pytest.approx(-16, abs=0.5)
    assert measured.peak_dbtp <= -1.8
    assert peak_of(mastered(raw, level_found)) == pytest.approx(measured.peak_dbtp, abs=0.3)


def test_a_block_is_mastered_alike_wherever_blocks_are_divided(tmp_path: Path) -> None:
    sound = a_noise(BLOCK + 40_000, level=0.5)
    raw = Raw(tmp_path / "raw", in_blocks(sound))
    level = find_level(raw, lufs=-9, ceiling_db=-3)

    whole = np.concatenate(list(mastered(raw, level)), axis=1)
    stretch = raw.read(BLOCK - 8_000 - MARGIN, BLOCK + 8_000 + MARGIN)
    across = limited(stretch * np.float32(10 ** (level.gain_db / 20)), ceiling_db=-3)

    # White noise is the worst there is to interpolate near an edge; 0.02 dB is what is left.
    assert np.allclose(whole[:, BLOCK - 8_000 : BLOCK + 8_000], across, atol=2e-3)

"""What is heard of a film is held against its mix: late, silent or clipped sound is measured."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from reviewed_films import a_cut, alive

from cinefab.conformance.sound_defects import SOUND_FAULTS
from cinefab.core.verdict import CheckFinding
from cinefab.media.audio import Sound, write_aac, write_flac
from cinefab.media.hearing import hear
from cinefab.media.join import join
from cinefab.review.check import Check, CutUnderReview
from cinefab.review.checks.clipped_sound import ClippedSound
from cinefab.review.checks.loudness import Loudness
from cinefab.review.checks.silence import Silence
from cinefab.review.checks.sync import Sync

RATE, SECONDS = 48_000, 4
CHECKS: tuple[Check, ...] = (Loudness(), Silence(), ClippedSound(), Sync())


def a_mix(seed: int = 1) -> Sound:
    """Notes that are struck and die away."""
    chance = np.random.default_rng(seed)
    time = np.arange(RATE * SECONDS) / RATE
    heard = np.zeros(RATE * SECONDS)
    for start in np.arange(0, SECONDS, 0.4):
        since = np.maximum(time - start, 0)
        note = np.sin(2 * np.pi * chance.uniform(200, 600) * since) * np.exp(-since / 0.2)
        heard += chance.uniform(0.05, 0.15) * note
    return np.stack([heard, heard]).astype(np.float32)


def reviewed(folder: Path, mix: Sound, heard: Sound) -> dict[str, CheckFinding]:
    """Make a film that is heard so, though its mix was otherwise, and ask the checks."""
    cut: CutUnderReview = a_cut(folder / "picture.mp4", (alive, 24 * SECONDS))
    write_flac([mix], folder / "mix.flac")
    write_flac([heard], folder / "heard.flac")
    write_aac(folder / "heard.flac", folder / "heard.m4a")
    join([cut.path], folder / "film.mp4", fps=Fraction(24), sound=folder / "heard.m4a")
    film = CutUnderReview(
        path=folder / "film.mp4",
        size=cut.size,
        fps=cut.fps,
        frames=cut.frames,
        footage=cut.footage,
        heard=hear(folder / "film.mp4", folder / "mix.flac"),
    )
    findings = {check.name: check.examine(film) for check in CHECKS}
    return {name: finding for name, finding in findings.items() if finding.problems}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_film_that_is_heard_as_it_was_mixed_passes(tmp_path: Path, seed: int) -> None:
    assert reviewed(tmp_path, a_mix(seed), a_mix(seed)) == {}


@pytest.mark.parametrize("shift_ms", [80, -80, 200])
def test_sound_that_is_late_or_early_is_refused_by_how_much(tmp_path: Path, shift_ms: int) -> None:
    mix = a_mix()
    samples = shift_ms * RATE // 1000
    heard = np.roll(mix, samples, axis=1)

    finding = reviewed(tmp_path, mix, heard)["sync"]

    assert finding.figures["sound_late_ms"] == shift_ms


def test_silence_where_the_mix_has_sound_is_refused_at_its_frame(tmp_path: Path) -> None:
    mix = a_mix()
    heard = mix.copy()
    heard[:, RATE * 2 : RATE * 5 // 2] = 0

    finding = reviewed(tmp_path, mix, heard)["silence"]

    assert finding.problems[0].frame in range(46, 51)


def test_a_rest_in_the_mix_is_a_rest(tmp_path: Path) -> None:
    mix = a_mix()
    mix[:, RATE * 2 : RATE * 3] = 0

    assert reviewed(tmp_path, mix, mix) == {}


def test_clipped_sound_is_refused(tmp_path: Path) -> None:
    mix = a_mix()

    found = reviewed(tmp_path, mix, np.clip(mix * 20, -1, 1))

    assert "clipped_sound" in found
    assert "loudness" in found


@pytest.mark.parametrize("first", [RATE - 2, RATE - 4, RATE, RATE * 4 - 4])
def test_clipping_is_found_once_wherever_the_sound_is_cut_for_reading(
    tmp_path: Path, first: int
) -> None:
    mix = a_mix() / 2
    heard = mix.copy()
    heard[1, first : first + 4] = 1
    write_flac([mix], tmp_path / "mix.flac")
    write_flac([heard], tmp_path / "heard.flac")

    found = hear(tmp_path / "heard.flac", tmp_path / "mix.flac")

    assert (found.clipped, found.clipped_at_ms) == (1, first * 1000 // RATE)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("silence", "silence"),
        ("clipped sound", "clipped_sound"),
        ("late sound", "sync"),
        ("early sound", "sync"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_fault_put_into_sound_is_found_by_its_check(
    tmp_path: Path, fault: str, check: str, seed: int
) -> None:
    mix = a_mix(seed)

    damaged = SOUND_FAULTS[fault](mix, np.random.default_rng(seed))

    assert check in reviewed(tmp_path, mix, damaged.sound), damaged.what


def test_sound_in_which_nothing_is_loud_enough_cannot_be_silenced() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        SOUND_FAULTS["silence"](a_mix() / 100, np.random.default_rng(1))

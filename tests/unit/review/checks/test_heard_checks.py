"""What is heard: each check refuses what lies beyond its line, at its frame, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from reviewed_films import a_cut, alive, refusal

from cinefab.media.hearing import Hearing
from cinefab.review.check import CutUnderReview
from cinefab.review.checks.clipped_sound import ClippedSound
from cinefab.review.checks.loudness import Loudness
from cinefab.review.checks.silence import Silence
from cinefab.review.checks.sync import Sync
from cinefab.review.thresholds import DEFAULTS

SOUND = Hearing(
    length_ms=2000,
    lufs_hundredths=-1610,
    peak_hundredths=-170,
    mix_lufs_hundredths=-1600,
    mix_peak_hundredths=-160,
    offset_ms=0,
    lost_ms=0,
    lost_at_ms=0,
    clipped=0,
    clipped_at_ms=0,
)
CHECKS = (Loudness, Silence, ClippedSound, Sync)


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> CutUnderReview:
    return a_cut(tmp_path_factory.mktemp("heard") / "cut.mp4", (alive, 48))


def heard(cut: CutUnderReview, **otherwise: Any) -> CutUnderReview:
    return replace(cut, heard=replace(SOUND, **otherwise))


@pytest.mark.parametrize("check", CHECKS)
def test_a_film_that_sounds_as_it_was_mixed_passes_and_so_does_a_silent_one(
    check: Any, silent: CutUnderReview
) -> None:
    assert check().examine(heard(silent)).problems == ()
    assert check().examine(silent).problems == ()


@pytest.mark.parametrize("way", [1, -1])
def test_loudness_is_held_against_the_mix_up_to_its_line(silent: CutUnderReview, way: int) -> None:
    line = DEFAULTS.loudness_hundredths_max

    at_it = Loudness().examine(heard(silent, lufs_hundredths=-1600 + way * line))
    beyond = refusal(
        Loudness().examine(
            heard(silent, lufs_hundredths=-1600 + way * (line + 1), mix_lufs_hundredths=-1600)
        )
    )

    assert at_it.problems == ()
    assert beyond.reason.endswith("its mix -16.0")


def test_a_peak_beyond_its_line_is_refused_whatever_the_loudness(silent: CutUnderReview) -> None:
    line = DEFAULTS.peak_hundredths_max

    assert Loudness().examine(heard(silent, peak_hundredths=line)).problems == ()
    loud = Loudness().examine(heard(silent, peak_hundredths=line + 1, lufs_hundredths=None))
    assert "true peak" in refusal(loud).reason


def test_peaks_that_lost_their_height_against_the_mix_are_refused_however_quiet_they_are(
    silent: CutUnderReview,
) -> None:
    line = DEFAULTS.peak_lost_hundredths_max

    at_it = heard(silent, lufs_hundredths=-2000, peak_hundredths=-560 - line)
    beyond = heard(silent, lufs_hundredths=-2000, peak_hundredths=-561 - line)

    assert ClippedSound().examine(at_it).problems == ()
    assert "1.5 dB lower" in refusal(ClippedSound().examine(beyond)).reason


@pytest.mark.parametrize(("offset_ms", "way"), [(41, "41 ms late"), (-41, "41 ms early")])
def test_sound_beside_its_picture_is_refused_beyond_the_line(
    silent: CutUnderReview, offset_ms: int, way: str
) -> None:
    assert DEFAULTS.sync_ms_max == 40
    assert Sync().examine(heard(silent, offset_ms=offset_ms // 41 * 40)).problems == ()

    refused = refusal(Sync().examine(heard(silent, offset_ms=offset_ms)))

    assert way in refused.reason
    assert refused.frame == 0


@pytest.mark.parametrize("length_ms", [1959, 2041])
def test_sound_of_another_length_is_refused_even_where_nothing_tells_its_place(
    silent: CutUnderReview, length_ms: int
) -> None:
    refused = refusal(Sync().examine(heard(silent, length_ms=length_ms, offset_ms=None)))

    assert refused.reason == f"its sound lasts {length_ms} ms, its picture 2000 ms"
    nearly = 2000 + (40 if length_ms > 2000 else -40)
    assert Sync().examine(heard(silent, length_ms=nearly)).problems == ()


def test_silence_and_clipping_name_the_frame_where_they_begin(silent: CutUnderReview) -> None:
    lost = refusal(Silence().examine(heard(silent, lost_ms=151, lost_at_ms=1000)))
    clipped = refusal(ClippedSound().examine(heard(silent, clipped=1, clipped_at_ms=500)))

    assert (lost.frame, clipped.frame) == (24, 12)
    assert Silence().examine(heard(silent, lost_ms=150)).problems == ()

"""Captions against the voice, and music under it, measured on films as they are delivered.

Nothing of ours measures here: the MP4 is decoded onto its own clock, and levels are taken of that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from heard import offset_of, timed_samples, utterances
from numpy.typing import NDArray
from studio_runs import Studio

from cinefab.assemble.sound.ducking import DEPTH_DB, RELEASE_S
from cinefab.media.audio import read_sound

STEP_S = 0.040
"""What captions are promised to be off the voice by, at most."""

# Words that begin with a closed mouth, which a synthesiser begins long before they are heard.
VOICE = ', voice: "Take a seat by the window. Coffee is ready in the kitchen."'
SPOKEN = f"""\
title: In step
shots:
  - {{seconds: 2.5, caption: "One"}}
  - {{seconds: 4.5, caption: "Two"{VOICE}}}
  - {{seconds: 3, caption: "Three"}}
output: {{size: 160x90, fps: 24}}
quality: preview
seed: 3
sound: {{music: warm, effects: false}}
captions: {{burn: true}}
"""
LINE_AT_S = 2.65

Films = Mapping[str, dict[str, Any]]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """The same film with music and a voice, with music alone, and with a voice alone."""
    folder = tmp_path_factory.mktemp("films")
    studio = Studio(folder, f"sqlite:///{folder}/cinefab.db")
    texts = {
        "both": SPOKEN,
        "music": SPOKEN.replace(VOICE, ""),
        "voice": SPOKEN.replace("music: warm", "music: none"),
    }
    return {name: studio.make(studio.brief(text, f"{name}.yaml")) for name, text in texts.items()}


def cues(report: dict[str, Any]) -> list[tuple[float, float]]:
    """Return the times of the captions as the delivered files have them, in seconds."""
    vtt, srt = ((Path(report["out"]) / f"captions.{kind}").read_text() for kind in ("vtt", "srt"))
    of_vtt, of_srt = (
        [(_seconds(a), _seconds(b)) for a, b in re.findall(r"(\S+) --> (\S+)", text)]
        for text in (vtt, srt.replace(",", "."))
    )
    assert of_vtt == of_srt
    return of_vtt


def _seconds(time: str) -> float:
    hours, minutes, seconds = time.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def line_of(report: dict[str, Any], films: Films) -> NDArray[np.float32]:
    digest = next(each["sha256"] for each in report["lineage"] if each["kind"] == "speech")
    home = Path(films["both"]["out"]).parents[1]
    return np.concatenate(list(read_sound(next(home.rglob(f"blobs/sha256/*/{digest}")))), axis=1)


def pictures(report: dict[str, Any]) -> list[tuple[float, NDArray[np.int64]]]:
    with av.open(report["film"]) as film:
        return [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="gray").astype(np.int64))
            for frame in film.decode(video=0)
            if frame.pts is not None
        ]


def test_captions_begin_with_the_voice_and_are_there_until_it_ends(films: Films) -> None:
    said = utterances(timed_samples(films["voice"]["film"]))
    times = cues(films["voice"])

    assert len(said) == len(times) == 2
    for (begins, ends), (comes, goes) in zip(said, times, strict=True):
        assert comes == pytest.approx(begins, abs=STEP_S)
        # Words stay to be read, but are never gone too soon, nor over what is said next.
        assert goes >= ends - STEP_S
    assert times[0][1] <= said[1][0] + STEP_S


def test_captions_begin_with_the_voice_under_music_too(films: Films) -> None:
    heard = timed_samples(films["both"]["film"]).mean(axis=0)
    line = line_of(films["both"], films)
    at = round(LINE_AT_S * 48_000)
    late = offset_of(line[0], heard, near=at)
    said = [(LINE_AT_S + late / 48_000 + begins) for begins, _ in utterances(line)]

    starts = [comes for comes, _ in cues(films["both"])]

    assert starts == pytest.approx(said, abs=STEP_S)
    assert cues(films["both"]) == cues(films["voice"])


def test_captions_on_the_picture_come_with_the_voice(films: Films) -> None:
    said = [begins for begins, _ in utterances(timed_samples(films["voice"]["film"]))]
    with_words, without = pictures(films["voice"]), pictures(films["music"])
    apart = [
        (time, float(np.abs(one - other)[one.shape[0] // 2 :].mean()))
        for (time, one), (_, other) in zip(with_words, without, strict=True)
    ]
    there = [(time, level > 4) for time, level in apart]

    came = [now for (_, before), (now, seen) in pairwise(there) if seen > before]
    gone = [now for (_, before), (now, seen) in pairwise(there) if seen < before]

    assert came == pytest.approx(said, abs=STEP_S)
    assert gone == pytest.approx([goes for _, goes in cues(films["voice"])], abs=STEP_S)


def level_db(
    heard: NDArray[np.float32], parts: list[NDArray[np.float32]], a: float, b: float
) -> float:
    """Return how loud the first of `parts` is in `heard` from `a` to `b`, by least squares."""
    stretch = slice(round(a * 48_000), round(b * 48_000))
    matrix = np.stack([part[:, stretch].ravel() for part in parts], axis=1).astype(np.float64)
    shares, *_ = np.linalg.lstsq(matrix, heard[:, stretch].ravel().astype(np.float64), rcond=None)
    return float(20 * np.log10(abs(shares[0])))


def test_music_steps_back_under_the_voice_as_far_as_promised_and_comes_back(films: Films) -> None:
    both, music = (timed_samples(films[name]["film"]) for name in ("both", "music"))
    voice = np.zeros_like(both)
    line = line_of(films["both"], films)
    at = round(LINE_AT_S * 48_000)
    voice[:, at : at + line.shape[1]] = line
    ends = LINE_AT_S + line.shape[1] / 48_000

    before = level_db(both, [music], 0.2, 2.3)
    first, pause, second = (
        level_db(both, [music, voice], a, b) - before
        for a, b in ((2.8, 4.0), (4.15, 4.45), (4.6, 5.8))
    )
    after = level_db(both, [music], ends + RELEASE_S + 0.1, 9.8) - before

    assert [first, second] == pytest.approx([DEPTH_DB, DEPTH_DB], abs=1)
    assert pause == pytest.approx(DEPTH_DB, abs=1), "a breath between sentences is no gap"
    assert after == pytest.approx(0, abs=0.5)

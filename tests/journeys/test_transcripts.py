"""What is said in a reference has the times of its words in the report, or says why it has not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from media_samples import a_sample
from studio_runs import Studio

from cinefab.assemble.voices.espeak import Espeak
from cinefab.media.audio import resampled, write_flac

SCRIPT = "Every morning starts quietly with coffee and slow light."
BRIEF = f"""\
title: Somebody speaks
shots: [{{seconds: 1, caption: Listen}}]
references:
  talk: {{file: talk.flac, script: "{SCRIPT}", language: en-us}}
  song: {{file: song.flac}}
output: {{size: 160x90, fps: 12}}
quality: preview
"""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    line = Espeak().speak(SCRIPT, voice="en-us", rate_wpm=150, pitch=50)
    silence = np.zeros((2, 24_000), np.float32)
    write_flac([silence, resampled(line.samples, line.rate_hz), silence], tmp_path / "talk.flac")
    (tmp_path / "song.flac").write_bytes(a_sample("flac"))
    return Studio(tmp_path, f"sqlite:///{tmp_path}/a.db")


def test_a_script_is_aligned_once_and_other_sound_says_why_it_has_no_transcript(
    studio: Studio,
) -> None:
    report = studio.make(studio.brief(BRIEF))
    again = studio.make(studio.brief(BRIEF.replace("Listen", "Once more")))

    talk, song = (each["media"]["transcript"] for each in report["references"])
    assert talk["state"] == "aligned"
    assert " ".join(word for word, _, _ in talk["words"]) == SCRIPT
    assert all(start < end for _, start, end in talk["words"])
    assert talk["words"][0][1] >= 400, "half a second of silence comes first"
    assert song["state"] == "unavailable"
    assert song["reason"]
    assert again["references"][0]["media"]["transcript"] == talk
    assert "transcribe:talk" in {stage["name"] for stage in report["stages"]}
    assert "transcribe:talk" not in {stage["name"] for stage in again["stages"]}
    studio.check_books()


def test_the_script_of_a_picture_is_refused_with_its_place(studio: Studio) -> None:
    brief = BRIEF.replace("{file: song.flac}", "{file: coffee.png, script: Not a word}")

    report = studio.make(studio.brief(brief), expect=2)

    assert report["status"] == "failed"
    assert report["failure"]["found"].startswith("references.song.script")
    studio.check_books()

"""Films that are heard: at their loudness, in step with the picture, and no dearer than they must be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from heard import loudness, offset_of, samples
from studio_runs import SMALL_BRIEF, Studio

from cinefab.ingest.alignment import align
from cinefab.media.audio import read_sound


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path, f"sqlite:///{tmp_path}/cinefab.db")


def test_a_film_with_music_has_its_loudness_and_keeps_its_sound_when_a_caption_changes(
    studio: Studio,
) -> None:
    text = SMALL_BRIEF + "sound: {music: bright}\n"

    first = studio.make(studio.brief(text))
    changed = studio.make(studio.brief(text.replace("Second", "Changed"), "changed.yaml"))
    moved = studio.make(
        studio.brief(
            text.replace("seconds: 1, caption: T", "seconds: 2, caption: T"), "longer.yaml"
        )
    )

    measured = loudness(first["film"])
    assert measured.lufs == pytest.approx(-16, abs=0.5)
    assert measured.peak_dbtp <= -1
    assert "sound" in {stage["name"] for stage in first["stages"]}
    assert "sound" not in {stage["name"] for stage in changed["stages"]}
    assert "sound" in {stage["name"] for stage in moved["stages"]}
    kinds = {entry["kind"]: entry for entry in first["lineage"]}
    assert kinds["sound"]["asset"] in kinds["soundtrack"]["sources"]
    assert kinds["soundtrack"]["asset"] in kinds["cut"]["sources"]
    assert loudness(changed["film"]) == measured
    assert studio.run("verify", first["film"]).returncode == 0
    studio.check_books()


def test_a_film_without_sound_stays_silent_and_loads_nothing_of_it(studio: Studio) -> None:
    report = studio.make(studio.brief())

    with av.open(report["film"]) as film:
        assert not film.streams.audio
    assert "sound" not in {stage["name"] for stage in report["stages"]}


SPOKEN = """\
title: Two lines
shots:
  - {seconds: 3, caption: First, voice: "Some mornings deserve a slower start, with coffee."}
  - {seconds: 2.5, caption: Second, transition: {kind: wipe, seconds: 0.25}, voice: Your table is ready.}
output: {size: 160x90, fps: 12}
quality: preview
seed: 3
"""


def blob(studio: Studio, digest: str) -> Path:
    return next(studio.folder.rglob(f"sha256/{digest[:2]}/{digest}"))


def spoken_by(report: dict[str, Any]) -> list[str]:
    return [each["asset"] for each in report["lineage"] if each["kind"] == "speech"]


def cue_starts_ms(vtt: str) -> list[int]:
    times = re.findall(r"(\d+):(\d+):(\d+)\.(\d+) -->", vtt)
    return [((int(h) * 60 + int(m)) * 60 + int(s)) * 1000 + int(ms) for h, m, s, ms in times]


def test_lines_are_spoken_where_their_captions_are_and_only_what_changed_is_spoken_again(
    studio: Studio,
) -> None:
    report = studio.make(studio.brief(SPOKEN))
    changed = studio.make(studio.brief(SPOKEN.replace("ready", "waiting"), "changed.yaml"))

    measured = loudness(report["film"])
    assert measured.lufs == pytest.approx(-16, abs=0.5)
    assert measured.peak_dbtp <= -1
    assert report["notes"] == []
    # The words, found again in what is delivered by a recogniser that knows nothing of our times.
    heard = samples(report["film"])
    mono = resample(heard.mean(axis=0))
    captions = (Path(report["out"]) / "captions.vtt").read_text()
    script = [
        "Some",
        "mornings",
        "deserve",
        "a",
        "slower",
        "start,",
        "with",
        "coffee.",
        "Your",
        "table",
        "is",
        "ready.",
    ]
    words = align(script, mono)
    starts = cue_starts_ms(captions)
    assert starts[0] == pytest.approx(words[0].start_ms, abs=40)
    assert starts[-1] == pytest.approx(words[8].start_ms, abs=40)
    # The lines, found again to the sample.
    speech = [each["sha256"] for each in report["lineage"] if each["kind"] == "speech"]
    assert len(speech) == 2
    for digest, at in zip(speech, (150, 3_150), strict=True):
        line = np.concatenate(list(read_sound(blob(studio, digest))), axis=1)[0]
        assert abs(offset_of(line, heard[0], near=at * 48)) <= 2
    assert [len(spoken_by(each)) for each in (report, changed)] == [2, 2]
    assert len(set(spoken_by(report)) & set(spoken_by(changed))) == 1
    assert (Path(report["out"]) / "captions.srt").read_text().startswith("1\n00:00:00,162 --> ")
    studio.check_books()


def resample(mono: np.ndarray) -> np.ndarray:
    places = np.arange(0, len(mono) - 1, 3)  # 48 kHz to 16 kHz; speech has little above 8
    return (mono[places] * 32_767).clip(-32_768, 32_767).astype(np.int16)


ABSENT = """\
import sys
class Absent:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("espeakng_loader", "pocketsphinx"):
            return None
        return self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Absent(finder) for finder in sys.meta_path]
"""


@pytest.fixture
def without_speech(tmp_path: Path) -> Studio:
    """A studio in whose every process the extra `speech` is not to be found."""
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "sitecustomize.py").write_text(ABSENT)
    return Studio(
        tmp_path / "studio",
        f"sqlite:///{tmp_path}/cinefab.db",
        environment={"PYTHONPATH": str(tmp_path / "absent")},
    )


def test_without_the_extra_a_line_is_a_plain_note_and_a_refusal_only_where_it_is_required(
    without_speech: Studio,
) -> None:
    studio = without_speech

    report = studio.make(studio.brief(SPOKEN))
    required = SPOKEN + "sound: {music: none, effects: false, voice: {required: true}}\n"
    refused = studio.run("make", studio.brief(required, "required.yaml"), "--json")

    assert report["status"] == "delivered"
    assert [note for note in report["notes"] if "voice" in note] == [
        f"shots[{i}].voice: not spoken; no voice is installed (pip install 'cinefab[speech]')"
        for i in (0, 1)
    ]
    with av.open(report["film"]) as film:
        assert not film.streams.audio
    assert not (Path(report["out"]) / "captions.vtt").exists()
    assert refused.returncode == 2
    assert "sound.voice.required" in refused.stdout + refused.stderr
    assert "cinefab[speech]" in refused.stdout + refused.stderr


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (
            ("Your table is ready.", "Seven hundred and seventy seven thousand tables at least."),
            "shots[1].voice",
        ),
        (("seed: 3", "sound: {voice: xx-none}\nseed: 3"), "sound.voice.name"),
    ],
)
def test_a_line_that_cannot_be_spoken_leaves_nothing_and_costs_nothing(
    studio: Studio, change: tuple[str, str], field: str
) -> None:
    done = studio.run("make", studio.brief(SPOKEN.replace(*change)), "--json")

    assert done.returncode == 2, done.stdout + done.stderr
    assert field in done.stdout + done.stderr
    assert not list(studio.folder.rglob("film.mp4"))
    assert not list(studio.folder.rglob("captions.*"))
    if done.stdout.strip().startswith("{") and '"cost_uusd"' in done.stdout:
        report = json.loads(done.stdout)
        assert report["failure"]["field"] == field
        assert report["voided_uusd"] == report["reserved_uusd"]
    studio.check_books()

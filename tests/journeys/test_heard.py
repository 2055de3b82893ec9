"""Films that are heard: at their loudness, in step with the picture, and no dearer than they must be."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from heard import loudness
from studio_runs import SMALL_BRIEF, Studio


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

"""A film whose music a model makes: charged, named, mixed as any other bed, and made once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from strangers import install
from studio_runs import Studio
from tiny_pipelines import build_pipeline

from cinefab.economics.tables import lease
from cinefab.media.audio import read_sound
from cinefab.provenance.tables import asset
from cinefab.store.database import Database

HUMMER = (Path(__file__).parents[1] / "support" / "hummer.py").read_text()
TONE_HZ = 330
BRIEF = """\
title: Hummed
shots:
  - {seconds: 2, caption: One, transition: cut}
  - {seconds: 2.5, caption: Two, transition: cut}
sound: {music: {model: hummer, prompt: a high hum, level: -3}, effects: false}
output: {size: 160x90, fps: 12}
quality: preview
"""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}")
    points = {"models": {"hummer": "hummer:Hummer"}}
    install(studio, module="hummer", source=HUMMER, points=points)
    return studio


def asked(studio: Studio, query: sa.Select[Any]) -> list[Any]:
    db = Database(studio.db)
    try:
        with db.read() as connection:
            return list(connection.execute(query))
    finally:
        db.close()


def loudest_hz(film: Path) -> float:
    sound = np.concatenate(list(read_sound(film)), axis=1)[0]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * 48_000 / len(sound))


def test_a_film_s_music_is_made_by_a_model_once_charged_and_named_in_its_origin(
    studio: Studio,
) -> None:
    report = studio.make(studio.brief(BRIEF))
    again = studio.make(
        studio.brief(
            BRIEF.replace("seconds: 2,", "seconds: 2.5,").replace(
                "seconds: 2.5, caption: Two", "seconds: 2, caption: Two"
            )
        )
    )

    assert report["status"] == again["status"] == "delivered"
    assert loudest_hz(Path(report["film"])) == pytest.approx(TONE_HZ, abs=2)
    sounds = asked(
        studio,
        sa.select(
            asset.c.public_id, asset.c.made_by, asset.c.digital_source_type, asset.c.parameters
        )
        .where(asset.c.kind == "sound")
        .order_by(asset.c.id),
    )
    bed, mix, other_mix = sounds
    assert (bed.made_by, bed.digital_source_type) == ("hummer@1", "trainedAlgorithmicMedia")
    said = json.loads(bed.parameters)
    assert said["input"] == {"prompt": "a high hum", "references": []}
    assert said["breath"] == "one"
    for each in (mix, other_mix):
        assert each.digital_source_type == "compositeWithTrainedAlgorithmicMedia"
    lineage = {each["asset"]: each for each in report["lineage"]}
    assert lineage[mix.public_id]["sources"] == [bed.public_id]
    charged = asked(studio, sa.select(lease.c.job_id).where(lease.c.stage == "music"))
    assert [row.job_id for row in charged] == [report["job"]]
    studio.check_books()


@pytest.mark.long
@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ("model: nobody", "sound.music.model"),
        ("model: procedural", "sound.music.model"),
        ("prompt: ''", "sound.music.prompt"),
    ],
)
def test_music_that_cannot_be_ordered_is_refused_by_its_field(
    studio: Studio, changed: str, field: str
) -> None:
    name = changed.partition(":")[0]
    was = {"model": "model: hummer", "prompt": "prompt: a high hum"}[name]

    report = studio.make(studio.brief(BRIEF.replace(was, changed)), expect=2)

    assert report["failure"]["field"] == field


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_pipeline_of_stable_audio_makes_a_film_s_music(studio: Studio) -> None:
    pytest.importorskip(
        "diffusers", reason="needs requirements/diffusers.txt", exc_type=ImportError
    )
    folder = build_pipeline("stable-audio", studio.folder / "stable-audio")
    (studio.folder / "home").mkdir(exist_ok=True)
    (studio.folder / "home" / "cinefab.toml").write_text(
        f'[models.tune]\nbackend = "diffusers"\nmodel = "{folder}"\nsteps = 3\n'
    )

    report = studio.make(studio.brief(BRIEF.replace("hummer", "tune")))

    assert report["status"] == "delivered"
    bed = asked(
        studio, sa.select(asset.c.made_by, asset.c.parameters).where(asset.c.kind == "sound")
    )[0]
    assert bed.made_by.startswith("tune@")
    assert json.loads(bed.parameters)["engine"]["pipeline"] == "StableAudioPipeline"
    studio.check_books()

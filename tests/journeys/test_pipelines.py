"""A film of a pipeline: a small model's pictures made larger, and music that a model made."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strangers import lay_down

from cinefab.app.models import ModelTable
from cinefab.app.settings import Settings
from cinefab.app.studio import Studio
from cinefab.generate.registry import Change, ModelState, load_version, move_version, register
from cinefab.ingest.brief import parse_brief
from cinefab.jobs.door import open_job
from cinefab.jobs.pins import register_components
from cinefab.media.audio import read_sound
from cinefab.media.decode import decode
from cinefab.record.books import check_books

TUNE = (Path(__file__).parents[1] / "support" / "tune.py").read_text()
BRIEF = """\
title: Put together
model: spot
shots:
  - {seconds: 1, caption: First, transition: cut}
  - {seconds: 1, caption: Second, transition: cut}
output: {size: 320x180, fps: 12}
brand: {colours: ["#6b1f12", "#f4e6d2"]}
quality: preview
seed: 3
"""
PIPELINE: dict[str, Any] = {
    "components": [
        {"name": "motion", "model": "procedural"},
        {"name": "upsampler", "effect": "upsample", "settings": {"factor": 2}},
        {"name": "music", "model": "tune"},
    ],
    "makes": {"size": "640x360", "fps": 12, "frames": 48, "sound": True},
}


def a_studio(folder: Path) -> Studio:
    return Studio(Settings(home=folder, out=folder / "out", workers=1), tell=lambda _news: None)


def test_a_registered_pipeline_is_asked_for_as_a_model_and_made_again_of_what_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = {"models": {"tune": "tune:Tune"}}
    strangers = lay_down(tmp_path / "strangers", module="tune", source=TUNE, points=points)
    monkeypatch.syspath_prepend(str(strangers))
    brief = parse_brief(BRIEF, origin="brief.yaml", now_us=0)
    with a_studio(tmp_path) as studio:
        table = ModelTable(backend="pipeline", **PIPELINE)
        model = studio.shop.models.of_table("spot", table)  # type: ignore[attr-defined]
        change = Change(by="prn_local", reason="", now_us=1)
        with studio.shop.recorder.db.write() as connection:
            register_components(connection, model, now_us=1)
            register(connection, model.card, model.made, change=change)
            move_version(connection, model.card.ref, to=ModelState.LIVE, change=change)
            assert load_version(connection, "tune@1").state is ModelState.REGISTERED
        home = studio.settings.home
        opened = open_job(studio.shop, brief, base=home, out=studio.settings.out, requested_us=0)

    # Another process finds the pipeline in the registry alone.
    with a_studio(tmp_path) as studio:
        report = studio.go_on(opened.job, stop=threading.Event())
        assert report["status"] == "delivered", report["failure"]
        with studio.shop.recorder.db.read() as connection:
            assert check_books(connection, tenant=studio.shop.tenant).holds

    made = {(each["kind"], each["made_by"]) for each in report["lineage"]}
    assert ("segment", model.card.ref) in made
    assert ("sound", "tune@1") in made
    assert any(each["effect"] == "upsample" for each in report["effects"])
    frames = list(decode(Path(report["film"])))
    assert (len(frames), frames[0].shape) == (24, (180 * 3 // 2, 320))
    heard = np.concatenate(list(read_sound(Path(report["film"]))), axis=1)[0]
    spectrum = np.abs(np.fft.rfft(heard[:48_000]))
    assert int(np.argmax(spectrum)) == pytest.approx(470, abs=2)

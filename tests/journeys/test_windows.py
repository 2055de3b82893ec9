"""A film whose shots are longer than its model's longest run, from brief to delivery."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from short_window import ShortWindow
from studio_runs import PHOTO

from cinefab.app.settings import Settings
from cinefab.app.studio import Studio
from cinefab.ingest.brief import parse_brief
from cinefab.jobs.workshop import Model
from cinefab.media.decode import decode
from cinefab.media.frames import Frame

BRIEF = """\
title: Long shots
shots:
  - {seconds: 2.5, caption: First, references: [cup]}
  - {seconds: 2, caption: Second, references: [cup], transition: {kind: wipe, seconds: 0.5}}
references: {cup: {file: coffee.png, role: product}}
output: {size: 192x108, fps: 12}
quality: preview
seed: 3
"""


def film(folder: Path, model: Model | None) -> list[Frame]:
    folder.mkdir()
    (folder / "coffee.png").write_bytes(PHOTO.read_bytes())
    settings = Settings(home=folder, out=folder / "out", workers=1)
    with Studio(settings, tell=lambda _news: None) as studio:
        if model is not None:
            studio.shop = replace(studio.shop, models={"procedural": model})
        brief = parse_brief(BRIEF, origin="brief.yaml", now_us=0)
        report = studio.make(brief, base=folder, requested_us=0)
    assert report["status"] == "delivered", report["failure"]
    return list(decode(Path(report["film"])))


def test_a_film_in_windows_is_the_film_in_one_run(tmp_path: Path) -> None:
    short = Model(card=ShortWindow().card, entry="short_window:ShortWindow")

    windowed = film(tmp_path / "windows", short)

    assert np.array_equal(windowed, film(tmp_path / "whole", None))

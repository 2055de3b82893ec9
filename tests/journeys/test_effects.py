"""Films with effects: made by the real command line, charged, in the lineage, and reused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from studio_runs import Studio

from cinefab.media.still import write_png

BRIEF = """\
title: Two graded shots
shots:
  - {seconds: 1, caption: First, references: [cup], transition: cut,
     effects: [{grade: {saturation: 0}}]}
  - {seconds: 1, caption: Second, references: [cup], transition: {kind: wipe, seconds: 0.25},
     effects: [{sharpen: {amount: 0.4}}]}
references: {cup: {file: coffee.png, role: product}, mark: {file: mark.png, role: logo}}
effects:
  - grade: {slope: [1.1, 1, 0.9], lut: {file: look.cube}}
  - overlay: {logo: mark, corner: bottom-right, width: 0.2}
output: {size: 256x144, fps: 8}
quality: preview
seed: 3
"""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    made = Studio(tmp_path, f"sqlite:///{tmp_path}/cinefab.db")
    rows = [f"{r} {g} {0.9 * b}" for b in (0, 1) for g in (0, 1) for r in (0, 1)]
    (tmp_path / "look.cube").write_text("LUT_3D_SIZE 2\n" + "\n".join(rows))
    write_png(np.full((40, 80, 3), (20, 160, 60), np.uint8), tmp_path / "mark.png")
    return made


def chroma_of(path: str) -> list[float]:
    with av.open(path) as film:
        return [
            float(np.abs(f.to_ndarray()[144:].astype(int) - 128).mean())
            for f in film.decode(video=0)
        ]


def test_effects_are_seen_charged_kept_and_in_the_lineage(studio: Studio) -> None:
    brief = studio.brief(BRIEF)

    first = studio.make(brief)
    again = studio.make(brief)
    changed = studio.make(
        studio.brief(BRIEF.replace("saturation: 0}", "saturation: 0.5}"), "b.yaml")
    )

    chroma = chroma_of(first["film"])
    assert max(chroma[:6]) < min(chroma[-6:]) / 2  # grey but for the logo, then in colour
    # Every effect has its share, and a stage's shares are the whole of it.
    assert [
        (each["shot"], each["effect"], each["version"]) for each in first["effects"]
    ] == [
        (0, "grade", "1"), (0, "grade", "1"), (0, "overlay", "1"), (0, None, None),
        (1, "sharpen", "1"), (1, "grade", "1"), (1, "overlay", "1"), (1, None, None),
    ]  # fmt: skip
    stages = {stage["name"]: stage for stage in first["stages"]}
    for name in ("generate:0", "generate:1"):
        shares = [each for each in first["effects"] if each["stage"] == name]
        assert sum(each["device_us"] for each in shares) == stages[name]["device_us"]
        assert sum(each["cost_uusd"] for each in shares) == stages[name]["cost_uusd"]
        assert all(each["device_us"] > 0 for each in shares)
    # The table and the logo are sources of the segments.
    entries = {entry["asset"]: entry for entry in first["lineage"]}
    segments = [entry for entry in entries.values() if entry["kind"] == "segment"]
    table = next(entry for entry in entries.values() if entry["kind"] == "file")
    assert table["made_by"] == "outside"
    assert all(table["asset"] in entry["sources"] for entry in segments)
    # What was made is made once; another grade of one shot makes that shot alone.
    assert {each["made_by"] for each in again["segments"]} == {"reuse"}
    assert again["effects"] == []
    made = {
        (each["shot"], each["part"]) for each in changed["segments"] if each["made_by"] == "run"
    }
    assert {shot for shot, _ in made} == {0}
    assert studio.run("verify", first["film"]).returncode == 0
    studio.check_books()


@pytest.mark.parametrize(
    ("change", "field", "found"),
    [
        (("amount: 0.4", "amount: 4"), "shots[1].effects[0].sharpen.amount", "4 is greater"),
        (("look.cube", "bad.cube"), "effects[0].grade.lut", "line 3 is not three numbers"),
    ],
)
def test_a_wrong_effect_is_named_by_its_path_before_there_is_a_job(
    studio: Studio, change: tuple[str, str], field: str, found: str
) -> None:
    (studio.folder / "bad.cube").write_text("LUT_3D_SIZE 2\n0 0 0\n0 0 none\n")
    path = studio.brief(BRIEF.replace(*change))

    done = studio.run("make", path, "--json", "--out", studio.folder / "out")

    failure: dict[str, Any] = json.loads(done.stdout)["failure"]
    assert done.returncode != 0
    assert failure["field"] == field
    assert found in failure["found"]
    assert not (studio.folder / "out").exists()
    studio.check_books()

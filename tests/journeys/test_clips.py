"""Reference video beside generated shots: trimmed, graded, cut in, and paid for."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from effect_frames import as_frame, camera, seen_from
from studio_runs import Studio

from cinefab.core.brief import Size
from cinefab.media.encode import MEZZANINE, encode
from cinefab.media.still import write_png

BRIEF = """\
title: A clip between two shots
shots:
  - {seconds: 1, caption: First, references: [cup], effects: [{upsample: {factor: 2}}]}
  - {seconds: 1, clip: {reference: pan, start: 0.5}, caption: Filmed elsewhere,
     transition: {kind: dissolve, seconds: 0.25}, effects: [{grade: {saturation: 0}}]}
  - {seconds: 1, caption: Last, references: [cup], transition: cut}
references: {cup: {file: coffee.png, role: product}, pan: pan.mp4, mark: {file: mark.png, role: logo}}
effects: [{overlay: {logo: mark, corner: top-right, width: 0.2}}]
output: {size: 256x144, fps: 8}
quality: preview
rights:
  sources: [{reference: pan, licence: CC-BY-4.0, parties: [{party: Who filmed it, share_bp: 10000}]}]
"""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    made = Studio(tmp_path, f"sqlite:///{tmp_path}/cinefab.db")
    size = Size(320, 240)
    pan = (seen_from(size, camera(20 + 2 * i, 40)) for i in range(60))
    encode(pan, tmp_path / "pan.mp4", size=size, fps=Fraction(30), settings=MEZZANINE)
    write_png(np.full((40, 80, 3), (20, 160, 60), np.uint8), tmp_path / "mark.png")
    return made


def frames_of(path: str) -> list[np.ndarray]:
    with av.open(path) as film:
        return [frame.to_ndarray() for frame in film.decode(video=0)]


def test_a_film_with_a_clip_is_made_and_only_what_changes_is_made_again(studio: Studio) -> None:
    first = studio.make(studio.brief(BRIEF))
    later = studio.make(studio.brief(BRIEF.replace("start: 0.5", "start: 0.75"), "b.yaml"))

    film = frames_of(first["film"])
    assert len(film) == 24
    # The frame in the clip's middle is the video's own, grey, at its time: 0.5 s + 4/8 s at 30.
    at = 30
    real = seen_from(Size(320, 240), camera(20 + 2 * at, 40))[:240]
    real = cv2.resize(real[30:210], (256, 144), interpolation=cv2.INTER_AREA).astype(float)
    inside = np.s_[20:110, 20:190]  # beside the logo and the caption
    assert np.abs(film[12][:144][inside] - real[inside]).mean() < 6
    other = as_frame(np.zeros((144, 256, 3), np.uint8))[144:]
    assert np.abs(film[12][160:].astype(int) - other[16:]).mean() < 3
    # It is a composite, of which whoever filmed the clip has a share.
    credentials = first["content_credentials"]
    assert credentials["state"] == "trusted"
    assert credentials["digital_source_types"][0].endswith("/composite")
    assert "pan.mp4" in credentials["ingredients"]
    assert first["royalties"] == [{"party": "Who filmed it", "share_bp": 10000}]
    made_by = {each["asset"]: each["made_by"] for each in first["lineage"]}
    assert {"clip@1.0.0", "procedural@1.0.0"} <= set(made_by.values())
    assert {each["effect"] for each in first["effects"]} == {
        "upsample", "overlay", "grade", "captions", None,
    }  # fmt: skip
    made = {each["shot"] for each in later["segments"] if each["made_by"] == "run"}
    assert made == {1}
    studio.check_books()


@pytest.mark.parametrize(
    ("change", "field", "found"),
    [
        (("reference: pan,", "reference: cup,"), "shots[1].clip.reference", "cup is a picture"),
        (("reference: pan,", "reference: pen,"), "shots[1].clip.reference", "names 'pen'"),
        (("start: 0.5", "start: 1.2"), "shots[1].seconds", "pan is 2 seconds long"),
    ],
)
def test_a_clip_that_is_not_there_is_named_by_its_path(
    studio: Studio, change: tuple[str, str], field: str, found: str
) -> None:
    done = studio.run(
        "make", studio.brief(BRIEF.replace(*change)), "--json", "--out", studio.folder / "out"
    )

    failure = json.loads(done.stdout)["failure"]
    assert done.returncode != 0
    assert failure["field"] == field
    assert found in failure["found"]
    studio.check_books()


@pytest.mark.parametrize(
    ("start", "field"), [("1.2", "shots[1].seconds"), ("7.5", "shots[1].clip.start")]
)
def test_a_clip_that_its_video_turns_out_not_to_have_costs_what_finding_out_did(
    studio: Studio, start: str, field: str
) -> None:
    brief = BRIEF.replace("start: 0.5", f"start: {start}") + "budget: 5\n"
    report = studio.make(studio.brief(brief), expect=2)

    assert report["status"] == "failed"
    assert report["failure"]["error"] == "BriefInvalid"
    assert report["failure"]["field"] == field
    assert "shorten the shot" in report["failure"]["remedy"]
    assert {stage["name"] for stage in report["stages"]} == {
        "ingest:cup", "ingest:pan", "ingest:mark",
    }  # fmt: skip
    charged = [lease for lease in report["leases"] if lease["charged"]]
    assert {lease["stage"].partition(":")[0] for lease in charged} == {"ingest"}
    assert report["cost_uusd"] == sum(lease["cost_uusd"] for lease in charged)
    assert report["reserved_uusd"] == 5_000_000
    assert report["voided_uusd"] == report["reserved_uusd"] - report["cost_uusd"]
    assert (report["film"], report["segments"], report["royalties"]) == (None, [], [])
    assert not list(studio.folder.rglob("film.mp4"))
    studio.check_books()

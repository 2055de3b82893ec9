"""The film that newcomers see, at its full size, on both databases."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import opentimelineio as otio
import pytest
from studio_runs import REPOSITORY, Studio


@pytest.mark.both_databases
def test_the_retail_spot_is_made_signed_and_costed(database_url: str, tmp_path: Path) -> None:
    studio = Studio(tmp_path, database_url)
    for name in ("retail-spot.yaml", "coffee.png"):
        shutil.copy(REPOSITORY / "examples" / name, tmp_path / name)

    report = studio.make(tmp_path / "retail-spot.yaml")

    assert report["status"] == "delivered"
    assert report["verdict"]["state"] == "passed"
    assert report["content_credentials"]["state"] == "trusted"
    assert report["delivered_seconds"] == 15
    assert report["yield"] == 1.0
    assert report["royalties"] == [{"party": "Rachel Michetti", "share_bp": 10000}]
    assert 0 < report["cost_uusd"] <= report["reserved_uusd"]
    assert report["cost_per_delivered_minute_uusd"] == 4 * report["cost_uusd"]
    assert {segment["shot"] for segment in report["segments"]} == {0, 1, 2, 3, 4}
    with av.open(report["film"]) as film:
        video = film.streams.video[0]
        assert (video.width, video.height, video.average_rate) == (1280, 720, 24)
        assert sum(1 for _ in film.decode(video)) == 360
    timeline = otio.adapters.read_from_file(f"{report['out']}/timeline.otio")
    assert len(timeline.find_clips()) == 5
    assert studio.run("verify", report["film"]).returncode == 0
    assert studio.run("trace", report["film"]).returncode == 0
    studio.check_books()

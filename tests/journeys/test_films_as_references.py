"""A brief may name films and sounds: they are made anew, kept with their origin, and shown."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
import sqlalchemy as sa
from media_samples import a_film, a_sample
from studio_runs import Studio

from cinefab.core.brief import Size
from cinefab.ingest.tables import reference
from cinefab.media.decode import probe
from cinefab.store.blobs import Blobs
from cinefab.store.database import Database
from cinefab.store.durability import Durability

BRIEF = """\
title: A clip and a song
shots:
  - {seconds: 1, caption: One, references: [clip], transition: cut}
references: {clip: {file: clip.mp4}, song: {file: song.flac}}
output: {size: 160x90, fps: 12}
quality: preview
"""

KNOWN = """\
title: Known joins
shots:
  - {seconds: 2, caption: One, references: [cup], transition: cut}
  - {seconds: 2, caption: Two, references: [cup], transition: cut}
  - {seconds: 2, caption: Three, transition: {kind: dissolve, seconds: 0.5}}
references: {cup: {file: coffee.png, role: product}}
output: {size: 320x180, fps: 24}
brand: {colours: ["#6b1f12", "#f4e6d2"]}
quality: preview
seed: 3
"""
SHOWS_KNOWN = """\
title: Shows what was made
shots: [{seconds: 1, references: [known]}]
references: {known: {file: known.mp4}}
output: {size: 160x90, fps: 12}
quality: preview
"""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path}/a.db")
    (tmp_path / "clip.mp4").write_bytes(a_film(frames=48, seconds=2.0, turned=90))
    (tmp_path / "song.flac").write_bytes(a_sample("flac"))
    return studio


def test_a_film_and_a_sound_are_made_anew_once_and_kept_with_their_figures(studio: Studio) -> None:
    report = studio.make(studio.brief(BRIEF))
    again = studio.make(studio.brief(BRIEF.replace("One", "Two")))

    assert report["status"] == again["status"] == "delivered"
    rows = rows_of(studio)
    assert sorted(rows) == ["sound", "video"]
    clip, song = rows["video"], rows["sound"]
    blobs = Blobs(
        f"file://{studio.folder}/home/blobs",
        cache=studio.folder / "cache",
        durability=Durability.NORMAL,
    )
    seen = probe(blobs.local_path(clip.video_digest))
    assert (seen.size, seen.fps, seen.frames) == (Size(90, 160), Fraction(24), 48)
    assert blobs.load(clip.sound_digest)[:4] == b"fLaC"
    assert blobs.load(clip.thumbnail_digest)[:3] == b"\xff\xd8\xff"
    facts = json.loads(clip.facts)
    assert 2_000_000 <= facts["duration_us"] <= 2_050_000  # AAC comes in whole frames
    assert facts["frames"] == 48
    assert song.video_digest is None
    # A sine of amplitude 0.3 in both channels: -10.46 dB of peak, -11.15 LUFS.
    loudness = json.loads(song.facts)["loudness"]
    assert abs(loudness["integrated_clu"] + 1_115) <= 20
    assert abs(loudness["true_peak_cdb"] + 1_046) <= 10
    media = {each["name"]: each["media"] for each in report["references"]}
    assert media["song"]["kind"] == "sound"
    assert media["song"]["transcript"]["state"] == "unavailable"
    assert media["song"]["transcript"]["reason"]
    assert 100 <= len(media["song"]["waveform"]) <= 400
    assert 290 <= max(media["song"]["waveform"]) <= 310
    assert media["clip"]["tracks"] == [
        {"kind": "video", "codec": "h264"},
        {"kind": "audio", "codec": "aac"},
    ]
    assert media["clip"]["turned"] == 90


def test_a_film_of_ours_is_read_with_its_credentials_and_its_shots(studio: Studio) -> None:
    made = studio.make(studio.brief(KNOWN, "known.yaml"))
    (studio.folder / "known.mp4").write_bytes(Path(made["film"]).read_bytes())

    report = studio.make(studio.brief(SHOWS_KNOWN, "shows.yaml"))

    (known,) = report["references"]
    assert known["content_credentials"]["state"] == "valid"
    assert known["role"] == "background"
    media = known["media"]
    assert (media["kind"], media["media_type"], media["fps"]) == ("video", "video/mp4", "24")
    assert media["frames"] == 144
    assert [shot["begins"] for shot in media["shots"]] == ["start", "cut", "gradual"]
    assert media["shots"][1]["first"] == 48
    assert abs(media["shots"][2]["first"] - 96) <= 3
    assert len(media["keyframes"]) == 3
    assert len(media["thumbnail"]) == 64


def test_a_sound_that_a_shot_would_show_is_refused_with_the_place(studio: Studio) -> None:
    brief = studio.brief(BRIEF.replace("[clip]", "[clip, song]"))

    done = studio.run("make", brief, "--json", "--out", studio.folder / "out")

    failure = json.loads(done.stdout)["failure"]
    assert failure["field"] == "shots[0].references[1]"
    assert "song is a sound" in failure["found"]


def rows_of(studio: Studio) -> dict[str, sa.Row[tuple[object, ...]]]:
    db = Database(studio.db)
    try:
        with db.read() as connection:
            rows = connection.execute(sa.select(reference)).all()
    finally:
        db.close()
    assert len({row.original_digest for row in rows}) == len(rows)
    return {row.kind: row for row in rows}

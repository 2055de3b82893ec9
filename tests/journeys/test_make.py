"""A brief becomes a film: the whole way, on both databases, through the command line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import av
import pytest
from studio_runs import SMALL_BRIEF, Studio

from cinefab.provenance.tables import asset
from cinefab.store.database import Database


@pytest.fixture
def studio(database_url: str, tmp_path: Path) -> Studio:
    return Studio(tmp_path, database_url)


def frames_of(path: str | Path) -> list[str]:
    with av.open(str(path)) as film:
        return [hashlib.sha256(f.to_ndarray().tobytes()).hexdigest() for f in film.decode(video=0)]


def test_a_brief_becomes_a_signed_and_costed_film_and_a_changed_caption_only_its_shot(
    studio: Studio,
) -> None:
    brief = studio.brief()

    first = studio.make(brief)
    again = studio.make(brief)
    changed = studio.make(brief, "--set", "shots[2].caption=Changed")

    assert first["status"] == "delivered"
    assert first["content_credentials"]["state"] == "trusted"
    assert first["delivered_seconds"] == 3
    assert len(frames_of(first["film"])) == 36
    assert first["cost_uusd"] == sum(stage["cost_uusd"] for stage in first["stages"])
    assert first["royalties"] == [
        {"party": "Photographer", "share_bp": 7000},
        {"party": "Studio", "share_bp": 3000},
    ]
    assert {s["made_by"] for s in first["segments"]} == {"run"}
    assert {s["made_by"] for s in again["segments"]} == {"reuse"}
    assert again["job"] != first["job"]
    assert frames_of(again["film"]) == frames_of(first["film"])
    assert {s["shot"] for s in changed["segments"] if s["made_by"] == "run"} == {2}
    assert frames_of(changed["film"])[:24] == frames_of(first["film"])[:24]
    assert frames_of(changed["film"])[24:] != frames_of(first["film"])[24:]
    assert {f["job"] for f in (first, again, changed)} == {
        Path(f["film"]).parent.name for f in (first, again, changed)
    }
    assert json.loads(Path(first["out"], "report.json").read_text()) == first
    assert studio.run("verify", first["film"]).returncode == 0
    studio.check_books()


def test_a_film_can_be_traced_to_its_photograph_with_cost_and_signatures(studio: Studio) -> None:
    film = studio.make(studio.brief())

    traced = json.loads(studio.run("trace", film["film"], "--json").stdout)

    kinds = [entry["kind"] for entry in traced["lineage"]]
    assert kinds[0] == "reference"
    assert kinds[-1] == "film"
    assert all(entry["record"]["holds"] for entry in traced["lineage"])
    assert all(entry["cost_uusd"] is not None for entry in traced["lineage"])
    assert traced["royalties"] == film["royalties"]


def test_a_trace_over_an_altered_record_says_so_and_fails(tmp_path: Path) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path}/a.db")
    film = studio.make(studio.brief())
    db = Database(studio.db)
    with db.write() as connection:
        altered = asset.update().where(asset.c.kind == "picture")
        connection.execute(altered.values(made_by="somebody else"))
    db.close()

    done = studio.run("trace", film["film"], "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["holds"] is False


def test_a_film_with_one_changed_byte_is_invalid(tmp_path: Path) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path}/a.db")
    film = Path(studio.make(studio.brief())["film"])
    content = bytearray(film.read_bytes())
    content[content.rindex(b"mdat") + 1000] ^= 1
    film.write_bytes(content)

    done = studio.run("verify", film, "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["state"] == "invalid"


def test_blobs_in_a_bucket_make_the_same_film(tmp_path: Path, s3_bucket: str) -> None:
    local = Studio(tmp_path / "a", f"sqlite:///{tmp_path}/a.db")
    bucket = Studio(
        tmp_path / "b",
        f"sqlite:///{tmp_path}/b.db",
        blobs=s3_bucket,
        environment={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
    )

    here = local.make(local.brief())
    there = bucket.make(bucket.brief())

    assert frames_of(there["film"]) == frames_of(here["film"])
    assert [s["key"] for s in there["segments"]] == [s["key"] for s in here["segments"]]


def test_a_person_sees_what_was_made_and_what_it_cost(tmp_path: Path) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path}/a.db")

    done = studio.run("make", studio.brief(), "--out", tmp_path / "out")

    assert done.returncode == 0, done.stderr
    assert "Created a development authority" in done.stderr
    for word in ("Film", "Report", "Cost", "Credentials", "trusted"):
        assert word in done.stdout
    page = next(line.split()[-1] for line in done.stdout.splitlines() if line.startswith("Report"))
    assert Path(page).name == "report.html"
    assert Path(page).is_file()


def test_the_briefs_schema_is_published(tmp_path: Path) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path}/a.db")

    schema = json.loads(studio.run("make", "--schema").stdout)

    assert schema["$schema"].endswith("2020-12/schema")
    assert "shots" in schema["properties"]


def test_a_brief_can_be_json(tmp_path: Path) -> None:
    import yaml  # noqa: PLC0415 - only this test writes JSON from YAML

    studio = Studio(tmp_path, f"sqlite:///{tmp_path}/a.db")
    brief = studio.brief(json.dumps(yaml.safe_load(SMALL_BRIEF)), name="brief.json")

    assert studio.make(brief)["status"] == "delivered"

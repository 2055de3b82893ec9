"""A release is sent where the brief says and the settings allow; caches are told what changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from origin import Origin, an_origin
from studio_runs import Studio

from cinefab.store.database import Database
from cinefab.store.schema import log_leaf

SPOT = """\
title: Two small shots
shots:
  - {seconds: 3, caption: First}
  - {seconds: 3, caption: Second, transition: cut}
output: {size: 256x144, fps: 8, formats: [hls]}
quality: preview
seed: 3
deliver: [DELIVER]
"""
ENTRIES = ("master.m3u8", "manifest.mpd", "poster.jpg", "thumbnails.vtt", "files.json")


@pytest.fixture
def origin() -> Iterator[Origin]:
    with an_origin(key="Bearer of-the-studio") as origin:
        yield origin


@pytest.fixture
def studio(tmp_path: Path, origin: Origin, s3_bucket: str) -> Studio:
    settings = {
        f"{origin.address}/films": {
            "headers": {"Authorization": "Bearer of-the-studio"},
            "public_url": "https://cdn.example/f",
            "purge": {"url": f"{origin.address}/purge", "body": '{"url": "{url}"}'},
        },
        s3_bucket: {"options": {"access_key_id": "test", "secret_access_key": "test"}},
    }
    return Studio(
        tmp_path,
        f"sqlite:///{tmp_path}/cinefab.db",
        environment={"CINEFAB_TARGETS": json.dumps(settings), "CINEFAB_OUT": str(tmp_path / "out")},
    )


def published(studio: Studio) -> list[dict[str, Any]]:
    """Return what the audit log says of publications, oldest first."""
    db = Database(studio.db)
    with db.read() as connection:
        rows = connection.execute(
            sa.select(log_leaf.c.body)
            .where(log_leaf.c.kind == "release.published")
            .order_by(log_leaf.c.id)
        ).scalars()
        found = [json.loads(body)["facts"] for body in rows]
    db.close()
    return found


def test_a_release_goes_to_every_place_and_publishing_again_sends_and_purges_what_changed(
    studio: Studio, origin: Origin, s3_bucket: str
) -> None:
    server = f"{origin.address}/films/spot"
    bucket = s3_bucket.partition("?")[0] + f"/{studio.folder.name}"
    folder = studio.folder / "out" / "second"
    text = SPOT.replace("DELIVER", f"'{server}', '{bucket}', '{folder}'")

    first = studio.make(studio.brief(text))

    out = Path(first["out"])
    listed = json.loads((out / "files.json").read_bytes())["files"]
    names = {each["path"] for each in listed} | {"files.json"}
    there = {path.removeprefix("/films/spot/"): c for path, c in origin.files.items()}
    assert set(there) == names
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == names
    for each in listed:
        content = (out / each["path"]).read_bytes()
        assert there[each["path"]] == (folder / each["path"]).read_bytes() == content
        headers = origin.headers[f"/films/spot/{each['path']}"]
        assert headers == (each["media_type"], each["cache_control"])
    puts = [path.removeprefix("/films/spot/") for path in origin.puts()]
    assert set(puts[-5:]) == set(ENTRIES)
    assert origin.hooked == [], "nothing was in a cache yet"
    assert {p["place"]: (p["sent"], p["kept"]) for p in published(studio)} == {
        place: (len(names), 0) for place in (server, bucket, str(folder))
    }

    says = {each["place"]: each for each in first["published"]}
    assert list(says) == [server, bucket, str(folder)]
    assert {(each["sent"], each["kept"]) for each in says.values()} == {(len(names), 0)}
    assert [each["purged"] for each in says.values()] == [[], None, None]
    assert says[server]["entries"]["master.m3u8"] == "https://cdn.example/f/spot/master.m3u8"
    assert says[bucket]["entries"]["files.json"] == f"{bucket}/files.json"
    assert Path(says[str(folder)]["entries"]["poster.jpg"]).is_file()
    page = (out / "report.html").read_text()
    assert 'href="https://cdn.example/f/spot/manifest.mpd"' in page
    before = dict(origin.files)

    changed = studio.make(studio.brief(text.replace("Second", "Changed"), "changed.yaml"))

    assert changed["status"] == "delivered"
    told = {json.loads(body)["url"] for *_, body in origin.hooked}
    differ = {n for n in ENTRIES if before[f"/films/spot/{n}"] != origin.files[f"/films/spot/{n}"]}
    assert {"master.m3u8", "manifest.mpd", "files.json"} <= differ
    assert told == {f"https://cdn.example/f/spot/{name}" for name in differ}
    *_, last = (p for p in published(studio) if p["place"] == server)
    assert last["kept"] >= 3, "what did not change was not sent again"
    assert {each["failure"] for each in last["purged"]} == {None}
    there_now = changed["published"][0]
    assert there_now["replaced"] == len(differ)
    assert there_now["purged"] == last["purged"]
    again = len(origin.puts())

    same = studio.make(studio.brief(text.replace("Second", "Changed"), "same.yaml"))

    assert same["status"] == "delivered"
    files = [p for p in origin.puts()[again:] if "/media/" in p]
    assert len(files) == 1, "only the film, whose credentials name another job, is another file"
    studio.check_books()


def test_a_server_that_is_down_fails_the_job_and_the_next_run_makes_nothing_again(
    studio: Studio, origin: Origin
) -> None:
    brief = studio.brief(SPOT.replace("DELIVER", f"'{origin.address}/films/spot'"))
    origin.answers = [507] * 50

    failed = studio.make(brief, expect=1)

    assert failed["failure"]["error"] == "StorageUnavailable"
    assert "507" in failed["failure"]["found"]
    origin.answers.clear()
    again = studio.make(brief)
    assert {each["made_by"] for each in again["segments"]} == {"reuse"}
    assert not [s for s in again["stages"] if s["name"].startswith("rungs:")]
    studio.check_books()


@pytest.mark.parametrize("place", ["https://elsewhere.example/films", "/etc", "out/../../x"])
def test_a_place_that_the_settings_do_not_name_leaves_nothing_behind(
    studio: Studio, place: str
) -> None:
    done = studio.run("make", studio.brief(SPOT.replace("DELIVER", f"'{place}'")), "--json")

    assert done.returncode == 2
    assert json.loads(done.stdout)["failure"]["field"] == "deliver[0]"
    assert not (studio.folder / "out").exists()

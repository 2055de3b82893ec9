"""A studio is backed up while it works, and is itself again elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from studio_runs import SMALL_BRIEF, Studio


@pytest.fixture
def other_url(database_url: str, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a second, empty database of the same kind."""
    if database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'elsewhere' / 'home' / 'cinefab.db'}"
        return
    server, _, name = database_url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}_restored")
    yield f"{server}/{name}_restored"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name}_restored WITH (FORCE)")


def answer(studio: Studio, *words: str | Path, expect: int = 0) -> dict[str, Any]:
    done = studio.run(*words, "--json")
    assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_studio_that_works_is_backed_up_and_goes_on_elsewhere(
    database_url: str, other_url: str, tmp_path: Path
) -> None:
    studio = Studio(tmp_path, database_url)
    film = studio.make(studio.brief())
    other = studio.brief(SMALL_BRIEF.replace("seed: 3", "seed: 4"), name="other.yaml")
    maker = studio.start("make", other, "--out", studio.folder / "out")
    assert maker.stderr is not None
    while "plan done" not in maker.stderr.readline():
        assert maker.poll() is None, "the film was not begun"

    kept = answer(studio, "backup", tmp_path / "kept")
    os.killpg(maker.pid, signal.SIGKILL)
    maker.communicate()
    shutil.rmtree(tmp_path / "home")
    again = Studio(tmp_path / "elsewhere", other_url)
    again.folder.mkdir()
    answer(again, "restore", tmp_path / "kept")

    assert kept["missing"] == []
    again.check_books()
    traced = answer(again, "trace", Path(film["out"]) / "film.mp4")
    assert traced["holds"] is True
    assert {path.name for path in (tmp_path / "kept").iterdir()} >= {"backup.json", "blobs", "home"}
    # What was unfinished is finished there, out of what had been kept, and under the old keys.
    again.brief()
    done = again.make(again.brief(other.read_text(), name="other.yaml"))
    assert done["status"] == "delivered"
    assert done["content_credentials"]["state"] == "trusted"
    same = again.make(again.brief())
    assert {each["made_by"] for each in same["segments"]} == {"reuse"}
    again.check_books()


def test_a_backup_again_copies_only_what_is_new_and_keys_stay_their_owners(tmp_path: Path) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path / 'home' / 'cinefab.db'}")
    studio.make(studio.brief())
    first = answer(studio, "backup", tmp_path / "kept")
    studio.make(studio.brief(), "--set", "shots[0].caption=Another")

    second = answer(studio, "backup", tmp_path / "kept")

    assert 0 < second["copied"] < first["copied"]
    assert second["blobs"] == first["blobs"] + second["copied"]
    assert len(list((tmp_path / "kept").glob("database-*"))) == 1
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "kept" / "home").rglob("*.key")]
    assert modes
    assert set(modes) == {0o600}


def test_what_is_no_backup_or_has_no_room_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path / 'home' / 'cinefab.db'}")
    kept = tmp_path / "kept"
    assert answer(studio, "backup", kept, expect=1)["failure"]["error"] == "BackupInvalid"
    studio.make(studio.brief())
    answer(studio, "backup", kept)
    elsewhere = Studio(tmp_path / "new", f"sqlite:///{tmp_path / 'new' / 'home' / 'cinefab.db'}")
    (tmp_path / "new").mkdir()

    refusals = [
        answer(studio, "restore", kept, expect=1),  # there is a studio
        answer(studio, "backup", tmp_path / "home", expect=1),  # onto itself
        answer(elsewhere, "restore", tmp_path, expect=1),  # no backup
    ]
    key = next((kept / "home").rglob("signer.key"))
    key.write_bytes(key.read_bytes() + b"x")
    changed = answer(elsewhere, "restore", kept, expect=1)

    assert [each["failure"]["error"] for each in refusals] == ["BackupInvalid"] * 3
    assert changed["failure"]["error"] == "CredentialsInvalid"
    assert not (tmp_path / "new" / "home").exists()

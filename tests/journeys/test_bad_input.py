"""Bad input: one message with what was attempted, found and to be done; nothing half-made."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from studio_runs import SMALL_BRIEF, Studio

from cinefab.jobs.tables import job as job_table
from cinefab.provenance.tables import asset
from cinefab.store.database import Database
from cinefab.store.schema import outbox


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path, f"sqlite:///{tmp_path}/a.db")


def refused(studio: Studio, brief: Path, *words: str, expect: int) -> dict[str, Any]:
    """Make a film that cannot be made; return the failure after looking at what is left."""
    done = studio.run("make", brief, "--json", "--out", studio.folder / "out", *words)
    assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    document = json.loads(done.stdout)
    failure: dict[str, Any] = document["failure"]
    assert failure["attempted"]
    assert failure["found"]
    assert failure["remedy"]
    assert not list(studio.folder.glob("out/*/film.mp4"))
    return failure


def nothing_is_left(studio: Studio) -> bool:
    db = Database(studio.db)
    try:
        with db.read() as connection:
            if not sa.inspect(connection).has_table("job"):
                return True
            counts = [
                connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in (job_table, asset, outbox)
            ]
    finally:
        db.close()
    return counts == [0, 0, 0]


def a_bomb(side: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (side // 8 + 1)), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("title: [unclosed", None),
        ("just a sentence", None),
        ("title: T\nshots: []\n", "shots"),
        ("title: T\nshots: [{seconds: 0, caption: C}]\n", "shots[0].seconds"),
        ("title: T\nshots: [{seconds: 1, capshun: C}]\n", "shots[0].capshun"),
        ("title: T\n", None),
        (SMALL_BRIEF + "model: imaginary\n", "model"),
        (SMALL_BRIEF.replace("[cup]", "[mug]", 1), "shots[0].references[0]"),
        (SMALL_BRIEF.replace("coffee.png", "absent.png"), "references.cup"),
        (SMALL_BRIEF.replace("coffee.png", "/dev/zero"), "references.cup"),
        (SMALL_BRIEF.replace("coffee.png", "."), "references.cup"),
        (SMALL_BRIEF.replace("fps: 12", "fps: 12, formats: [mp4, webm]"), "output.formats[1]"),
    ],
)
def test_a_bad_brief_names_the_field_and_leaves_nothing(
    studio: Studio, text: str, field: str | None
) -> None:
    failure = refused(studio, studio.brief(text), expect=2)

    if field is not None:
        assert failure["field"].startswith(field)
    assert nothing_is_left(studio)


def test_a_brief_that_is_not_there_is_a_bad_brief(studio: Studio) -> None:
    refused(studio, studio.folder / "absent.yaml", expect=2)

    assert nothing_is_left(studio)


def test_a_budget_below_the_estimate_is_refused_before_anything_is_written(studio: Studio) -> None:
    failure = refused(studio, studio.brief(), "--set", "budget=0.000001", expect=4)

    assert "estimate" in failure["found"]
    assert nothing_is_left(studio)


def test_a_budget_on_a_device_without_a_price_is_refused(studio: Studio) -> None:
    studio.environment["CINEFAB_PRICES_USD_PER_HOUR"] = "gpu=2"

    failure = refused(studio, studio.brief(), "--set", "budget=1", expect=4)

    assert "no price" in failure["found"]


def test_without_a_price_the_cost_is_unknown_and_the_film_is_made(studio: Studio) -> None:
    studio.environment["CINEFAB_PRICES_USD_PER_HOUR"] = "gpu=2"

    report = studio.make(studio.brief())

    assert report["cost_uusd"] is None
    assert report["cost_per_delivered_minute_uusd"] is None
    studio.check_books()


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("cut.png", None, ""),
        ("liar.jpg", None, ""),
        ("bomb.png", a_bomb(9000), "pixels"),
        ("empty.png", b"", "empty"),
        ("page.png", b"<html><body>no picture</body></html>", ""),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", ""),
    ],
)
def test_a_hostile_picture_fails_the_job_and_voids_its_reservation(
    studio: Studio, name: str, content: bytes | None, word: str
) -> None:
    brief = studio.brief(SMALL_BRIEF.replace("coffee.png", name))
    photo = (studio.folder / "coffee.png").read_bytes()
    (studio.folder / name).write_bytes(
        content if content is not None else photo[: len(photo) // (2 if name == "cut.png" else 1)]
    )

    failure = refused(studio, brief, expect=2)

    assert failure["field"] == "references.cup"
    assert word in str(failure)
    report = json.loads(studio.run("ledger", "report", "--json").stdout)
    assert report["reserved_uusd"] == 0
    assert report["spend_uusd"] == 0
    studio.check_books()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/a.png",
        "http://localhost/a.png",
        "http://[::1]/a.png",
        "http://169.254.169.254/latest/meta-data",
        "http://[64:ff9b::7f00:1]/a.png",
        "http://[2002:7f00:1::]/a.png",
        "ftp://example.com/a.png",
        "file:///etc/passwd",
    ],
)
def test_a_private_or_forbidden_address_is_refused(studio: Studio, url: str) -> None:
    brief = studio.brief(SMALL_BRIEF.replace("coffee.png", f'"{url}"'))

    failure = refused(studio, brief, expect=2)

    assert failure["field"].startswith("references")


def test_a_database_that_is_away_is_named_without_its_password(studio: Studio) -> None:
    studio.db = "postgresql://cinefab:secret@127.0.0.1:1/none"

    done = studio.run("make", studio.brief())

    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_goes_away_ends_the_run_and_its_return_finishes_the_film(
    postgres_server: str, tmp_path: Path
) -> None:
    name = f"away_{os.getpid()}"
    studio = Studio(tmp_path, f"{postgres_server}/{name}")
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        process = studio.start("make", studio.brief(), "--out", tmp_path / "out")
        _wait_for_work(tmp_path, process)
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        try:
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

        assert process.returncode == 1, stderr
        assert "Traceback" not in stderr
        report = studio.make(studio.brief())
        assert report["status"] == "delivered"
        studio.check_books()
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _wait_for_work(folder: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(300):
        if list(folder.glob("out/*/preview.jpg")) or process.poll() is not None:
            return
        time.sleep(0.1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of four megabytes; only root may."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_fails_the_job_with_one_message_and_finishes_when_there_is_room(
    studio: Studio, small_disk: Path
) -> None:
    blobs = f"file://{small_disk}/blobs"
    brief = studio.brief()
    filler = small_disk / "filler"
    filler.write_bytes(bytes(3_600_000))

    done = studio.run("make", brief, "--blobs", blobs, "--out", studio.folder / "out")

    assert done.returncode == 1, done.stderr
    assert "disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    studio.check_books()
    filler.unlink()
    assert studio.make(brief, "--blobs", blobs)["status"] == "delivered"
    studio.check_books()


def test_control_c_cancels_within_a_second_and_voids_the_reservation(studio: Studio) -> None:
    long = SMALL_BRIEF.replace("seconds: 1,", "seconds: 20,").replace("320x180", "1280x720")
    process = studio.start("make", studio.brief(long), "--json", "--out", studio.folder / "out")
    _wait_for_work(studio.folder, process)
    time.sleep(1)
    began = time.monotonic()

    process.send_signal(signal.SIGINT)

    db = Database(studio.db)
    while _status(db) != "cancelled" and time.monotonic() - began < 10:
        time.sleep(0.02)
    took_s = time.monotonic() - began
    db.close()
    stdout, stderr = process.communicate(timeout=20)
    assert json.loads(stdout)["status"] == "cancelled", stderr
    assert process.returncode == 1
    ledger = json.loads(studio.run("ledger", "report", "--json").stdout)
    assert ledger["reserved_uusd"] == 0
    studio.check_books()
    # The promise is one second; twice that leaves room for a machine that does other things too.
    assert took_s < 2


def _status(db: Database) -> str:
    with db.read() as connection:
        return str(connection.execute(sa.select(job_table.c.status)).scalar_one())

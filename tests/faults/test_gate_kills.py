"""Kill a film that waits for a person, and its answer, anywhere: no yes, no film; one yes, one film."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from done_once import assert_done_once
from studio_runs import SMALL_BRIEF, Studio

from cinefab.deliver.tables import release
from cinefab.economics.tables import lease
from cinefab.jobs.tables import job as job_table
from cinefab.review.tables import decision, review_item
from cinefab.store.database import Database


@pytest.fixture
def studio(database_url: str, tmp_path: Path) -> Studio:
    return Studio(tmp_path, database_url)


def test_a_killed_film_and_a_killed_answer_publish_once_and_only_after_the_answer(
    studio: Studio,
) -> None:
    brief = studio.brief(SMALL_BRIEF + "review: required\n")
    out = ("--out", studio.folder / "out")
    # Killed on its way, then as soon as the question is there, before its workflow knows of it.
    _kill_when(studio, lambda: _rows(studio, job_table) == 1, "make", brief, *out)
    _kill_when(studio, lambda: _rows(studio, review_item) == 1, "make", brief, *out)

    waits = studio.make(brief, expect=5)

    assert _rows(studio, review_item) == 1
    assert _nothing_left(studio)

    # Killed as soon as the answer is there, and again while the film is signed.
    answer = ("review", "approve", waits["job"])
    _kill_when(studio, lambda: _rows(studio, decision) == 1, *answer)
    assert _rows(studio, decision) == 1
    signing = lease.c.stage == "deliver"
    with _undeliverable(studio):
        _kill_when(studio, lambda: _rows(studio, lease, signing) == 1, "make", brief, *out)
    film = studio.make(brief)

    assert film["job"] == waits["job"]
    assert film["status"] == "delivered"
    assert film["content_credentials"]["state"] == "trusted"
    assert film["cost_uusd"] == sum(stage["cost_uusd"] for stage in film["stages"])
    assert_done_once(studio, film["job"], jobs=1)
    studio.check_books()


def test_an_answer_whose_command_died_is_carried_out_by_a_worker(studio: Studio) -> None:
    waits = studio.make(studio.brief(SMALL_BRIEF + "review: required\n"), expect=5)
    done = studio.run("review", "approve", waits["job"], "--leave")
    assert done.returncode == 0, done.stderr
    assert _nothing_left(studio)

    worker = studio.start("worker")
    try:
        _wait_for((Path(waits["out"]) / "film.mp4").exists)
        _wait_for(lambda: "delivered" in (Path(waits["out"]) / "report.json").read_text())
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=90)

    assert_done_once(studio, waits["job"], jobs=1)
    studio.check_books()


def test_a_worker_ends_a_film_that_nobody_looked_at_in_time(studio: Studio) -> None:
    brief = studio.brief(SMALL_BRIEF + "review: {mode: required, within: 1s}\n")
    waits = studio.make(brief, expect=5)

    worker = studio.start("worker")
    try:
        _wait_for(lambda: "refused" in (Path(waits["out"]) / "report.json").read_text())
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=90)

    assert _nothing_left(studio)
    studio.check_books()


def _kill_when(studio: Studio, is_so: Callable[[], bool], *words: str | Path) -> None:
    process = studio.start(*words)
    try:
        _wait_for(lambda: is_so() or process.poll() is not None)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _wait_for(is_so: Callable[[], bool], within_s: float = 60) -> None:
    until = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


@contextmanager
def _undeliverable(studio: Studio) -> Iterator[None]:
    """Let no job end as delivered, however late the kill comes on a busy machine."""
    db = Database(studio.db)
    raises, undone = _ON_SQLITE if db.is_sqlite else _ON_POSTGRES
    try:
        _execute(db, raises)
        yield
        _execute(db, undone)
    finally:
        db.close()


def _execute(db: Database, statements: tuple[str, ...]) -> None:
    with db.write() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


# Both fail as a database does that is away for a moment, which is tried again until the kill.
_ON_SQLITE = (
    (
        (
            "CREATE TRIGGER away BEFORE UPDATE OF status ON job WHEN new.status = 'delivered' "
            "BEGIN SELECT abs(-9223372036854775807 - 1); END"
        ),  # overflows when it is run
    ),
    ("DROP TRIGGER away",),
)
_ON_POSTGRES = (
    (
        (
            "CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE SQLSTATE '57P03'; END $$"
        ),
        (
            "CREATE TRIGGER away BEFORE UPDATE OF status ON job FOR EACH ROW "
            "WHEN (new.status = 'delivered') EXECUTE FUNCTION away()"
        ),
    ),
    ("DROP TRIGGER away ON job", "DROP FUNCTION away"),
)


def _rows(studio: Studio, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    db = Database(studio.db)
    try:
        with db.read() as connection:
            if not sa.inspect(connection).has_table(table.name):
                return 0
            query = sa.select(sa.func.count()).select_from(table).where(*conditions)
            return int(connection.execute(query).scalar_one())
    finally:
        db.close()


def _nothing_left(studio: Studio) -> bool:
    return _rows(studio, release) == 0 and not list(studio.folder.glob("out/**/*.mp4"))

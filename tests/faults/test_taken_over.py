"""Workers that are taken for dead, failures at the very end, Control-C: no job is lost by any."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from studio_runs import SMALL_BRIEF, Studio

from cinefab.app.settings import load_settings
from cinefab.app.studio import Studio as Parts
from cinefab.core.errors import StorageUnavailable
from cinefab.engine.system_database import system_url_for
from cinefab.engine.wire import encode_error
from cinefab.ingest.brief import load_brief
from cinefab.jobs.door import open_job
from cinefab.jobs.tables import job as job_table
from cinefab.store.database import Database
from cinefab.store.schema import worker as worker_table

LONG_BRIEF = (
    SMALL_BRIEF.replace("seconds: 1,", "seconds: 10,")
    .replace("320x180", "1920x1080")
    .replace("quality: preview", "quality: final")
)


class Runs(Studio):
    """A studio whose commands are all ended with the test."""

    def __init__(self, folder: Path, db: str) -> None:
        super().__init__(folder, db)
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        process = super().start(*words)
        self.started.append(process)
        return process

    def worker(self) -> subprocess.Popen[str]:
        """Start a worker and wait until it takes part."""
        process = self.start("worker")
        read_until(process, "is ready")
        return process

    def begin(self, brief: Path, *words: str) -> subprocess.Popen[str]:
        """Start a film and wait until its plan is made."""
        process = self.start("make", brief, "--out", self.folder / "out", *words)
        read_until(process, "plan done")
        return process

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def studio(database_url: str, tmp_path: Path) -> Iterator[Runs]:
    runs = Runs(tmp_path, database_url)
    yield runs
    runs.close()


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Runs]:
    runs = Runs(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}")
    yield runs
    runs.close()


def test_a_worker_that_was_taken_for_dead_says_so_and_ends(studio: Runs) -> None:
    stood_still, other = studio.worker(), studio.worker()
    stop_between_writes(studio, stood_still)
    wait_for(lambda: settled_workers(studio) == 1, what="the other to take over")

    stood_still.send_signal(signal.SIGCONT)
    _, said = stood_still.communicate(timeout=60)

    assert stood_still.returncode == 1
    assert "stood still" in said
    assert other.poll() is None


def test_a_job_of_a_worker_whose_row_is_settled_is_still_finished(studio: Runs) -> None:
    maker = studio.begin(studio.brief())
    maker.kill()
    maker.wait()
    change(studio, worker_table.update().values(ended_us=1, settled_us=1))

    report = studio.make(studio.brief())

    assert report["status"] == "delivered"
    assert not list((studio.folder / "home" / "scratch").glob("*/*"))
    studio.check_books()


def test_a_job_that_was_written_and_never_started_is_made_by_a_worker(
    studio: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CINEFAB_HOME", str(studio.folder / "home"))
    brief = load_brief(studio.brief(), now_us=0)
    settings = load_settings({"db": studio.db, "out": studio.folder / "out"})
    with Parts(settings, tell=lambda _news: None) as parts:
        opened = open_job(parts.shop, brief, base=studio.folder, out=settings.out, requested_us=1)

    studio.worker()

    wait_for((opened.out / "report.json").exists, what="the film")
    assert json.loads((opened.out / "report.json").read_text())["status"] == "delivered"


def test_an_error_that_the_engine_kept_ends_the_job_and_the_next_run_makes_another(
    studio: Runs,
) -> None:
    maker = studio.begin(studio.brief())
    maker.kill()
    maker.wait()
    away = StorageUnavailable(attempted="end it", found="it went away", remedy="Run it again.")
    keep_error(studio, json.dumps({"error": encode_error(away, attempted="")}))

    broken = studio.make(studio.brief(), expect=1)
    again = studio.make(studio.brief())

    assert broken["status"] == "failed"
    assert broken["failure"]["found"] == "it went away"
    assert again["status"] == "delivered"
    assert again["job"] != broken["job"]
    studio.check_books()
    assert json.loads(studio.run("ledger", "report", "--json").stdout)["reserved_uusd"] == 0


def test_a_worker_ends_a_job_whose_workflow_was_given_up_and_voids_its_reservation(
    studio: Runs,
) -> None:
    maker = studio.begin(studio.brief())
    maker.kill()
    maker.wait()
    away = StorageUnavailable(attempted="end it", found="it went away", remedy="Run it again.")
    keep_error(studio, json.dumps({"error": encode_error(away, attempted="")}))

    studio.worker()

    wait_for(lambda: job_statuses(studio) == ["failed"], what="the worker to end the job")
    studio.check_books()
    assert json.loads(studio.run("ledger", "report", "--json").stdout)["reserved_uusd"] == 0


def test_a_database_that_fails_for_a_moment_at_the_end_does_not_lose_the_job(
    on_sqlite: Runs,
) -> None:
    first = on_sqlite.make(on_sqlite.brief())
    file = on_sqlite.folder / "cinefab.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute(
            "CREATE TRIGGER away BEFORE UPDATE OF status ON job WHEN new.status = 'delivered' "
            "BEGIN SELECT abs(-9223372036854775807 - 1); END"  # overflows when it is run
        )
        database.commit()
    maker = on_sqlite.start("make", on_sqlite.brief(), "--json", "--out", on_sqlite.folder / "out")
    wait_for(lambda: len(list(on_sqlite.folder.glob("out/*/film.mp4"))) == 2, what="the film")
    time.sleep(0.5)

    with closing(sqlite3.connect(file)) as database:
        database.execute("DROP TRIGGER away")
        database.commit()
    said, _ = maker.communicate(timeout=120)

    assert maker.returncode == 0
    assert json.loads(said)["job"] != first["job"]
    on_sqlite.check_books()


def test_control_c_cancels_with_a_report_and_without_a_preview(studio: Runs) -> None:
    maker = studio.begin(studio.brief(LONG_BRIEF))
    wait_for(lambda: bool(list(studio.folder.glob("out/*/preview.jpg"))), what="a picture")

    maker.send_signal(signal.SIGINT)
    _, said = maker.communicate(timeout=30)

    assert maker.returncode == 1
    assert "Traceback" not in said
    (folder,) = (studio.folder / "out").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]
    assert json.loads((folder / "report.json").read_text())["status"] == "cancelled"
    studio.check_books()


@pytest.mark.parametrize("file", ["cinefab.db", "cinefab.durable.db"])
def test_control_c_at_the_start_ends_with_a_document(on_sqlite: Runs, file: str) -> None:
    maker = on_sqlite.start("make", on_sqlite.brief(), "--json", "--out", on_sqlite.folder / "out")
    wait_for((on_sqlite.folder / file).exists, what="the database")

    maker.send_signal(signal.SIGINT)
    document, said = maker.communicate(timeout=30)

    assert maker.returncode == 1
    assert json.loads(document)["status"] in {"error", "cancelled"}
    assert "Traceback" not in said


def test_control_c_of_a_second_run_leaves_the_job_to_the_first(on_sqlite: Runs) -> None:
    brief = on_sqlite.brief(LONG_BRIEF)
    first = on_sqlite.begin(brief)
    second = on_sqlite.start("make", brief, "--out", on_sqlite.folder / "elsewhere")
    read_until(second, "is put there")

    second.send_signal(signal.SIGINT)
    _, said = second.communicate(timeout=30)

    assert second.returncode == 1
    assert "another worker makes it" in said
    assert first.poll() is None
    assert job_statuses(on_sqlite) == ["running"]


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"{process.args} ended and did not say {words!r}")


def wait_for(is_so: Callable[[], bool], *, what: str, within_s: float = 180) -> None:
    until = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.02)


def stop_between_writes(studio: Studio, worker: subprocess.Popen[str]) -> None:
    """Stop a process where it locks no SQLite file; PostgreSQL ends a session that stands still."""
    for _ in range(200):
        worker.send_signal(signal.SIGSTOP)
        if all(can_be_written(file) for file in studio.folder.glob("*.db")):
            return
        worker.send_signal(signal.SIGCONT)
        time.sleep(0.05)
    raise AssertionError("it writes all the time")


def can_be_written(file: Path) -> bool:
    # Another worker may hold the lock for a moment; one that stands still has it for ever.
    with closing(sqlite3.connect(file, timeout=5, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        database.execute("ROLLBACK")
        return True


def settled_workers(studio: Studio) -> int:
    db = Database(studio.db)
    with db.read() as connection:
        found = connection.execute(
            sa.select(sa.func.count()).where(worker_table.c.settled_us.is_not(None))
        ).scalar_one()
    db.close()
    return int(found)


def job_statuses(studio: Studio) -> list[str]:
    db = Database(studio.db)
    with db.read() as connection:
        found = connection.execute(sa.select(job_table.c.status)).scalars().all()
    db.close()
    return list(found)


def change(studio: Studio, statement: sa.Update) -> None:
    db = Database(studio.db)
    with db.write() as connection:
        connection.execute(statement)
    db.close()


def keep_error(studio: Studio, error: str) -> None:
    """Have the durable engine hold that the only workflow failed, while its job goes on."""
    url = sa.make_url(system_url_for(studio.db))
    statement = "UPDATE {}workflow_status SET status = 'ERROR', error = {}"
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database))) as database:
            database.execute(statement.format("", "?"), [error])
            database.commit()
    else:
        with psycopg.connect(studio.db) as connection:
            connection.execute(statement.format("dbos.", "%s"), [error])
    change(studio, job_table.update().values(status="running"))

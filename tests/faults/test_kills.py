"""Kill it anywhere, run it again: one film, one charge a stage, balanced books."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from done_once import assert_done_once
from studio_runs import Studio

from cinefab.jobs.tables import job as job_table
from cinefab.store.database import Database

SEED = 20
NEWS_MAX = 10
"""A small film tells of about this many stages: one ingest to one deliver."""


def run_kills(database_url: str, folder: Path, *, kills: int) -> None:
    """Kill as many films as told, each at a seeded point, and make each by a second run."""
    chance = random.Random(SEED)
    studio = Studio(folder, database_url)
    studio.make(studio.brief(), "--set", "seed=999")
    hits = 0
    for number in range(kills):
        # A film of its own each time, or everything would be reused and nothing be at risk.
        text = studio.brief().read_text().replace("seed: 3", f"seed: {100 + number}")
        brief = studio.brief(text, name=f"brief-{number}.yaml")
        after_news = number % NEWS_MAX
        hits += _killed(studio, brief, after_news=after_news, delay_s=chance.uniform(0, 0.25))

        # A kill that came after the end leaves a whole film, and the second run orders another.
        jobs = _delivered(studio) + 1

        report = studio.make(brief)

        assert report["status"] == "delivered"
        assert report["content_credentials"]["state"] == "trusted"
        assert report["cost_uusd"] == sum(stage["cost_uusd"] for stage in report["stages"])
        assert_done_once(studio, report["job"], jobs=jobs)
        studio.check_books()
    assert hits >= kills * 3 // 4, f"only {hits} of {kills} kills came before the end"


def _delivered(studio: Studio) -> int:
    db = Database(studio.db)
    try:
        with db.read() as connection:
            done = sa.select(sa.func.count()).where(job_table.c.status == "delivered")
            return int(connection.execute(done.select_from(job_table)).scalar_one())
    finally:
        db.close()


def _killed(studio: Studio, brief: Path, *, after_news: int, delay_s: float) -> bool:
    """Start a film and kill it some time after so many stages were told; say if it was running."""
    process = studio.start("make", brief, "--out", studio.folder / "out")
    assert process.stderr is not None
    for _ in range(after_news):
        if not process.stderr.readline():
            break
    time.sleep(delay_s if after_news else 4 * delay_s)
    running = process.poll() is None
    if running:
        # The whole group, as a machine that goes away would.
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return running


@pytest.mark.both_databases
def test_a_few_kills_leave_one_film_one_charge_a_stage_and_balanced_books(
    database_url: str, tmp_path: Path
) -> None:
    run_kills(database_url, tmp_path, kills=3)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_kills_leave_one_film_one_charge_a_stage_and_balanced_books(
    database_url: str, tmp_path: Path
) -> None:
    run_kills(database_url, tmp_path, kills=20)


def test_a_killed_workers_film_is_finished_by_another_worker(
    database_url: str, tmp_path: Path
) -> None:
    studio = Studio(tmp_path, database_url)
    # One that was there before might have had room for the film, and made it.
    assert _killed(studio, studio.brief(), after_news=2, delay_s=0)
    other = studio.start("worker")
    try:
        films = _films(tmp_path, within_s=60)
    finally:
        other.send_signal(signal.SIGTERM)
        other.communicate(timeout=20)
    assert other.returncode == 0
    assert len(films) == 1
    assert (
        subprocess.run(studio.command("verify", films[0]), env=studio.env, check=False).returncode
        == 0
    )
    studio.check_books()


def _films(folder: Path, *, within_s: float) -> list[Path]:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        # The report is written last, when the job has ended.
        if reports := list(folder.glob("out/*/report.json")):
            return [report.with_name("film.mp4") for report in reports]
        time.sleep(0.1)
    return []

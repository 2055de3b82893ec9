"""Kill it anywhere, run it again: one film, one charge a stage, balanced books."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
import sqlalchemy as sa
from studio_runs import Studio

from cinefab.deliver.tables import release
from cinefab.economics.tables import lease
from cinefab.generate.tables import take
from cinefab.jobs.tables import job as job_table
from cinefab.record.tables import stage
from cinefab.store.database import Database
from cinefab.store.schema import outbox

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

        report = studio.make(brief)

        assert report["status"] == "delivered"
        assert report["content_credentials"]["state"] == "trusted"
        assert report["cost_uusd"] == sum(stage["cost_uusd"] for stage in report["stages"])
        assert_done_once(studio, report["job"], jobs=number + 2)
        studio.check_books()
    assert hits >= kills * 3 // 4, f"only {hits} of {kills} kills came before the end"


def assert_done_once(studio: Studio, job: str, *, jobs: int) -> None:
    """Look into the rows: one job, one release, each stage and each take once, none run again."""
    db = Database(studio.db)
    try:
        with db.read() as connection:
            count = sa.select(sa.func.count())
            assert connection.execute(count.select_from(job_table)).scalar_one() == jobs
            releases = count.select_from(release).where(release.c.job_id == job)
            assert connection.execute(releases).scalar_one() == 1
            takes = sa.select(take.c.segment_key).where(take.c.job_id == job)
            assert _repeated(connection.execute(takes).scalars()) == []
            events = sa.select(outbox.c.body).where(
                outbox.c.subject == job, outbox.c.kind == "stage.committed"
            )
            told = [json.loads(body)["stage"] for body in connection.execute(events).scalars()]
            assert _repeated(told) == []
            stages = connection.execute(sa.select(stage).where(stage.c.job_id == job)).all()
            assert sorted(row.name for row in stages) == sorted(told)
            leases = connection.execute(sa.select(lease).where(lease.c.job_id == job)).all()
    finally:
        db.close()
    assert all(row.closed_us is not None for row in leases), "a lease was left open"
    charged = [row.stage for row in leases if row.charge_key is not None]
    assert sorted(charged) == sorted(told), "each stage is charged by one lease"
    committed = {row.name: row.committed_us for row in stages}
    late = [row.stage for row in leases if row.opened_us > committed[row.stage]]
    assert late == [], f"run again after they were finished: {late}"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


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


def test_a_few_kills_leave_one_film_one_charge_a_stage_and_balanced_books(
    database_url: str, tmp_path: Path
) -> None:
    run_kills(database_url, tmp_path, kills=5)


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
    other = studio.start("worker")
    try:
        assert other.stderr is not None
        while "is ready" not in other.stderr.readline():
            assert other.poll() is None, "the worker did not start"

        assert _killed(studio, studio.brief(), after_news=2, delay_s=0)

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

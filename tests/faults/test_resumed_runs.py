"""A run that was killed goes on where it was, in another process, another job, on another machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from strangers import install
from studio_runs import Studio

from cinefab.generate.tables import resume_point
from cinefab.jobs.tables import job as job_table
from cinefab.provenance.tables import asset
from cinefab.store.database import Database

STEPPER = (Path(__file__).parents[1] / "support" / "stepper.py").read_text()
BRIEF = """\
title: Made slowly
model: slow
model_settings: {steps: 8}
shots: [{seconds: 1, prompt: A red room}]
output: {size: 160x90, fps: 12}
quality: preview
refine: {attempts: 0}
"""


def slow(studio: Studio, pause_s: float) -> Studio:
    points = {"models": {"stepper": "stepper:Stepper"}}
    install(studio, module="stepper", source=STEPPER, points=points)
    (studio.folder / "home").mkdir(exist_ok=True)
    # The pause changes no pixel and is in no version: the quick run and the slow one are one run.
    table = f'backend = "stepper"\ncolour = 90\nlog = "{studio.folder}/log"\npause_s = {pause_s}\n'
    (studio.folder / "home" / "cinefab.toml").write_text(
        f"[models.slow]\n{table}[review_thresholds]\nblocks_preview_max = 90000\nblocks_preview_jump_max = 90000\n"
    )
    return studio


def steps(studio: Studio) -> list[int]:
    log = studio.folder / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [int(line.split()[-1]) for line in lines]


def wait_for(studio: Studio, what: Any) -> None:
    for _ in range(1200):
        if what():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited in vain; steps made: {steps(studio)}")


def asked(studio: Studio, query: sa.Select[Any]) -> list[Any]:
    """Return the first column of what the studio's database answers."""
    db = Database(studio.db)
    try:
        with db.read() as connection:
            return list(connection.execute(query).scalars())
    except sa.exc.DBAPIError:
        return []  # it has no tables yet
    finally:
        db.close()


def points(studio: Studio) -> int:
    return len(asked(studio, sa.select(resume_point.c.id).where(resume_point.c.ended_us.is_(None))))


def the_segment(studio: Studio) -> str:
    (digest,) = asked(studio, sa.select(asset.c.sha256).where(asset.c.kind == "segment"))
    return str(digest)


@pytest.fixture
def whole(tmp_path: Path) -> str:
    """The digest of the segment as a run makes it that nobody interrupts."""
    studio = slow(Studio(tmp_path / "whole", f"sqlite:///{tmp_path / 'whole.db'}"), 0)
    studio.make(studio.brief(BRIEF))
    assert steps(studio) == list(range(1, 9))
    return the_segment(studio)


def test_a_killed_worker_s_run_goes_on_on_a_machine_that_has_nothing_of_it(
    database_url: str, tmp_path: Path, whole: str
) -> None:
    studio = slow(Studio(tmp_path / "one", database_url), 0.3)
    studio.blobs = f"file://{tmp_path / 'blobs'}"
    brief = studio.brief(BRIEF)
    first = studio.start("make", brief, "--json", "--out", studio.folder / "out")
    wait_for(studio, lambda: len(steps(studio)) >= 4 and points(studio) > 0)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    made = steps(studio)
    # Another machine: the same database and blobs, and no folder of the one that died.
    for name in ("scratch", "cache"):
        shutil.rmtree(studio.folder / "home" / name, ignore_errors=True)

    report = slow(studio, 0).make(brief)

    assert report["status"] == "delivered"
    again = steps(studio)[len(made) :]
    assert again == list(range(again[0], 9))
    assert again[0] >= max(made) - 1, f"{made} were made, and then {again}"
    assert the_segment(studio) == whole
    assert points(studio) == 0
    (said,) = asked(studio, sa.select(asset.c.parameters).where(asset.c.kind == "segment"))
    assert json.loads(said)["resumed_from"] == f"step-{again[0] - 1}"
    assert report["cost_uusd"] == sum(stage["cost_uusd"] for stage in report["stages"])
    studio.check_books()


def test_a_killed_process_s_run_goes_on_in_the_same_job(tmp_path: Path, whole: str) -> None:
    studio = slow(Studio(tmp_path / "one", f"sqlite:///{tmp_path / 'one.db'}"), 0.3)
    first = studio.start("make", studio.brief(BRIEF), "--json", "--out", studio.folder / "out")
    wait_for(studio, lambda: len(steps(studio)) >= 3 and points(studio) > 0)
    children = subprocess.run(
        ["pgrep", "-P", str(first.pid), "-f", "cinefab.engine.child"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    first.communicate(timeout=60)

    assert first.returncode == 0
    assert steps(studio)[-1] == 8
    assert len(steps(studio)) <= 10
    assert the_segment(studio) == whole
    studio.check_books()


def test_a_cancelled_run_stops_between_two_steps_and_is_continued_by_the_next_order(
    tmp_path: Path, whole: str
) -> None:
    studio = slow(Studio(tmp_path / "one", f"sqlite:///{tmp_path / 'one.db'}"), 0.3)
    brief = studio.brief(BRIEF)
    first = studio.start("make", brief, "--json", "--out", studio.folder / "out")
    wait_for(studio, lambda: len(steps(studio)) >= 3 and points(studio) > 0)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    made = steps(studio)

    report = slow(studio, 0).make(brief)

    ended = asked(studio, sa.select(job_table.c.status).order_by(job_table.c.id))
    assert ended == ["cancelled", "delivered"]
    assert len(made) < 8
    assert steps(studio)[len(made)] >= max(made)
    assert the_segment(studio) == whole
    assert report["first_preview_ms"] is not None
    studio.check_books()

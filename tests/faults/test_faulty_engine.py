"""Many jobs through an engine that fails in every way: each ends once, each is charged once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from engines.openai_media import Fault, OpenaiStub
from studio_runs import Studio

from cinefab.economics.tables import bill, lease
from cinefab.jobs.tables import job as job_table
from cinefab.store.database import Database

MANY = Path(__file__).parents[1] / "support" / "many_films.py"
BRIEF = """\
title: Through a faulty engine
model: theirs
shots: [{seconds: 0.5, prompt: A red room}]
output: {size: 160x96, fps: 12}
quality: preview
refine: {attempts: 0}
"""
KINDS: list[dict[str, Any]] = [
    {"method": "POST", "path": "/videos", "kind": "status", "status": 429},
    {"method": "POST", "path": "/videos", "kind": "after", "status": 500},
    {"method": "POST", "path": "/videos", "kind": "hang"},
    {"method": "POST", "path": "/videos", "kind": "garbage"},
    {"method": "GET", "path": "/videos/", "kind": "status", "status": 404},
    {"method": "GET", "path": "/videos/", "kind": "status", "status": 502},
    {"method": "GET", "path": "/videos/", "kind": "garbage"},
    {"method": "GET", "path": "/videos/", "kind": "slow"},
    {"method": "GET", "path": "/videos/", "kind": "hang"},
    {"method": "GET", "path": "/videos/", "kind": "other"},
]


class FaultyStub(OpenaiStub):
    """Fails a fifth of what it is asked, as its chance says."""

    def __init__(self, seed: int) -> None:
        super().__init__(polls=2)
        self._chance = random.Random(seed)
        self.failed: Counter[str] = Counter()

    def fault_on(self, method: str, path: str) -> Fault | None:
        with self._lock:
            fits = [k for k in KINDS if k["method"] == method and path.startswith(k["path"])]
            if not fits or self._chance.random() > 0.2:
                return None
            kind = self._chance.choice(fits)
            self.failed[f"{kind['kind']} {kind.get('status', '')}".strip()] += 1
            return Fault(**kind)


def made_through(engine: FaultyStub, studio: Studio, jobs: int) -> list[dict[str, Any]]:
    (studio.folder / "home").mkdir()
    table = {
        "backend": "openai-media",
        "base_url": engine.url,
        "model": "tiny",
        "task": "text-to-video",
        "poll_s": 0.01,
        "patience_s": 4,
        "price_uusd_per_run": 1234,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
    lenient = "[review_thresholds]\nblocks_preview_max = 90000\nblocks_preview_jump_max = 90000\n"
    (studio.folder / "home" / "cinefab.toml").write_text(
        "\n".join(["[models.theirs]", *lines, lenient])
    )
    line = [sys.executable, str(MANY), studio.db, str(studio.folder / "out")]
    done = subprocess.run(
        [*line, str(studio.brief(BRIEF)), *(f"seed={seed}" for seed in range(jobs))],
        env=studio.env,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    return reports


def held(studio: Studio, engine: FaultyStub, reports: list[dict[str, Any]], jobs: int) -> None:
    """Hold what the database says against what the engine did."""
    db = Database(studio.db)
    with db.read() as connection:
        ended = list(connection.execute(sa.select(job_table.c.status)).scalars())
        bills = connection.execute(sa.select(bill)).all()
        leases = (
            connection.execute(
                sa.select(lease.c.job_id).where(
                    lease.c.stage.startswith("generate"), lease.c.charge_key.is_not(None)
                )
            )
            .scalars()
            .all()
        )
    db.close()
    assert len(ended) == jobs
    assert set(ended) <= {"delivered", "failed", "refused"}
    assert Counter(ended)["delivered"] > jobs // 2
    assert sum(engine.failed.values()) >= jobs // 2, engine.failed
    # Whoever was delivered has one bill, in its own name, and one charge for its take.
    by_job = Counter(row.job_id for row in bills)
    delivered = [report["job"] for report in reports if report["status"] == "delivered"]
    assert all(by_job[job] == 1 for job in delivered)
    assert max(by_job.values()) == 1
    assert len({row.reference for row in bills}) == len(bills)
    assert max(Counter(leases).values()) == 1
    for report in reports:
        stages = [stage["cost_uusd"] for stage in report["stages"]]
        assert report["cost_uusd"] == sum(stages)
        is_charged = report["cost_uusd"] >= 1234
        if report["status"] == "failed":
            # What an engine asked before a run failed is in the books, and for nobody to pay but us.
            assert by_job[report["job"]] == 1 or not is_charged, report
        else:
            assert is_charged == (by_job[report["job"]] == 1), report
    studio.check_books()


def test_a_few_jobs_through_a_faulty_engine_end_once_and_are_charged_once(
    tmp_path: Path,
) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}")
    with FaultyStub(3) as engine:
        reports = made_through(engine, studio, 12)
        held(studio, engine, reports, 12)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_hundred_jobs_through_a_faulty_engine_end_once_and_are_charged_once(
    database_url: str, tmp_path: Path
) -> None:
    studio = Studio(tmp_path, database_url)
    with FaultyStub(5) as engine:
        reports = made_through(engine, studio, 100)
        held(studio, engine, reports, 100)

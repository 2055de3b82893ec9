"""A film whose shots are made together: one run, one price, and every take its own."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from strangers import install
from studio_runs import Studio

from cinefab.core.units import DeviceUs, price_of
from cinefab.economics.tables import lease
from cinefab.generate.tables import resume_point
from cinefab.jobs.tables import job as job_table
from cinefab.provenance.tables import asset
from cinefab.store.database import Database

SUPPORT = Path(__file__).parents[1] / "support"
BRIEF = """\
title: Three of a kind
model: several
model_settings: {steps: 6}
shots:
  - {seconds: 1, prompt: A red room, transition: cut}
  - {seconds: 1, prompt: A red door, transition: cut}
  - {seconds: 1, prompt: A red wall, transition: cut}
output: {size: 160x90, fps: 12}
quality: preview
refine: {attempts: 0}
"""
ALIKE = "[review_thresholds]\nblocks_preview_max = 90000\nblocks_preview_jump_max = 90000\n"


def several(studio: Studio, *, batch: int = 4, pause_s: float = 0) -> Studio:
    points = {"models": {"batcher": "batcher:Batcher"}}
    install(studio, module="stepper", source=(SUPPORT / "stepper.py").read_text(), points={})
    install(studio, module="batcher", source=(SUPPORT / "batcher.py").read_text(), points=points)
    (studio.folder / "home").mkdir(exist_ok=True)
    table = f'backend = "batcher"\ncolour = 90\nbatch = {batch}\nlog = "{studio.folder}/log"\n'
    (studio.folder / "home" / "cinefab.toml").write_text(
        f'[models.several]\n{table}pause_s = {pause_s}\n[prices_usd_per_hour]\ncpu-core = "0.045"\n{ALIKE}'
    )
    return studio


def runs(studio: Studio) -> list[str]:
    log = studio.folder / "log"
    return log.read_text().splitlines() if log.exists() else []


def asked(studio: Studio, query: sa.Select[Any]) -> list[Any]:
    db = Database(studio.db)
    try:
        with db.read() as connection:
            return list(connection.execute(query))
    except sa.exc.DBAPIError:
        return []  # it has no tables yet
    finally:
        db.close()


def segments(studio: Studio) -> list[tuple[str, Any]]:
    """Return each shot's digest and what its lineage says, in the film's order."""
    found = asked(
        studio, sa.select(asset.c.sha256, asset.c.parameters).where(asset.c.kind == "segment")
    )
    said = [(digest, json.loads(parameters)) for digest, parameters in found]
    return sorted(said, key=lambda each: each[1]["shot"])


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return several(Studio(tmp_path / "one", f"sqlite:///{tmp_path / 'one.db'}"))


def test_shots_that_are_alike_are_made_in_one_run_and_its_price_is_split_over_them(
    studio: Studio,
) -> None:
    report = studio.make(studio.brief(BRIEF))

    assert report["status"] == "delivered"
    assert runs(studio) == [f"3 {step}" for step in range(1, 7)]
    said = [parameters["batch"] for _, parameters in segments(studio)]
    assert said == [{"of": 3, "place": place, "shots": [0, 1, 2]} for place in range(3)]
    columns = (lease.c.stage, lease.c.since_us, lease.c.device_us, lease.c.cost_uusd)
    leases = asked(
        studio,
        sa.select(*columns, lease.c.nusd_per_s, lease.c.opened_us)
        .where(lease.c.stage.like("generate:%"))
        .order_by(lease.c.since_us),
    )
    assert {row.stage for row in leases} == {"generate:0", "generate:1", "generate:2"}
    whole = sum(row.device_us for row in leases)
    assert [row.since_us for row in leases] == [
        0,
        leases[0].device_us,
        leases[0].device_us + leases[1].device_us,
    ]
    assert max(row.device_us for row in leases) - min(row.device_us for row in leases) <= 1
    assert sum(row.cost_uusd for row in leases) == price_of(
        DeviceUs(whole), nusd_per_s=leases[0].nusd_per_s
    )
    assert (
        asked(studio, sa.select(resume_point.c.id).where(resume_point.c.ended_us.is_(None))) == []
    )
    studio.check_books()


@pytest.mark.long
def test_a_machine_that_dies_amid_a_run_of_several_goes_on_with_the_same_several(
    tmp_path: Path, studio: Studio
) -> None:
    studio.make(studio.brief(BRIEF))
    whole = [digest for digest, _ in segments(studio)]
    broken = several(Studio(tmp_path / "two", f"sqlite:///{tmp_path / 'two.db'}"), pause_s=0.4)
    first = broken.start("make", broken.brief(BRIEF), "--json", "--out", broken.folder / "out")
    points = sa.select(resume_point.c.id).where(resume_point.c.ended_us.is_(None))
    for _ in range(3000):
        if len(runs(broken)) >= 3 and asked(broken, points):
            break
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    made = runs(broken)

    report = several(broken).make(broken.brief(BRIEF))

    assert report["status"] == "delivered"
    again = [int(line.split()[1]) for line in runs(broken)[len(made) :]]
    assert again == list(range(again[0], 7))
    assert again[0] >= len(made)
    assert [digest for digest, _ in segments(broken)] == whole
    broken.check_books()


@pytest.mark.long
@pytest.mark.parametrize(
    ("prompt", "failure", "status", "code"),
    [("A Bad one", "BriefInvalid", "failed", 2), ("A Deadly one", "JobParked", "parked", 1)],
)
def test_one_that_cannot_be_made_fails_alone_and_the_others_are_kept(
    tmp_path: Path, prompt: str, failure: str, status: str, code: int
) -> None:
    studio = several(Studio(tmp_path / "one", f"sqlite:///{tmp_path / 'one.db'}"))

    report = studio.make(studio.brief(BRIEF.replace("A red door", prompt)), expect=code)

    assert report["status"] == status
    assert report["failure"]["error"] == failure
    assert [said["shot"] for _, said in segments(studio)] == [0, 2]
    studio.check_books()
    before = len(runs(studio))
    assert studio.make(studio.brief(BRIEF))["status"] == "delivered"
    assert runs(studio)[before:] == [f"1 {step}" for step in range(1, 7)]
    studio.check_books()


@pytest.mark.long
def test_two_jobs_at_once_do_not_share_and_one_is_cancelled_without_the_other(
    tmp_path: Path,
) -> None:
    studio = several(Studio(tmp_path / "one", f"sqlite:///{tmp_path / 'one.db'}"), pause_s=0.3)
    first = studio.start("make", studio.brief(BRIEF), "--json", "--out", studio.folder / "out")
    other = studio.brief(BRIEF.replace("red", "blue"), name="other.yaml")
    second = studio.start("make", other, "--json", "--out", studio.folder / "out-other")
    for _ in range(3000):
        if len(runs(studio)) >= 4:
            break
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    first.communicate()
    out, _ = second.communicate()

    assert json.loads(out)["status"] == "delivered"
    statuses = {row.status for row in asked(studio, sa.select(job_table.c.status))}
    assert statuses == {"cancelled", "delivered"}
    studio.check_books()

"""A model that fails costs its own job and nobody else's: it is told what of, and the books balance."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from strangers import install
from studio_runs import Studio

from cinefab.economics.tables import heard_bill
from cinefab.schedule.tables import breaker
from cinefab.store.database import Database
from cinefab.store.schema import outbox

SUPPORT = Path(__file__).parents[1] / "support"
BROKEN = (SUPPORT / "broken.py").read_text()
SIDE_BY_SIDE = SUPPORT / "side_by_side.py"
BRIEF = """\
title: Made by {model}
model: {model}
shots: [{{seconds: 0.5, prompt: A grey wall, transition: cut}}]
output: {{size: 160x96, fps: 12}}
quality: preview
refine: {{attempts: 0}}
seed: {seed}
"""
LENIENT = "[review_thresholds]\nblocks_preview_max = 90000\nblocks_preview_jump_max = 90000\n"
QUICK = {"pause_s": 0.05, "pause_max_s": 0.2, "silence_s": 5}


def with_models(studio: Studio, models: dict[str, dict[str, Any]], **containment: Any) -> Studio:
    install(studio, module="broken", source=BROKEN, points={"models": {"broken": "broken:Broken"}})
    (studio.folder / "home").mkdir(exist_ok=True)
    log = str(studio.folder / "asked.log")
    lines = []
    for name, settings in models.items():
        table = {"backend": "broken", "log": log, **settings}
        lines += [f"[models.{name}]", *(f"{k} = {json.dumps(v)}" for k, v in table.items())]
    fallbacks = containment.pop("fallbacks", {})
    memory = containment.pop("memory_mb", {})
    lines += [
        "[containment]",
        *(f"{k} = {json.dumps(v)}" for k, v in (QUICK | containment).items()),
    ]
    lines += ["[containment.fallbacks]", *(f"{k} = {json.dumps(v)}" for k, v in fallbacks.items())]
    lines += ["[containment.memory_mb]", *(f"{k} = {v}" for k, v in memory.items())]
    (studio.folder / "home" / "cinefab.toml").write_text("\n".join(lines) + "\n" + LENIENT)
    return studio


def a_brief(studio: Studio, model: str, seed: int = 1, more: str = "") -> Path:
    return studio.brief(BRIEF.format(model=model, seed=seed) + more, f"{model}-{seed}.yaml")


def made_at_once(studio: Studio, *briefs: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [
            sys.executable,
            str(SIDE_BY_SIDE),
            studio.db,
            str(studio.folder / "out"),
            *map(str, briefs),
        ],
        env=studio.env | {"CINEFAB_WORKERS": "2"},
        cwd=studio.folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    return reports


def asked(studio: Studio) -> Counter[str]:
    lines = (studio.folder / "asked.log").read_text().splitlines()
    return Counter(line.split()[0] for line in lines)


def failures_beside_good_films(studio: Studio) -> None:
    hows = ["memory", "hang", "crash", "misfit"]
    failing = {how: {"how": how} for how in hows}
    with_models(
        studio,
        failing
        | {
            "good": {},
            "flaky": {"how": "away", "times": 1, "asks_uusd": 5_000},
            "dear": {"how": "misfit", "asks_uusd": 70_000},
            "short": {"frames_max": 2},
            "cheap": {"shade": 60, "asks_uusd": 300},
        },
        memory_mb={"cpu-core": 2000},
        fallbacks={"dear": ["absent", "short", "cheap"]},
    )

    reports = made_at_once(
        studio,
        *(a_brief(studio, how) for how in hows),
        *(a_brief(studio, model) for model in ("flaky", "dear", "good")),
    )

    *failed, flaky, dear, good = reports
    memory, _, crash, _ = failed
    assert good["status"] == "delivered"
    assert [report["failure"]["error"] for report in failed] == [
        "OutOfMemory",
        "StepHung",
        "JobParked",
        "ContractMismatch",
    ]
    assert [report["status"] for report in failed] == ["failed", "failed", "parked", "failed"]
    assert "SIGSEGV" in crash["failure"]["found"]
    assert len(crash["failure"]["killed_by"]) == 3
    assert "smaller size" in memory["failure"]["remedy"]
    # What may pass is tried again, and only that.
    tries = {"memory": 2, "hang": 2, "crash": 3, "misfit": 1}
    assert asked(studio) == tries | {"good": 1, "flaky": 2, "dear": 1, "cheap": 1}
    for report, how in zip(failed, hows, strict=True):
        again = ["again"] * (tries[how] - 1)
        assert [each["follows"] for each in report["failures"]] == [*again, "given_up"]
        assert all(each["device_us"] > 0 for each in report["failures"])
        takes = [each for each in report["leases"] if each["stage"].startswith("generate")]
        assert len(takes) == tries[how]
        assert not any(each["charged"] for each in takes)
        assert {*takes[0]["by_class"]} == {"preempt_waste"}
    # Billed before it failed: paid once, by us, and the run that came out well pays nothing again.
    assert flaky["status"] == "delivered"
    assert [(each["amount_uusd"], each["time_class"]) for each in flaky["bills"]] == [
        (5_000, "preempt_waste")
    ]
    assert flaky["cost_uusd"] < 5_000
    assert_made_instead(studio, dear)
    books = studio.check_books()
    assert books["supplier_uusd"] == 5_000 + 70_000 + 300
    db = Database(studio.db)
    with db.read() as connection:
        # Written as they were heard, and taken up by whoever closed their leases.
        assert connection.execute(sa.select(heard_bill)).all() == []
        if db.is_sqlite:
            counted = "SELECT seq FROM sqlite_sequence WHERE name = 'heard_bill'"
            assert connection.exec_driver_sql(counted).scalar() == 4
    db.close()


def assert_made_instead(studio: Studio, dear: dict[str, Any]) -> None:
    assert dear["status"] == "delivered"
    (replaced,) = dear["fallbacks"]
    assert (replaced["from"], replaced["to"]) == ("dear@1", "cheap@1")
    assert replaced["because"]["error"] == "ContractMismatch"
    absent, short = replaced["skipped"]
    assert absent == {"model": "absent", "why": "it is not installed here"}
    assert (short["model"], "frames" in short["why"]) == ("short", True)
    assert {each["model"] for each in dear["segments"]} == {"cheap@1"}
    made = next(each for each in dear["lineage"] if each["kind"] == "segment")
    assert made["made_by"] == "cheap@1"
    assert [(each["amount_uusd"], each["time_class"]) for each in dear["bills"]] == [
        (70_000, "preempt_waste"),
        (300, "good"),
    ]
    assert 300 <= dear["cost_uusd"] < 70_000
    # What it was made by is found for reuse, as what it is: the film of that model has these pieces.
    again = studio.make(a_brief(studio, "cheap"))
    assert [each["key"] for each in again["segments"]] == [each["key"] for each in dear["segments"]]
    assert {each["made_by"] for each in again["segments"]} == {"reuse"}


def test_memory_that_runs_out_a_hang_a_crash_and_a_misfit_fail_their_own_films_alone(
    tmp_path: Path,
) -> None:
    failures_beside_good_films(Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}"))


@pytest.mark.long
def test_the_same_failures_on_either_database(database_url: str, tmp_path: Path) -> None:
    failures_beside_good_films(Studio(tmp_path, database_url))


@pytest.mark.long
def test_a_model_that_fails_for_several_films_rests_for_every_worker_until_one_run_comes_out_well(
    database_url: str, tmp_path: Path
) -> None:
    studio = Studio(tmp_path, database_url)
    models = {"away": {"how": "away", "times": 2}}
    with_models(studio, models, attempts=1, open_after=2, rest_s=3600, when_open="fail")

    # Each command is a worker of its own: what they agree on is in the database.
    first = studio.make(a_brief(studio, "away", 1), expect=1)
    after_one = json.loads(studio.run("models", "ls", "--json").stdout)
    second = studio.make(a_brief(studio, "away", 2), expect=1)
    after_two = json.loads(studio.run("models", "ls", "--json").stdout)
    third = studio.make(a_brief(studio, "away", 3), expect=1)
    db = Database(database_url)
    with db.write() as connection:
        connection.execute(breaker.update().values(until_us=1))  # the hour is over
    fourth = studio.make(a_brief(studio, "away", 4))
    at_last = json.loads(studio.run("models", "ls", "--json").stdout)

    def standing(rows: list[dict[str, Any]]) -> str | None:
        found = next(row for row in rows if row["model"] == "away@1")
        return None if "breaker" not in found else str(found["breaker"]["state"])

    assert [report["failure"]["error"] for report in (first, second)] == ["Unavailable"] * 2
    assert (standing(after_one), standing(after_two), standing(at_last)) == (None, "open", None)
    assert third["failure"]["error"] == "CircuitOpen"
    assert "does not answer" in third["failure"]["found"]
    assert [each["device_us"] for each in third["failures"]] == [None]
    assert fourth["status"] == "delivered"
    assert asked(studio) == {"away": 3}
    with db.read() as connection:
        told = connection.execute(
            sa.select(outbox.c.kind).where(outbox.c.subject == "away").order_by(outbox.c.id)
        ).scalars()
        assert list(told) == ["model.open", "model.half_open", "model.closed"]
    db.close()
    studio.check_books()


@pytest.mark.long
def test_a_film_that_ends_its_workers_is_parked_listed_and_made_once_a_person_lets_it(
    database_url: str, tmp_path: Path
) -> None:
    studio = Studio(tmp_path, database_url)
    with_models(studio, {"bad": {"how": "worker"}}, park_after_workers=2)
    brief = a_brief(studio, "bad")

    killed = [studio.run("make", brief, "--json").returncode for _ in range(2)]
    parked = studio.make(brief, expect=1)
    listed = json.loads(studio.run("jobs", "ls", "--status", "parked", "--json").stdout)
    books = studio.check_books()
    with_models(studio, {"bad": {}})
    done = studio.run("jobs", "retry", parked["job"], "--json", "--out", studio.folder / "out")
    made = json.loads(done.stdout)

    assert killed == [-9, -9]
    assert parked["status"] == "parked"
    assert [each["stage"] for each in parked["failure"]["killed_by"]] == ["generate:0"] * 2
    assert [each["follows"] for each in parked["failures"]] == ["again", "parked"]
    assert [each["job"] for each in listed] == [parked["job"]]
    assert asked(studio)["bad"] == 3  # it was not begun again to be parked
    assert books["findings"] == []
    assert parked["voided_uusd"] == parked["reserved_uusd"] - parked["cost_uusd"]
    assert made["status"] == "delivered"
    assert made["job"] != parked["job"]
    studio.check_books()

"""A model that fails costs its own job and nobody else's: it is told what of, and the books balance."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from strangers import install
from studio_runs import Studio

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


def four_failures_beside_a_good_film(studio: Studio) -> None:
    hows = ["memory", "hang", "crash", "misfit"]
    with_models(
        studio, {how: {"how": how} for how in hows} | {"good": {}}, memory_mb={"cpu-core": 2000}
    )

    reports = made_at_once(
        studio,
        *(a_brief(studio, how) for how in hows),
        *(a_brief(studio, "good", s) for s in (1, 2)),
    )

    memory, hang, crash, misfit, *good = reports
    assert [report["status"] for report in good] == ["delivered", "delivered"]
    assert [report["status"] for report in (memory, hang, misfit)] == ["failed"] * 3
    assert [report["failure"]["error"] for report in (memory, hang, crash, misfit)] == [
        "OutOfMemory",
        "StepHung",
        "JobParked",
        "ContractMismatch",
    ]
    assert crash["status"] == "parked"
    assert "SIGSEGV" in crash["failure"]["found"]
    assert "smaller size" in memory["failure"]["remedy"]
    # What may pass is tried again, and only that.
    assert asked(studio) == {"memory": 2, "hang": 2, "crash": 3, "misfit": 1, "good": 2}
    for report in (memory, hang, crash, misfit):
        tries = asked(studio)[report["title"].removeprefix("Made by ")]
        assert [each["follows"] for each in report["failures"]][:-1] == ["again"] * (tries - 1)
        assert all(each["device_us"] > 0 for each in report["failures"])
        assert report["cost_uusd"] == sum(
            each["cost_uusd"] for each in report["leases"] if each["charged"]
        )
        assert not any(each["charged"] for each in report["leases"] if "generate" in each["stage"])
    books = studio.check_books()
    assert books["reserved_uusd"] == 0


def test_memory_that_runs_out_a_hang_a_crash_and_a_misfit_fail_their_own_films_alone(
    tmp_path: Path,
) -> None:
    four_failures_beside_a_good_film(Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}"))


@pytest.mark.long
def test_the_same_failures_on_either_database(database_url: str, tmp_path: Path) -> None:
    four_failures_beside_a_good_film(Studio(tmp_path, database_url))

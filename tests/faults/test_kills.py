"""Kill it anywhere, run it again: one film, one charge a stage, balanced books."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from studio_runs import Studio

KILLS = 20
SEED = 20


def _kill(process: subprocess.Popen[str]) -> None:
    # The whole group, as a machine that goes away would.
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _killed_once_and_made(studio: Studio, brief: Path, *, after_s: float, caption: str) -> bool:
    """Kill a first run `after_s` seconds in, make the film by a second; say if the kill hit."""
    change = f"title={caption}"
    first = studio.start("make", brief, "--json", "--out", studio.folder / "out", "--set", change)
    time.sleep(after_s)
    hit = first.poll() is None
    if hit:
        _kill(first)
    else:
        first.communicate()

    report = studio.make(brief, "--set", change)

    assert report["status"] == "delivered"
    assert report["content_credentials"]["state"] == "trusted"
    names = Counter(stage["name"] for stage in report["stages"])
    assert set(names.values()) == {1}, f"a stage ran twice: {names}"
    charged = [stage["cost_uusd"] for stage in report["stages"]]
    assert report["cost_uusd"] == sum(charged)
    studio.check_books()
    return hit


@pytest.mark.timeout(900)
def test_twenty_kills_leave_one_film_one_charge_a_stage_and_balanced_books(
    database_url: str, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    studio = Studio(tmp_path, database_url)
    brief = studio.brief()
    began = time.monotonic()
    studio.make(brief, "--set", "seed=999")
    whole_s = time.monotonic() - began
    # A film of its own each time, or everything would be reused and nothing would be at risk.
    hits = [
        _killed_once_and_made(
            studio,
            _brief_of_its_own(studio, number),
            after_s=chance.uniform(0.15, 0.95) * whole_s,
            caption=f"Kill {number}",
        )
        for number in range(KILLS)
    ]

    assert sum(hits) >= KILLS * 3 // 4, f"only {sum(hits)} kills came before the end"


def _brief_of_its_own(studio: Studio, number: int) -> Path:
    text = studio.brief().read_text().replace("seed: 3", f"seed: {100 + number}")
    return studio.brief(text, name=f"brief-{number}.yaml")

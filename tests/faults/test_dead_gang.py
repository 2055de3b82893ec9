"""A worker that dies with a gang of cards in hand: whoever takes its job over has all of them again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from strangers import install
from studio_runs import Studio

from cinefab.schedule.tables import device_hold
from cinefab.store.database import Database

SLOW = (Path(__file__).parents[1] / "support" / "slow_to_load.py").read_text()
SETTINGS = """\
[models.gang]
backend = "slow-to-load"
device_class = "cuda"
count = 2
pause_s = {pause_s}

[devices.card]
class = "cuda"
memory_gb = 8
count = 2
"""
BRIEF = """\
title: Together
model: gang
shots: [{seconds: 1, prompt: A grey wall, transition: cut}]
output: {size: 320x180, fps: 12}
quality: preview
refine: {attempts: 0}
"""


@pytest.mark.long
def test_a_gang_outlives_the_worker_that_held_it(tmp_path: Path, database_url: str) -> None:
    studio = Studio(tmp_path, database_url)
    points = {"models": {"slow-to-load": "slow_to_load:SlowToLoad"}}
    install(studio, module="slow_to_load", source=SLOW, points=points)
    settings = tmp_path / "home" / "cinefab.toml"
    settings.parent.mkdir()
    settings.write_text(SETTINGS.format(pause_s=120))
    brief = studio.brief(BRIEF)
    killed = studio.start("make", brief, "--json")
    until_held(studio)
    time.sleep(1)  # its take is under way

    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    settings.write_text(SETTINGS.format(pause_s=0))
    report = studio.make(brief)

    assert report["status"] == "delivered"
    leases = [each for each in report["leases"] if each["stage"] == "generate:0"]
    assert [each["charged"] for each in leases] == [False, True]
    assert holds(studio) == []
    studio.check_books()


def until_held(studio: Studio) -> None:
    end = time.monotonic() + 120
    while not any(placed for placed in holds(studio)):
        assert time.monotonic() < end, "nobody took the cards"
        time.sleep(0.1)


def holds(studio: Studio) -> list[str | None]:
    """Return where each wish was placed."""
    db = Database(studio.db)
    try:
        with db.read() as connection:
            return list(connection.execute(sa.select(device_hold.c.placed)).scalars())
    except Exception as error:
        if "device_hold" not in str(error):
            raise
        return []  # the tables are still being made
    finally:
        db.close()

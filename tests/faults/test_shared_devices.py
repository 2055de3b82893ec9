"""Workers in processes of their own share a machine's cards: all of a gang or none, and none for ever."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gang_process import a_gang, shared

from cinefab.core.ids import WorkerId
from cinefab.schedule.holds import release_devices_of
from cinefab.store.database import Database
from cinefab.store.migrate import migrate

WORKER = Path(__file__).parents[1] / "support" / "gang_process.py"


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    migrate(db)
    yield db
    db.close()


def start(db: Database, worker: str, file: Path, rounds: int) -> subprocess.Popen[bytes]:
    line = [sys.executable, str(WORKER), db.url, worker, str(file), str(rounds)]
    return subprocess.Popen(line)


def until_written(file: Path) -> None:
    end = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < end, "the worker never had its devices"
        time.sleep(0.02)


@pytest.mark.both_databases
def test_gangs_that_overlap_never_share_a_card_and_all_of_them_end(
    db: Database, tmp_path: Path
) -> None:
    file = tmp_path / "cards"
    workers = [start(db, f"worker-{number}", file, 12) for number in range(3)]

    ended = [each.wait(240) for each in workers]

    assert ended == [0, 0, 0]
    held: set[str] = set()
    for line in file.read_text().splitlines():
        what, *names = line.split()
        if what == "+":
            assert not held & set(names)
            held |= set(names)
        else:
            held -= set(names)
    assert shared(db, "looks").waiting() == []


@pytest.mark.both_databases
def test_a_dead_workers_gang_is_given_back_whole_and_a_gang_is_not_starved_meanwhile(
    db: Database, tmp_path: Path
) -> None:
    file = tmp_path / "cards"
    dead = start(db, "dead", file, 0)
    until_written(file)
    dead.kill()
    dead.wait()
    devices = shared(db, "alive")

    gang = devices.ask(a_gang(3))
    single = devices.ask(a_gang(1))
    before = (devices.try_take(gang), devices.try_take(single))
    with db.write() as connection:
        release_devices_of(connection, WorkerId("dead"))
    after = (devices.try_take(gang), devices.try_take(single))

    # Two cards were free, and the single that asked later was kept from them.
    assert before == (None, None)
    assert after[0] is not None
    assert after[1] is not None
    assert len({*after[0].devices, *after[1].devices}) == 4

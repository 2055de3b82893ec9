"""Whole workers die in real processes, and the job is finished all the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cinefab.store.database import Database
from cinefab.store.schema import METADATA, worker

_SCRIPT = Path(__file__).parent / "worker_process.py"


class House:
    """Starts workers on one database and reads what they say."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._file = folder / "said"
        self._file.touch()
        self._workers: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, command: str) -> subprocess.Popen[bytes]:
        arguments = [self._url, name, str(self._file), command]
        process = subprocess.Popen([sys.executable, str(_SCRIPT), *arguments])
        self._workers.append(process)
        return process

    def said(self) -> list[str]:
        return self._file.read_text().splitlines()

    def wait_for(self, line: str) -> None:
        for _ in range(1500):
            if line in self.said():
                return
            time.sleep(0.01)
        raise AssertionError(f"{line!r} was not said, but {self.said()}")

    def close(self) -> None:
        for process in self._workers:
            process.kill()
            process.wait()


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    db = Database(database_url)
    with db.write() as connection:
        METADATA.create_all(connection, tables=[worker])
    db.close()
    opened = House(database_url, tmp_path)
    yield opened
    opened.close()


def test_a_job_goes_on_in_another_process_as_soon_as_its_own_was_killed(house: House) -> None:
    house.start("one", "begin")
    house.wait_for("one begin 2")
    house._workers[0].kill()
    house._workers[0].wait()

    house.start("two", "help")
    house.wait_for("two result ['one', 'one', 'two', 'two', 'two']")

    assert [line for line in house.said() if "begin" in line] == [
        *(f"one begin {i}" for i in range(3)),
        *(f"two begin {i}" for i in range(2, 5)),
    ]


def test_a_finder_that_dies_before_it_adopted_costs_time_and_not_the_job(house: House) -> None:
    house.start("one", "begin")
    house.wait_for("one begin 1")
    house._workers[0].kill()
    house._workers[0].wait()
    house.start("two", "help-and-die").wait(20)

    house.start("three", "help")
    house.wait_for("three result ['one', 'three', 'three', 'three', 'three']")

    assert "two found one" in house.said()
    assert {"three found one", "three found two"} <= set(house.said())


def test_a_worker_that_was_stopped_for_too_long_finds_itself_lost(house: House) -> None:
    stopped = house.start("one", "begin")
    house.wait_for("one begin 1")
    stopped.send_signal(signal.SIGSTOP)
    house.start("two", "help")
    house.wait_for("two begin 2")
    stopped.send_signal(signal.SIGCONT)

    code = stopped.wait(10)
    house.wait_for("two result ['one', 'two', 'two', 'two', 'two']")

    assert code == 2
    assert "one lost" in house.said()
    assert "one begin 2" not in house.said()

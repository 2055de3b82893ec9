"""Workers in processes of their own are killed and stopped; others finish what they began."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parent / "durable_worker.py"


class Workers:
    """Starts workers on one database and reads what their steps wrote."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._file = folder / "steps"
        self._file.touch()
        self._started: list[subprocess.Popen[str]] = []

    def start(self, worker: str, *command: str) -> subprocess.Popen[str]:
        arguments = [self._url, worker, str(self._file), *command]
        process = subprocess.Popen(
            [sys.executable, str(_SCRIPT), *arguments], stdout=subprocess.PIPE, text=True
        )
        self._started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        return process

    def lines(self) -> list[str]:
        return self._file.read_text().splitlines()

    def wait_for(self, *lines: str) -> None:
        for _ in range(1000):
            if set(lines) <= set(self.lines()):
                return
            time.sleep(0.01)
        raise AssertionError(f"only {self.lines()} came")

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def workers(database_url: str, tmp_path: Path) -> Iterator[Workers]:
    started = Workers(database_url, tmp_path)
    yield started
    started.close()


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    text = process.stdout.readline().strip()
    assert process.wait(10) == 0
    return text


def test_after_a_kill_in_the_third_of_five_steps_another_worker_runs_only_the_rest(
    workers: Workers,
) -> None:
    killed = workers.start("one", "chain")
    workers.wait_for("one begin 2")
    killed.kill()
    killed.wait()

    result = answer(workers.start("two", "adopt", "one"))

    assert result == str({"argument": "an argument", "by": ["one", "one", "two", "two", "two"]})
    begun = [line for line in workers.lines() if "begin" in line]
    assert begun == [
        "one begin 0",
        "one begin 1",
        "one begin 2",
        "two begin 2",
        "two begin 3",
        "two begin 4",
    ]


def test_after_a_kill_amid_parallel_steps_those_that_finished_are_not_run_again(
    workers: Workers,
) -> None:
    killed = workers.start("one", "fan")
    workers.wait_for("one end 10", "one end 11", "one end 13")
    time.sleep(0.2)  # for the last results to be kept
    killed.kill()
    killed.wait()

    result = answer(workers.start("two", "adopt", "one"))

    one, two = ["one", "one"], ["two", "two"]
    assert result == str([one, one, two, one, two])
    again = {line for line in workers.lines() if line.startswith("two begin")}
    assert again == {"two begin 2", "two begin 4", "two begin 12", "two begin 14"}


def test_a_worker_that_was_stopped_and_goes_on_later_cannot_keep_a_result(
    workers: Workers,
) -> None:
    stopped = workers.start("one", "chain")
    workers.wait_for("one begin 2")
    stopped.send_signal(signal.SIGSTOP)
    heir = workers.start("two", "adopt", "one")
    workers.wait_for("two begin 3")
    stopped.send_signal(signal.SIGCONT)

    result = answer(heir)

    assert result == str({"argument": "an argument", "by": ["one", "one", "two", "two", "two"]})
    assert answer(stopped) == result
    assert not {"one begin 3", "one begin 4"} & set(workers.lines())

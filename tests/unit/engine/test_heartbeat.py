"""Who is alive, who is dead, and that each dead worker is taken over by one living one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from cinefab.core.clock import ManualClock, SystemClock
from cinefab.core.errors import StorageUnavailable
from cinefab.core.ids import WorkerId
from cinefab.engine.heartbeat import Heartbeat, process_runs, this_host
from cinefab.store.database import Database
from cinefab.store.schema import METADATA, worker

Beats = Callable[..., Heartbeat]


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    with database.write() as connection:
        METADATA.create_all(connection, tables=[worker])
    yield database
    database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def beats(db: Database, clock: ManualClock) -> Iterator[Beats]:
    made: list[Heartbeat] = []

    def build(name: str, **options: Any) -> Heartbeat:
        options = {"clock": clock, "on_dead": lambda dead: None, "host": "here", **options}
        beat = Heartbeat(db, WorkerId(name), **options)
        made.append(beat)
        return beat

    yield build
    for each in made:
        each.close()


def register(db: Database, name: str, **values: Any) -> None:
    with db.write() as connection:
        row = {"id": name, "host": "there", "pid": 1, "started_us": 1, "beat_us": 1, **values}
        connection.execute(sa.insert(worker).values(**row))


def row_of(db: Database, name: str) -> Any:
    with db.read() as connection:
        return connection.execute(sa.select(worker).where(worker.c.id == name)).one()


def silently(clock: ManualClock, *living: Heartbeat, seconds: float) -> None:
    """Let time pass in which only `living` beat."""
    for _ in range(round(seconds / 0.5)):
        clock.advance(500_000)
        for each in living:
            each.beat()


def test_a_beat_that_stands_still_is_taken_for_death_after_the_silence_and_not_before(
    db: Database, clock: ManualClock, beats: Beats
) -> None:
    dead: list[WorkerId] = []
    register(db, "me")
    register(db, "other")
    me = beats("me", on_dead=dead.append)

    me.beat()
    silently(clock, me, seconds=2.0)
    before = list(dead)
    silently(clock, me, seconds=0.5)

    assert before == []
    assert dead == ["other"]
    assert row_of(db, "other").ended_us is not None
    assert row_of(db, "other").settled_us is not None


def test_a_worker_that_goes_on_beating_is_left_alone_whatever_its_clock_says(
    db: Database, clock: ManualClock, beats: Beats
) -> None:
    dead: list[WorkerId] = []
    register(db, "me")
    register(db, "other")
    me = beats("me", on_dead=dead.append)
    far_behind = beats("other", clock=ManualClock(1_000_000))

    for _ in range(20):
        silently(clock, me, far_behind, seconds=0.5)
        far_behind._clock.advance(500_000)  # type: ignore[attr-defined]  # its own clock

    assert dead == []


def test_a_process_that_is_gone_from_this_machine_is_found_at_once(
    db: Database, beats: Beats
) -> None:
    dead: list[WorkerId] = []
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    register(db, "me")
    register(db, "gone", host="here", pid=gone.pid)
    register(db, "elsewhere", host="there", pid=gone.pid)

    beats("me", on_dead=dead.append).beat()

    assert dead == ["gone"]


class Gate:
    """The real database, in which nobody acts on what was read until everybody has read."""

    def __init__(self, db: Database, parties: int) -> None:
        self._db = db
        self._barrier = threading.Barrier(parties, timeout=20)

    def write(self) -> Any:
        return self._db.write()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        with self._db.read() as connection:
            yield connection
        self._barrier.wait()


def test_of_three_that_find_one_dead_worker_exactly_one_takes_it_over(
    db: Database, clock: ManualClock
) -> None:
    taken: list[WorkerId] = []

    def take_over(dead: WorkerId) -> None:
        taken.append(dead)
        time.sleep(0.2)  # the others try meanwhile, before the row is settled

    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    register(db, "dead", host="here", pid=gone.pid)
    gate = Gate(db, 3)
    finders = []
    for name in "abc":
        register(db, name)
        finders.append(Heartbeat(gate, WorkerId(name), clock=clock, on_dead=take_over, host="here"))

    threads = [threading.Thread(target=finder.beat) for finder in finders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert taken == ["dead"]


def test_a_takeover_that_failed_or_was_cut_short_is_done_again(
    db: Database, clock: ManualClock, beats: Beats
) -> None:
    tried: list[WorkerId] = []

    def fail_once(dead: WorkerId) -> None:
        tried.append(dead)
        if len(tried) == 1:
            raise OSError("out of luck")

    register(db, "me")
    register(db, "other")
    me = beats("me", on_dead=fail_once)
    me.beat()
    silently(clock, me, seconds=2.5)
    settled_at_first = row_of(db, "other").settled_us

    silently(clock, me, seconds=3.0)

    assert settled_at_first is None
    assert tried == ["other", "other"]
    assert row_of(db, "other").settled_us is not None


def test_a_new_process_takes_over_what_an_ended_one_left_at_once(
    db: Database, beats: Beats
) -> None:
    dead: list[WorkerId] = []
    register(db, "ended", ended_us=5)
    register(db, "settled", ended_us=5, settled_us=6)
    register(db, "me")

    beats("me", on_dead=dead.append).beat()

    assert dead == ["ended"]


def test_a_worker_that_was_taken_for_dead_is_told_and_beats_no_more(
    db: Database, clock: ManualClock, beats: Beats
) -> None:
    told: list[str] = []
    register(db, "me")
    register(db, "other")
    me, other = beats("me"), beats("other", on_lost=lambda: told.append("lost"))
    me.beat()
    silently(clock, me, seconds=2.5)
    ended_us = row_of(db, "other").ended_us

    other.beat()

    assert other.lost.is_set()
    assert told == ["lost"]
    assert row_of(db, "other").ended_us == ended_us
    assert not me.lost.is_set()


def test_after_the_database_was_away_nobody_takes_the_others_for_dead(
    db: Database, clock: ManualClock, beats: Beats
) -> None:
    dead: list[WorkerId] = []
    register(db, "me")
    register(db, "other")
    me, other = beats("me", on_dead=dead.append), beats("other", on_dead=dead.append)
    silently(clock, other, me, seconds=1)

    clock.advance(60_000_000)
    me.beat()
    other.beat()
    silently(clock, other, me, seconds=5)

    assert dead == []


def test_a_database_that_is_away_for_a_moment_does_not_end_the_beat(
    db: Database, database_url: str
) -> None:
    class Away:
        """The real database, away for the first few beats."""

        def __init__(self) -> None:
            self.failures_left = 0

        def write(self) -> Any:
            if self.failures_left:
                self.failures_left -= 1
                raise StorageUnavailable(attempted="beat", found="nothing", remedy="Wait.")
            return db.write()

        def read(self) -> Any:
            return db.read()

    away = Away()
    beat = Heartbeat(
        away, WorkerId("me"), clock=SystemClock(), on_dead=lambda dead: None, beat_s=0.02
    )
    beat.start()
    away.failures_left = 3
    before = row_of(db, "me").beat_us
    for _ in range(200):
        if away.failures_left == 0 and row_of(db, "me").beat_us > before:
            break
        time.sleep(0.01)
    after = row_of(db, "me")
    beat.close()

    assert after.beat_us > before
    assert row_of(db, "me").ended_us is not None
    assert (after.host, after.pid) == (this_host(), os.getpid())


def test_a_process_that_is_dead_but_not_reaped_does_not_run() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        ran = process_runs(child.pid)
        child.kill()
        for _ in range(200):
            if not process_runs(child.pid):
                break
            time.sleep(0.01)
        unreaped = process_runs(child.pid)

    assert ran
    assert not unreaped
    assert not process_runs(child.pid)

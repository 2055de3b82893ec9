"""What follows a failed run, and how a breaker moves: plain functions of plain values."""

from __future__ import annotations

import dataclasses

import pytest

from cinefab.schedule.breakers import (
    Breaker,
    State,
    after_failure,
    after_no_answer,
    after_success,
    asked,
)
from cinefab.schedule.containment import (
    Containment,
    Ended,
    FailedRun,
    Next,
    is_poison,
    resumes_us,
    what_follows,
)

POLICY = Containment(pause_s=1, pause_max_s=8, attempts=4, rest_s=10, rest_max_s=30, within_s=60)
S = 1_000_000


def failed(kind: str = "Unavailable", **fields: object) -> FailedRun:
    usual = FailedRun(
        stage="generate:0",
        model="dear@1",
        kind=kind,
        error={},
        ended=None,
        follows=Next.AGAIN,
        lease=None,
        at_us=0,
    )
    return dataclasses.replace(usual, **fields)  # type: ignore[arg-type]  # a test names a few


def follows(kind: str, *before: FailedRun, ended: Ended | None = None) -> Next:
    return what_follows(kind, stage="generate:0", ended=ended, before=before, policy=POLICY)


@pytest.mark.parametrize(
    ("kind", "tries"),
    [
        ("Unavailable", 4),
        ("OutOfMemory", 2),
        ("StepHung", 2),
        ("ContractMismatch", 1),
        ("Fault", 1),
    ],
)
def test_what_may_pass_is_tried_so_often_and_nothing_for_ever(kind: str, tries: int) -> None:
    before: list[FailedRun] = []
    while follows(kind, *before) is Next.AGAIN:
        before.append(failed(kind))

    assert len(before) + 1 == tries


def test_failures_of_another_shot_are_no_tries_of_this_one() -> None:
    others = [failed(stage="generate:1")] * 9

    assert follows("Unavailable", *others) is Next.AGAIN


def test_a_job_that_ends_its_processes_is_poison_wherever_in_it_they_ended() -> None:
    before = [failed("NativeCrash", ended=Ended.PROCESS, stage=f"generate:{i}") for i in range(2)]

    assert follows("NativeCrash", *before, ended=Ended.PROCESS) is Next.GIVEN_UP
    assert is_poison([*before, failed("NativeCrash", ended=Ended.PROCESS)], POLICY)
    assert not is_poison(before, POLICY)


def test_dead_workers_count_apart_and_park_the_job() -> None:
    dead = [failed("WorkerLost", ended=Ended.WORKER)] * 4

    assert follows("WorkerLost", *dead[:3], ended=Ended.WORKER) is Next.AGAIN
    assert follows("WorkerLost", *dead, ended=Ended.WORKER) is Next.PARKED
    assert follows("Unavailable", *dead) is Next.AGAIN


def test_pauses_double_are_bounded_and_differ_by_job_but_not_by_worker() -> None:
    def pause(job: str, times: int) -> float:
        runs = [failed(at_us=100 * S)] * times
        found = resumes_us(runs, job=job, stage="generate:0", policy=POLICY)
        return (found - 100 * S) / S if found else 0

    assert pause("job_a", 0) == 0
    for times, longest in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        assert longest / 2 <= pause("job_a", times) <= longest
    assert pause("job_a", 3) == pause("job_a", 3)
    assert len({pause(f"job_{i}", 3) for i in range(20)}) == 20


def test_one_bad_job_opens_nothing_and_several_do() -> None:
    one = Breaker(model="dear")
    for at in range(20):
        one = after_failure(one, job="job_bad", why="x", now_us=at * S, policy=POLICY)
    many = Breaker(model="dear")
    for at in range(3):
        many = after_failure(many, job=f"job_{at}", why="x", now_us=at * S, policy=POLICY)

    assert one.state is State.CLOSED
    assert many.state is State.OPEN
    assert many.until_us == 12 * S


def test_failures_that_lie_far_apart_or_before_a_success_open_nothing() -> None:
    apart = Breaker(model="dear")
    for at in range(9):
        apart = after_failure(apart, job=f"job_{at}", why="x", now_us=at * 40 * S, policy=POLICY)
    well = Breaker(model="dear")
    for at in range(9):
        well = after_failure(well, job=f"job_{at}", why="x", now_us=at * S, policy=POLICY)
        well = after_success(well) if at % 2 else well

    assert apart.state is State.CLOSED
    assert well.state is State.CLOSED


def opened() -> Breaker:
    return Breaker(model="dear", state=State.OPEN, until_us=10 * S, rests=1)


def test_a_model_that_rests_is_tried_by_one_run_which_decides() -> None:
    assert asked(opened(), now_us=9 * S)[0] is False
    may, trying = asked(opened(), now_us=10 * S)
    others = asked(trying, now_us=11 * S)
    failing = after_failure(trying, job="job_x", why="x", now_us=20 * S, policy=POLICY)

    assert may
    assert trying.state is State.HALF_OPEN
    assert others[0] is False
    assert after_success(trying) == Breaker(model="dear")
    assert (failing.state, failing.until_us) == (State.OPEN, 40 * S)
    again = after_failure(
        asked(failing, now_us=40 * S)[1], job="j", why="x", now_us=40 * S, policy=POLICY
    )
    assert again.until_us == 70 * S  # 40 would be doubled beyond the longest rest


def test_a_trial_that_says_nothing_lets_the_next_one_try_at_once() -> None:
    _, trying = asked(opened(), now_us=10 * S)

    left = after_no_answer(trying, now_us=11 * S)

    assert asked(left, now_us=11 * S)[0]
    assert after_no_answer(Breaker(model="dear"), now_us=0).is_untroubled


def test_a_trial_whose_worker_died_does_not_block_the_model() -> None:
    _, trying = asked(opened(), now_us=10 * S)

    assert asked(trying, now_us=trying.until_us)[0]


def test_a_run_that_began_before_the_model_rested_says_nothing_new() -> None:
    assert after_failure(opened(), job="job_late", why="y", now_us=9 * S, policy=POLICY) == opened()

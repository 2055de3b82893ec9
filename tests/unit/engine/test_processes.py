"""The pool of processes: what a task gets, what a dead one costs, and what is left behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cinefab.core.errors import (
    NativeCrash,
    OutOfMemory,
    ReferenceRefused,
    StepHung,
    Unavailable,
    WorkerLost,
)
from cinefab.engine.compute import Compute
from cinefab.engine.processes import LocalProcesses, choose_ticket
from cinefab.engine.wire import Fault


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LocalProcesses]]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    pools: list[LocalProcesses] = []

    def build(workers: int = 1, **options: Any) -> LocalProcesses:
        made = LocalProcesses(workers, **options)
        made.start()
        pools.append(made)
        return made

    yield build
    for each in pools:
        each.close()


def test_a_task_gets_its_argument_and_its_answer_comes_back_with_its_times(pool: Any) -> None:
    compute: Compute = pool()

    result = asyncio.run(compute.run("pool_tasks:echo", {"ä": [1, 2.5, None, True]}, timeout_s=20))

    assert result.value == {"ä": [1, 2.5, None, True]}
    assert 0 <= result.load_us <= result.worker_us
    assert result.waited_us > 0


def test_many_small_tasks_all_come_back_and_leave_no_file_open(pool: Any) -> None:
    async def many(compute: Compute) -> list[Any]:
        runs = [compute.run("pool_tasks:echo", i, timeout_s=20) for i in range(200)]
        return [result.value for result in await asyncio.gather(*runs)]

    compute = pool(2, queue_max=200)
    asyncio.run(many(compute))
    open_before = open_files()

    values = asyncio.run(many(compute))

    assert values == list(range(200))
    assert open_files() == open_before


def test_progress_arrives_in_order_and_before_the_answer(pool: Any) -> None:
    heard: list[Any] = []

    async def listen() -> int:
        await pool().run("pool_tasks:count_up", 5, on_progress=heard.append, timeout_s=20)
        return len(heard)

    heard_by_then = asyncio.run(listen())

    assert heard == [{"done": i} for i in range(5)]
    assert heard_by_then == 5


def test_an_error_of_ours_comes_back_as_the_same_class_with_its_fields(pool: Any) -> None:
    with pytest.raises(ReferenceRefused) as caught:
        asyncio.run(pool().run("pool_tasks:refuse", None, timeout_s=20))

    assert caught.value.field == "references.cup"
    assert caught.value.remedy == "Use a cup."


def test_any_other_exception_comes_back_as_a_fault_with_its_traceback(pool: Any) -> None:
    with pytest.raises(Fault, match="ZeroDivisionError: division by zero") as caught:
        asyncio.run(pool().run("pool_tasks:stumble", 0, timeout_s=20))

    assert "in stumble" in caught.value.trace


@pytest.mark.parametrize(
    ("task", "argument"),
    [
        ("pool_tasks:not_json", None),
        ("pool_tasks:missing", None),
        ("no_such_module:task", None),
        ("pool_tasks:echo", {1, 2}),
    ],
)
def test_what_cannot_be_called_or_sent_is_a_fault_and_harms_nobody_else(
    pool: Any, task: str, argument: Any
) -> None:
    compute = pool()

    with pytest.raises(Fault):
        asyncio.run(compute.run(task, argument, timeout_s=20))

    assert asyncio.run(compute.run("pool_tasks:echo", "still here", timeout_s=20)).value


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGSEGV"])
def test_a_process_that_dies_fails_its_own_task_only_and_is_replaced(
    pool: Any, signal_name: str
) -> None:
    async def side_by_side(compute: Compute) -> list[Any]:
        return await asyncio.gather(
            compute.run("pool_tasks:die", signal_name, timeout_s=20),
            compute.run("pool_tasks:who", 0.3, timeout_s=20),
            return_exceptions=True,
        )

    compute = pool(2)
    lost, neighbour = asyncio.run(side_by_side(compute))
    after = asyncio.run(side_by_side(compute))

    assert isinstance(lost, WorkerLost)
    assert signal_name in lost.found
    assert "last words" in lost.stderr  # type: ignore[attr-defined]  # only for the log
    assert neighbour.value > 0
    assert isinstance(after[0], WorkerLost)
    assert after[1].value > 0


def test_a_process_that_needs_more_than_its_share_says_so_and_is_replaced_by_a_clean_one(
    pool: Any,
) -> None:
    compute = pool(memory_mb=1024)
    before = asyncio.run(compute.run("pool_tasks:who", 0, timeout_s=20)).value

    with pytest.raises(OutOfMemory, match="MemoryError") as caught:
        asyncio.run(compute.run("pool_tasks:take_too_much", 4 << 30, timeout_s=20))

    assert "smaller size" in caught.value.remedy
    assert asyncio.run(compute.run("pool_tasks:who", 0, timeout_s=20)).value != before


def test_native_code_that_crashes_is_told_from_a_process_that_was_ended(pool: Any) -> None:
    compute = pool()

    with pytest.raises(NativeCrash, match="SIGSEGV"):
        asyncio.run(compute.run("pool_tasks:overwrite_nothing", None, timeout_s=20))
    with pytest.raises(WorkerLost) as ended:
        asyncio.run(compute.run("pool_tasks:die", "SIGKILL", timeout_s=20))

    assert not isinstance(ended.value, NativeCrash)


def test_a_task_that_falls_silent_is_ended_however_long_it_was_given(pool: Any) -> None:
    heard: list[Any] = []
    compute = pool()
    asyncio.run(compute.run("pool_tasks:echo", None, timeout_s=20))

    async def listen() -> None:
        await compute.run(
            "pool_tasks:tell_then_hang",
            12,
            on_progress=heard.append,
            timeout_s=600,
            silence_s=0.4,
        )

    with pytest.raises(StepHung, match=r"told nothing for 0\.4 s"):
        asyncio.run(listen())

    assert len(heard) == 12  # 0.6 s of news is no silence
    assert asyncio.run(compute.run("pool_tasks:echo", "again", timeout_s=20)).value == "again"


def test_a_process_that_leaves_says_with_which_code(pool: Any) -> None:
    with pytest.raises(WorkerLost, match="exited with 3"):
        asyncio.run(pool().run("pool_tasks:leave", 3, timeout_s=20))


@pytest.mark.parametrize("task", ["sleep", "sleep_in_native_code"])
def test_a_task_past_its_time_is_ended_even_in_native_code(pool: Any, task: str) -> None:
    compute = pool()
    asyncio.run(compute.run("pool_tasks:echo", None, timeout_s=20))
    began = time.monotonic()

    with pytest.raises(Unavailable, match=r"not done after 0\.2 s"):
        asyncio.run(compute.run(f"pool_tasks:{task}", 20, timeout_s=0.2))

    assert time.monotonic() - began < 10
    assert asyncio.run(compute.run("pool_tasks:echo", "again", timeout_s=20)).value == "again"


def test_cancelling_the_caller_ends_the_process_at_once_even_in_native_code(pool: Any) -> None:
    compute = pool()

    async def cancel_while_running() -> tuple[int, float]:
        asleep = asyncio.Event()
        before = (await compute.run("pool_tasks:who", 0, timeout_s=20)).value
        running = asyncio.create_task(
            compute.run(
                "pool_tasks:sleep_in_native_code",
                20,
                on_progress=lambda news: asleep.set(),
                timeout_s=30,
            )
        )
        await asleep.wait()
        began = time.monotonic()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.to_thread(wait_until_gone, before)
        return before, time.monotonic() - began

    before, took_s = asyncio.run(cancel_while_running())
    after = asyncio.run(compute.run("pool_tasks:who", 0, timeout_s=20)).value

    assert took_s < 1
    assert after != before


def test_a_task_that_is_cancelled_while_it_waits_is_never_run(pool: Any, tmp_path: Path) -> None:
    compute = pool()

    async def cancel_while_waiting() -> None:
        first = asyncio.create_task(compute.run("pool_tasks:sleep", 0.2, timeout_s=20))
        second = asyncio.create_task(compute.run("pool_tasks:die", "SIGKILL", timeout_s=20))
        await asyncio.sleep(0.01)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await first
        await compute.run("pool_tasks:echo", None, timeout_s=20)

    asyncio.run(cancel_while_waiting())


def test_tasks_of_one_affinity_go_to_one_process_while_others_are_free(pool: Any) -> None:
    compute = pool(2)

    async def take_turns() -> list[tuple[str, int]]:
        await asyncio.gather(
            *(compute.run("pool_tasks:who", 0.3, affinity=key, timeout_s=20) for key in "ab")
        )
        found = []
        for key in "abbaab":
            result = await compute.run("pool_tasks:who", 0, affinity=key, timeout_s=20)
            found.append((key, result.value))
        return found

    found = asyncio.run(take_turns())

    assert len(set(found)) == 2
    assert len({pid for _, pid in found}) == 2


def test_affinity_leaves_no_process_idle(pool: Any) -> None:
    compute = pool(2)

    async def same_key() -> set[int]:
        await asyncio.gather(*(compute.run("pool_tasks:who", 0.3, timeout_s=20) for _ in range(2)))
        runs = [compute.run("pool_tasks:who", 0.3, affinity="same", timeout_s=20) for _ in range(2)]
        return {result.value for result in await asyncio.gather(*runs)}

    assert len(asyncio.run(same_key())) == 2


def test_a_task_is_overtaken_for_affinity_a_few_times_and_no_more() -> None:
    def waiting_for(affinity: str) -> Any:
        return SimpleNamespace(affinity=affinity, overtaken=0)

    first = waiting_for("other")
    queue = [first, *(waiting_for("same") for _ in range(20))]

    taken = [choose_ticket(queue, "same") for _ in range(10)]

    assert taken[0].affinity == "same"
    assert first in taken
    assert len(queue) == 11


def test_a_full_queue_refuses_one_more_and_says_so(pool: Any) -> None:
    compute = pool(1, queue_max=2)

    async def overfill() -> list[Any]:
        runs = [compute.run("pool_tasks:sleep", 0.1, timeout_s=20) for _ in range(5)]
        return await asyncio.gather(*runs, return_exceptions=True)

    results = asyncio.run(overfill())

    refused = [each for each in results if isinstance(each, Unavailable)]
    assert 2 <= len(refused) <= 3
    assert all("2 tasks are waiting" in each.found for each in refused)


def test_closing_ends_everything_at_once_and_leaves_no_zombie(pool: Any) -> None:
    compute = pool(2)

    async def close_meanwhile() -> tuple[list[int], list[Any], float]:
        pids = {
            result.value
            for result in await asyncio.gather(
                *(compute.run("pool_tasks:who", 0.2, timeout_s=20) for _ in range(2))
            )
        }
        runs = [
            asyncio.create_task(compute.run("pool_tasks:sleep", 20, timeout_s=30)) for _ in range(4)
        ]
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await asyncio.to_thread(compute.close)
        took_s = time.monotonic() - began
        return list(pids), await asyncio.gather(*runs, return_exceptions=True), took_s

    pids, results, took_s = asyncio.run(close_meanwhile())

    assert took_s < 10
    assert all(isinstance(each, Unavailable) and "closed" in each.found for each in results)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(Unavailable, match="closed"):
        asyncio.run(compute.run("pool_tasks:echo", None, timeout_s=20))


def test_an_idle_process_that_was_killed_is_replaced_before_it_costs_a_task(pool: Any) -> None:
    compute = pool()
    pid = asyncio.run(compute.run("pool_tasks:who", 0, timeout_s=20)).value
    os.kill(pid, 9)

    result = asyncio.run(compute.run("pool_tasks:who", 0, timeout_s=20))

    assert result.value != pid


def test_a_process_that_cannot_start_is_reported_to_whoever_waits(pool: Any) -> None:
    compute = pool(environment={"PATH": "\0"})

    with pytest.raises(Unavailable, match="start a process"):
        asyncio.run(compute.run("pool_tasks:echo", None, timeout_s=20))


def test_processes_die_with_their_parent(tmp_path: Path) -> None:
    script = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from cinefab.engine.processes import LocalProcesses, choose_ticket
pool = LocalProcesses(1); pool.start()
async def go():
    print((await pool.run("pool_tasks:who", 0, timeout_s=20)).value, flush=True)
    await pool.run("pool_tasks:sleep_in_native_code", 30, timeout_s=60)
asyncio.run(go())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.2)
        parent.kill()
        parent.wait()

    for _ in range(100):
        if not _runs(child):
            return
        time.sleep(0.02)
    raise AssertionError("the child outlived its parent")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def wait_until_gone(pid: int) -> None:
    for _ in range(500):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{pid} still runs")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_what_a_task_prints_never_reaches_our_standard_output(pool: Any, capfd: Any) -> None:
    result = asyncio.run(pool().run("pool_tasks:chatter", None, timeout_s=20))

    assert result.value == "said"
    assert capfd.readouterr().out == ""


def test_a_process_keeps_to_one_thread_and_leaves_ctrl_c_to_its_parent(pool: Any) -> None:
    result = asyncio.run(pool(preload=("json",)).run("pool_tasks:limits", None, timeout_s=30))

    assert result.value == {"omp": "1", "threads": 1, "ignores": True}


def test_processes_can_be_started_one_first_and_the_rest_later() -> None:
    pool = LocalProcesses(3)
    try:
        pool.start(1)
        pool.start(1)
        first = sum(seat.thread is not None for seat in pool._seats)

        pool.start()
        pool.start()

        assert first == 1
        assert all(seat.thread is not None for seat in pool._seats)
    finally:
        pool.close()

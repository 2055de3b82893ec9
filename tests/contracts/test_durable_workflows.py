"""What the durable engine promises, on both databases: order, results, errors, cancelling."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from cinefab.core.canonical import Json
from cinefab.core.errors import (
    Cancelled,
    CinefabError,
    ReferenceRefused,
    StorageUnavailable,
    Unavailable,
)
from cinefab.core.ids import WorkerId
from cinefab.engine.durable import Durable, Status, step
from cinefab.engine.system_database import system_url_for
from cinefab.engine.wire import Fault

Launch = Callable[..., Durable]


@pytest.fixture
def launch(database_url: str) -> Iterator[Launch]:
    opened: list[Durable] = []

    def _launch(worker: str = "wrk_1", version: str = "1", **bodies: Any) -> Durable:
        durable = Durable(
            system_url=system_url_for(database_url),
            worker=WorkerId(worker),
            application_version=version,
        )
        for name, body in bodies.items():
            durable.workflow(name, body)
        durable.launch()
        opened.append(durable)
        return durable

    yield _launch
    for durable in opened:
        durable.close()


def returning(value: Json) -> Callable[[], Awaitable[Json]]:
    async def body() -> Json:
        return value

    return body


def test_steps_run_in_the_order_of_the_function_and_the_result_comes_back(launch: Launch) -> None:
    ran: list[str] = []

    async def body(argument: str) -> Json:
        ran.extend([await step(name, returning(name)) for name in "abc"])
        return {"argument": argument, "ran": tuple(ran)}

    durable = launch(film=body)
    durable.start("film", "job-1", "ä job")

    assert durable.result("job-1", timeout_s=10) == {"argument": "ä job", "ran": ("a", "b", "c")}
    assert durable.status("job-1") is Status.DONE
    assert durable.result("job-1", timeout_s=10) == {"argument": "ä job", "ran": ["a", "b", "c"]}


def test_a_known_id_is_not_started_twice(launch: Launch) -> None:
    runs: list[str] = []

    async def body(argument: str) -> Json:
        runs.append(argument)
        return await step("only", returning(argument))

    durable = launch(film=body)
    durable.start("film", "job-1", "first")
    durable.start("film", "job-1", "first")
    first = durable.result("job-1", timeout_s=10)
    durable.start("film", "job-1", "again")

    assert (first, durable.result("job-1", timeout_s=10)) == ("first", "first")
    assert runs == ["first"]


def test_a_step_returns_at_once_what_it_would_return_after_a_crash(launch: Launch) -> None:
    async def body(argument: str) -> Json:
        returned = await step("pair", returning({"pair": (1, 2)}))
        return str(returned)

    durable = launch(film=body)
    durable.start("film", "job-1", "")

    assert durable.result("job-1", timeout_s=10) == "{'pair': [1, 2]}"


def test_steps_run_side_by_side(launch: Launch) -> None:
    async def body(argument: str) -> Json:
        met = asyncio.Barrier(3)

        async def meet() -> Json:
            await met.wait()
            return True

        return await asyncio.gather(*(step(f"meet-{i}", meet) for i in range(3)))

    durable = launch(film=body)
    durable.start("film", "job-1", "")

    assert durable.result("job-1", timeout_s=10) == [True, True, True]


def test_an_error_of_ours_comes_back_as_the_same_class_with_its_fields(launch: Launch) -> None:
    async def refuse() -> Json:
        raise ReferenceRefused(field="references.cup", found="it is a cat", remedy="Use a cup.")

    async def body(argument: str) -> Json:
        return await step("refuse", refuse)

    durable = launch(film=body)
    durable.start("film", "job-1", "")
    with pytest.raises(ReferenceRefused) as live:
        durable.result("job-1", timeout_s=10)
    with pytest.raises(ReferenceRefused) as kept:
        durable.result("job-1", timeout_s=10)

    assert durable.status("job-1") is Status.FAILED
    assert live.value.as_dict() == kept.value.as_dict()
    assert kept.value.field == "references.cup"
    assert str(kept.value) == str(live.value)


def test_any_other_exception_is_a_fault_with_its_traceback(launch: Launch) -> None:
    async def stumble() -> Json:
        return 1 // 0

    async def body(argument: str) -> Json:
        return await step("stumble", stumble)

    durable = launch(film=body)
    durable.start("film", "job-1", "")

    for _ in range(2):
        with pytest.raises(Fault, match="ZeroDivisionError") as caught:
            durable.result("job-1", timeout_s=10)
        assert "in stumble" in caught.value.trace


def test_a_workflow_may_answer_an_error_of_a_step(launch: Launch) -> None:
    async def refuse() -> Json:
        raise Unavailable(attempted="fetch", found="nothing", remedy="Wait.")

    async def body(argument: str) -> Json:
        try:
            return await step("refuse", refuse)
        except CinefabError as error:
            return await step("failed", returning(error.as_dict()))

    durable = launch(film=body)
    durable.start("film", "job-1", "")

    assert durable.result("job-1", timeout_s=10)["error"] == "Unavailable"


def test_a_step_tries_again_while_something_is_unavailable_and_only_then(launch: Launch) -> None:
    tries: list[str] = []

    async def recover() -> Json:
        tries.append("recover")
        if tries.count("recover") < 3:
            raise Unavailable(attempted="fetch", found="nothing", remedy="Wait.")
        return "there"

    async def refuse() -> Json:
        tries.append("refuse")
        raise ReferenceRefused(field="a", found="b", remedy="c")

    async def body(argument: str) -> Json:
        found = await step("recover", recover, attempts_max=3)
        await step("refuse", refuse, attempts_max=3)
        return found

    durable = launch(film=body)
    durable.start("film", "job-1", "")
    with pytest.raises(ReferenceRefused):
        durable.result("job-1", timeout_s=10)

    assert tries == ["recover", "recover", "recover", "refuse"]


def test_cancelling_ends_the_running_step_within_a_second_and_starts_no_other(
    launch: Launch,
) -> None:
    running, cleaned_up, after = threading.Event(), threading.Event(), threading.Event()

    async def long() -> Json:
        running.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            cleaned_up.set()
        return None

    async def next_one() -> Json:
        after.set()
        return None

    async def body(argument: str) -> Json:
        try:
            await step("long", long)
        except Exception:  # noqa: BLE001 - the point: a cancellation is none
            await step("answer", next_one)
        return await step("next", next_one)

    durable = launch(film=body)
    durable.start("film", "job-1", "")
    assert running.wait(5)
    began = time.monotonic()
    durable.cancel("job-1")

    assert cleaned_up.wait(5)
    with pytest.raises(Cancelled):
        durable.result("job-1", timeout_s=5)
    assert time.monotonic() - began < 10
    assert durable.status("job-1") is Status.CANCELLED
    assert not after.is_set()


def test_cancelling_what_has_ended_or_is_unknown_changes_nothing(launch: Launch) -> None:
    async def body(argument: str) -> Json:
        return "done"

    durable = launch(film=body)
    durable.start("film", "job-1", "")
    durable.result("job-1", timeout_s=10)
    durable.cancel("job-1")
    durable.cancel("job-2")

    assert durable.status("job-1") is Status.DONE
    assert durable.status("job-2") is Status.UNKNOWN


def test_when_a_workflow_ends_its_other_steps_are_cancelled(launch: Launch) -> None:
    running, cancelled = threading.Event(), threading.Event()

    async def long() -> Json:
        running.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return None

    async def refuse() -> Json:
        await asyncio.to_thread(running.wait, 5)
        raise ReferenceRefused(field="a", found="b", remedy="c")

    async def body(argument: str) -> Json:
        return await asyncio.gather(step("long", long), step("refuse", refuse))

    durable = launch(film=body)
    durable.start("film", "job-1", "")
    with pytest.raises(ReferenceRefused):
        durable.result("job-1", timeout_s=10)

    assert cancelled.is_set()


def test_what_was_running_when_the_engine_closed_is_adopted_and_not_failed(launch: Launch) -> None:
    ran: list[str] = []
    blocked = threading.Event()

    async def body(argument: str) -> Json:
        async def first() -> Json:
            ran.append("first")
            return 1

        async def second() -> Json:
            ran.append("second")
            if ran.count("second") == 1:
                blocked.set()
                await asyncio.sleep(60)
            return 2

        return [await step("first", first), await step("second", second)]

    before = launch("wrk_1", film=body)
    before.start("film", "job-1", "")
    assert blocked.wait(5)
    before.close()
    after = launch("wrk_2", film=body)

    assert after.status("job-1") is Status.RUNNING
    assert after.adopt([WorkerId("wrk_1")]) == ["job-1"]
    assert after.result("job-1", timeout_s=10) == [1, 2]
    assert after.adopt([WorkerId("wrk_1")]) == []
    assert ran == ["first", "second", "second"]


def test_steps_that_a_later_release_adds_do_not_disturb_those_that_finished(
    launch: Launch,
) -> None:
    ran: list[str] = []
    blocked = threading.Event()

    def noting(name: str) -> Callable[[], Awaitable[Json]]:
        async def body() -> Json:
            ran.append(name)
            return name

        return body

    async def block() -> Json:
        blocked.set()
        await asyncio.sleep(60)
        return None

    async def old(argument: str) -> Json:
        await step("plan", noting("plan"))
        return await step("make", block)

    async def new(argument: str) -> Json:
        checked = await step("check", noting("check"))
        return [checked, await step("plan", noting("plan")), await step("make", noting("make"))]

    before = launch("wrk_1", film=old)
    before.start("film", "job-1", "")
    assert blocked.wait(5)
    before.close()
    after = launch("wrk_2", film=new)
    after.adopt([WorkerId("wrk_1")])

    assert after.result("job-1", timeout_s=10) == ["check", "plan", "make"]
    assert ran == ["plan", "check", "make"]


def test_workflows_of_another_version_wait_for_a_worker_of_their_own(launch: Launch) -> None:
    blocked = threading.Event()

    async def body(argument: str) -> Json:
        async def block() -> Json:
            blocked.set()
            await asyncio.sleep(60)
            return None

        return await step("block", block)

    before = launch("wrk_1", film=body)
    before.start("film", "job-1", "")
    assert blocked.wait(5)
    before.close()
    after = launch("wrk_2", version="2", film=body)

    assert after.adopt([WorkerId("wrk_1")]) == []
    assert after.status("job-1") is Status.RUNNING


def test_waiting_has_a_limit_and_an_asynchronous_form(launch: Launch) -> None:
    async def body(argument: str) -> Json:
        return await step("wait", lambda: asyncio.sleep(0.5, "done"))

    durable = launch(film=body)
    durable.start("film", "job-1", "")
    with pytest.raises(Unavailable, match=r"not ended after 0\.1 s"):
        durable.result("job-1", timeout_s=0.1)
    with pytest.raises(Unavailable, match=r"not ended after 0\.1 s"):
        asyncio.run(durable.result_async("job-1", timeout_s=0.1))

    assert asyncio.run(durable.result_async("job-1", timeout_s=10)) == "done"


def test_two_steps_of_one_name_are_a_fault(launch: Launch) -> None:
    async def body(argument: str) -> Json:
        await step("same", returning(1))
        return await step("same", returning(2))

    durable = launch(film=body)
    durable.start("film", "job-1", "")

    with pytest.raises(Fault, match="two steps of a workflow are called same"):
        durable.result("job-1", timeout_s=10)


def test_a_process_has_one_engine_at_a_time(launch: Launch) -> None:
    first = launch()
    with pytest.raises(Unavailable, match="another one is open"):
        launch("wrk_2")
    first.close()

    assert launch("wrk_3").status("job-1") is Status.UNKNOWN


def test_the_engine_prints_nothing(launch: Launch, capfd: pytest.CaptureFixture[str]) -> None:
    async def body(argument: str) -> Json:
        raise ReferenceRefused(field="a", found="b", remedy="c")

    durable = launch(film=body)
    durable.start("film", "job-1", "")
    with pytest.raises(ReferenceRefused):
        durable.result("job-1", timeout_s=10)
    durable.close()
    printed = capfd.readouterr()

    assert (printed.out, printed.err) == ("", "")
    assert logging.getLogger("dbos").propagate


def test_a_database_that_is_not_there_is_one_clear_error() -> None:
    durable = Durable(
        system_url="postgresql://cinefab@127.0.0.1:1/none",
        worker=WorkerId("wrk_1"),
        application_version="1",
    )

    with pytest.raises(StorageUnavailable, match="Connection refused"):
        durable.launch()

"""A run that stages share: begun once, borne by all, and wanted as long as one of them waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefab.core.clock import ManualClock
from cinefab.core.errors import Unavailable
from cinefab.core.units import DeviceUs, price_between, price_of
from cinefab.schedule.shared_run import Made, SharedRun, SharedRuns

S = 1_000_000


class Bench:
    """A place, a clock and a run of a few stages."""

    def __init__(self, size: int = 2, *, lasts_s: float = 3.0) -> None:
        self.clock = ManualClock()
        self.begun = 0
        self.has_begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.stopped = False
        self.size = size
        self.lasts_us = round(lasts_s * S)
        self.failure: Exception | None = None

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        yield

    async def make(self) -> Made:
        self.begun += 1
        self.has_begun.set()
        try:
            await self.ended.wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        self.clock.advance(self.lasts_us)
        if self.failure is not None:
            raise self.failure
        return Made(
            of_shots={index: {"made": index} for index in range(self.size)},
            worker_us=self.lasts_us,
            load_us=S,
        )

    def run(self) -> SharedRun:
        return SharedRun(self.make, place=self.place(), clock=self.clock, size=self.size)


async def a_stage(run: SharedRun, index: int) -> object:
    run.enter(index)
    try:
        await run.begun()
        made = await run.made()
        return made.of_shots[index], run.share_of(index)
    finally:
        await run.leave(index)


def test_a_run_is_made_once_and_its_time_is_split_to_the_microsecond() -> None:
    async def scene() -> None:
        bench = Bench(3, lasts_s=10.0)
        run = bench.run()
        stages = [asyncio.create_task(a_stage(run, index)) for index in range(3)]
        await asyncio.sleep(0)
        bench.ended.set()
        answers = await asyncio.gather(*stages)

        shares = [share for _, share in answers]
        assert [value for value, _ in answers] == [{"made": index} for index in range(3)]
        assert bench.begun == 1
        assert [share.device_us for share in shares] == [3_333_334, 3_333_333, 3_333_333]
        assert [share.since_us for share in shares] == [0, 3_333_334, 6_666_667]
        assert sum(share.load_us for share in shares) == S
        assert sum(share.work_us for share in shares) == 9 * S
        assert run.is_served

    asyncio.run(scene())


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=9), st.integers(0, 10**11))
def test_stretches_that_follow_each_other_cost_what_the_whole_does(
    parts: list[int], nusd_per_s: int
) -> None:
    since, costs = 0, []
    for part in parts:
        costs.append(price_between(DeviceUs(since), DeviceUs(part), nusd_per_s=nusd_per_s))
        since += part

    assert sum(costs) == price_of(DeviceUs(since), nusd_per_s=nusd_per_s)
    assert all(cost >= 0 for cost in costs)


def test_one_that_is_cancelled_does_not_end_it_for_the_others() -> None:
    async def scene() -> None:
        bench = Bench(2)
        run = bench.run()
        first, second = (asyncio.create_task(a_stage(run, index)) for index in range(2))
        await bench.has_begun.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        bench.ended.set()

        value, share = await second

        assert value == {"made": 1}
        assert share.device_us == 3 * S
        assert not bench.stopped

    asyncio.run(scene())


def test_when_nobody_is_left_that_wants_it_it_ends() -> None:
    async def scene() -> None:
        bench = Bench(2)
        run = bench.run()
        stages = [asyncio.create_task(a_stage(run, index)) for index in range(2)]
        await bench.has_begun.wait()
        for stage in stages:
            stage.cancel()
        for stage in stages:
            with contextlib.suppress(asyncio.CancelledError):
                await stage

        assert bench.stopped
        assert run.has_failed

    asyncio.run(scene())


def test_what_it_fails_of_reaches_all_and_the_one_open_lease_bears_its_time() -> None:
    async def scene() -> None:
        bench = Bench(2)
        bench.failure = Unavailable(attempted="run", found="nothing", remedy="Wait.")
        run = bench.run()
        stages = [asyncio.create_task(a_stage(run, index)) for index in range(2)]
        bench.ended.set()

        answers = await asyncio.gather(*stages, return_exceptions=True)

        assert answers == [bench.failure] * 2
        lost = {index: run.lost_of(index) for index in range(2) if run.leads(index)}
        assert lost == {0: (0, 3 * S)}

    asyncio.run(scene())


def test_one_that_comes_late_is_given_its_own_and_bears_nothing() -> None:
    async def scene() -> None:
        bench = Bench(2)
        run = bench.run()
        first = asyncio.create_task(a_stage(run, 0))
        bench.ended.set()
        _, whole = await first

        value, share = await a_stage(run, 1)

        assert value == {"made": 1}
        assert (whole.device_us, share.device_us, share.since_us) == (3 * S, 0, 3 * S)
        assert bench.begun == 1

    asyncio.run(_quickly(scene))


def test_a_run_that_failed_is_started_anew_and_one_that_is_served_is_forgotten() -> None:
    async def scene() -> None:
        runs, bench = SharedRuns(), Bench(1)
        bench.failure = Unavailable(attempted="run", found="nothing", remedy="Wait.")
        bench.ended.set()
        failed = runs.join("a", bench.run)
        with pytest.raises(Unavailable):
            await a_stage(failed, 0)
        bench.failure = None

        again = runs.join("a", bench.run)
        await a_stage(again, 0)

        assert again is not failed
        assert runs.join("a", bench.run) is again
        assert runs.forget("a", again)
        assert runs.join("a", bench.run) is not again

    asyncio.run(scene())


async def _quickly(scene: Callable[[], Awaitable[None]]) -> None:
    await asyncio.wait_for(scene(), 30)

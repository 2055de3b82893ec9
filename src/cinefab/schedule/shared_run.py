"""A run of a model that several stages share: begun once, waited for by each, and split over them.

It takes one place on its device. Whoever waits may be cancelled without the others noticing; when
nobody is left that wants it, it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

from cinefab.core.clock import Clock
from cinefab.core.units import DeviceUs, largest_remainder

_GATHER_S: Final = 2.0
"""How long a run waits for the stages of its shots, which begin at once, to come."""

_KEPT_MAX: Final = 32
"""Runs whose results are held for a stage that comes late; then it would make them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a run gave: of each shot, by index, what its process answered or why it failed.

    `worker_us` is the process's time, of which `load_us` went into getting ready.
    """

    of_shots: Mapping[int, Mapping[str, Any] | Exception]
    worker_us: int
    load_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One stage's part of a run: where in it its time begins, how long that is, and what it went into."""

    since_us: DeviceUs
    device_us: DeviceUs
    load_us: int
    work_us: int


class SharedRun:
    """A run that stages share: the first to come starts it, and each is given what is its own."""

    def __init__(
        self,
        make: Callable[[], Awaitable[Made]],
        *,
        place: AbstractAsyncContextManager[None],
        clock: Clock,
        size: int,
    ) -> None:
        self._make = make
        self._place = place
        self._clock = clock
        self._size = size
        self._here: list[int] = []
        self._served: set[int] = set()
        self._full = asyncio.Event()
        self._has_begun = asyncio.Event()
        self._run: asyncio.Task[Made] | None = None
        self._leader: int | None = None
        self._began_us = 0
        self._absorbed_us = 0
        self._took_us = 0
        self._shares: dict[int, Share] = {}
        self.opened_us = 0

    @property
    def is_over(self) -> bool:
        """Whether it has ended, well or not."""
        return self._run is not None and self._run.done()

    @property
    def has_failed(self) -> bool:
        """Whether it gave nothing: whoever needs it starts another."""
        return (
            self.is_over
            and self._run is not None
            and (self._run.cancelled() or self._run.exception() is not None)
        )

    @property
    def is_served(self) -> bool:
        """Whether each of its shots has been given what is its own."""
        return len(self._served) >= self._size and not self._here

    @property
    def lasted_us(self) -> int:
        """How long ago its place was taken."""
        return self._clock.elapsed_us() - self._began_us

    def enter(self, index: int) -> None:
        """Wait with the others for what is made of the shot `index`."""
        self._here.append(index)
        if len(self._here) == self._size:
            self._full.set()
        if self._run is None:
            self._run = asyncio.create_task(self._go())

    async def begun(self) -> None:
        """Wait until the run has its place, or has failed."""
        await self._has_begun.wait()

    def is_given(self, index: int) -> bool:
        """Say whether a stage has had what is its own, or all that the run had to give it."""
        return index in self._served or self.has_failed

    def leads(self, index: int) -> bool:
        """Say whether this stage's lease is open while the run goes on: one is, of those it has."""
        return self._leader == index

    async def made(self) -> Made:
        """Wait for what the run gives; raise what it failed of."""
        assert self._run is not None, "whoever enters starts it"
        return await asyncio.shield(self._run)

    def share_of(self, index: int) -> Share:
        """Return a stage's part of the run; of one that came late there is no time left to bear."""
        none = Share(since_us=DeviceUs(self._took_us), device_us=DeviceUs(0), load_us=0, work_us=0)
        self._served.add(index)
        return self._shares.get(index, none)

    def lost_of(self, index: int) -> tuple[DeviceUs, DeviceUs]:
        """Return where a failed stage's part of the run begins, and how long it is."""
        if self._shares or self._leader != index:
            share = self.share_of(index)
            return share.since_us, share.device_us
        since_us, until_us = self._absorbed_us, self._took_us or self.lasted_us
        self._absorbed_us = until_us
        return DeviceUs(since_us), DeviceUs(until_us - since_us)

    async def leave(self, index: int) -> None:
        """Go; when the last goes before the run is over, nobody wants it any more."""
        self._here.remove(index)
        if self._here or self._run is None or self._run.done():
            return
        self._run.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._run

    async def _go(self) -> Made:
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), _GATHER_S)
            async with self._place:
                self.opened_us = self._clock.now_us()
                self._began_us = self._clock.elapsed_us()
                self._leader = self._here[0]
                self._has_begun.set()
                try:
                    made = await self._make()
                finally:
                    self._took_us = self.lasted_us
        finally:
            self._has_begun.set()
        self._split(made)
        return made

    def _split(self, made: Made) -> None:
        if not self._here:
            return
        # The shots are alike, so each bears as much as the others; what is left over, the first.
        equal = [1] * len(self._here)
        since_us = self._absorbed_us
        parts = zip(
            self._here,
            largest_remainder(self._took_us - since_us, equal),
            largest_remainder(made.load_us, equal),
            largest_remainder(max(0, made.worker_us - made.load_us), equal),
            strict=True,
        )
        for index, device_us, load_us, work_us in parts:
            self._shares[index] = Share(
                since_us=DeviceUs(since_us),
                device_us=DeviceUs(device_us),
                load_us=load_us,
                work_us=work_us,
            )
            since_us += device_us


class SharedRuns:
    """The runs of this worker that stages share, while somebody needs them."""

    def __init__(self) -> None:
        self._known: dict[str, SharedRun] = {}

    def join(self, name: str, start: Callable[[], SharedRun]) -> SharedRun:
        """Return the run of that name, or `start` it."""
        known = self._known.get(name)
        if known is None or known.has_failed:
            known = self._known[name] = start()
        return known

    def forget(self, name: str, run: SharedRun) -> bool:
        """Let go of a run that is over for everybody; say whether each was given what is its own."""
        is_known = self._known.get(name) is run
        is_served = is_known and run.is_served
        if is_known and (is_served or run.has_failed):
            del self._known[name]
        over = [each for each, known in self._known.items() if known.is_over]
        for each in over[: max(0, len(over) - _KEPT_MAX)]:
            del self._known[each]
        return is_served

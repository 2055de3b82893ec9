"""Places on the devices of this worker: what may run at once, first come, first served.

Whoever wants several places of a class has all of them at once or waits with none; nobody who came
later is served before it, so singles never starve it, and two of them never wait for each other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cinefab.core.errors import Unavailable


class Slots:
    """As many places per device class as there are devices; a lease starts when one is taken.

    A class that is not named has `others` places; one with none has no such device here. Waiting
    for a place costs nothing and is in nobody's lease. They are used from one event loop.
    """

    def __init__(self, places: Mapping[str, int], *, others: int = 0) -> None:
        self._others = others
        self._counts = dict(places)
        self._classes: dict[str, _Class] = {}

    def count(self, device_class: str) -> int:
        """Return how many may run on devices of this class at once."""
        return max(0, self._counts.get(device_class, self._others))

    @asynccontextmanager
    async def take(self, device_class: str, places: int = 1) -> AsyncIterator[None]:
        """Wait for places on devices of this class and hold them, all or none.

        Raises `Unavailable` if there are not so many at all.
        """
        here = self.count(device_class)
        if here < places:
            raise Unavailable(
                attempted=f"place work on {places} device(s) of class {device_class!r}",
                found=f"this worker has {self._named() or 'no devices'}",
                remedy="Choose a model that runs on one of these, or start a worker that has it.",
            )
        of_class = self._classes.setdefault(device_class, _Class(free=here))
        await of_class.take(places)
        try:
            yield
        finally:
            of_class.give_back(places)

    def _named(self) -> str:
        return ", ".join(sorted(name for name in self._counts if self.count(name)))


@dataclass(slots=True)
class _Class:
    """The places of one class: how many are free, and who waits for how many, in order."""

    free: int
    waiting: deque[tuple[int, asyncio.Future[None]]] = field(default_factory=deque)

    async def take(self, places: int) -> None:
        if not self.waiting and self.free >= places:
            self.free -= places
            return
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append((places, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # They were given in the very moment in which nobody wanted them any more.
                self.give_back(places)
            else:
                self.waiting.remove((places, turn))
                self._serve()
            raise

    def give_back(self, places: int) -> None:
        self.free += places
        self._serve()

    def _serve(self) -> None:
        while self.waiting and self.free >= self.waiting[0][0]:
            places, turn = self.waiting.popleft()
            self.free -= places
            turn.set_result(None)

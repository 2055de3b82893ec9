"""Places on the devices of this worker: what may run at once, first come, first served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from cinefab.core.errors import Unavailable


class Slots:
    """As many places per device class as there are devices; a lease starts when one is taken.

    A class that is not named has `others` places; one with none has no such device here. Waiting
    for a place costs nothing and is in nobody's lease.
    """

    def __init__(self, places: Mapping[str, int], *, others: int = 0) -> None:
        self._others = others
        self._known = {name: count for name, count in places.items() if count > 0}
        self._none = {name for name, count in places.items() if count <= 0}
        self._places = {name: asyncio.Semaphore(count) for name, count in self._known.items()}

    def count(self, device_class: str) -> int:
        """Return how many may run on devices of this class at once."""
        if device_class in self._none:
            return 0
        return self._known.get(device_class, self._others)

    @asynccontextmanager
    async def take(self, device_class: str) -> AsyncIterator[None]:
        """Wait for a place on a device of this class and hold it; raise if there is no such device."""
        place = self._places.get(device_class)
        if place is None and self.count(device_class) > 0:
            place = self._places[device_class] = asyncio.Semaphore(self._others)
        if place is None:
            raise Unavailable(
                attempted=f"place work on a device of class {device_class!r}",
                found=f"this worker has {', '.join(sorted(self._places)) or 'no devices'}",
                remedy="Choose a model that runs on one of these, or start a worker that has it.",
            )
        async with place:
            yield

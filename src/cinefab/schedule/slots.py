"""Places on the devices of this worker: what may run at once, first come, first served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from cinefab.core.errors import Unavailable


class Slots:
    """As many places per device class as there are devices; a lease starts when one is taken.

    Waiting for a place costs nothing and is in nobody's lease.
    """

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = {name: asyncio.Semaphore(count) for name, count in places.items()}

    @asynccontextmanager
    async def take(self, device_class: str) -> AsyncIterator[None]:
        """Wait for a place on a device of this class and hold it; raise if there is no such device."""
        place = self._places.get(device_class)
        if place is None:
            raise Unavailable(
                attempted=f"place work on a device of class {device_class!r}",
                found=f"this worker has {', '.join(sorted(self._places)) or 'no devices'}",
                remedy="Choose a model that runs on one of these, or start a worker that has it.",
            )
        async with place:
            yield

"""Compute that costs nothing until it is needed."""

from __future__ import annotations

from collections.abc import Callable

from cinefab.core.canonical import Json
from cinefab.engine.compute import Compute, ComputeResult, Report
from cinefab.engine.processes import LocalProcesses


class OnDemand:
    """A pool that starts its processes at the first task.

    A job that finds everything made already never pays for processes it does not use.
    """

    def __init__(self, pool: LocalProcesses) -> None:
        self._pool = pool

    async def run(
        self,
        task: str,
        argument: Json,
        *,
        affinity: str | None = None,
        on_progress: Report | None = None,
        timeout_s: float,
        silence_s: float | None = None,
    ) -> ComputeResult:
        """Run a task as `Compute.run` promises."""
        self._pool.start()
        return await self._pool.run(
            task,
            argument,
            affinity=affinity,
            on_progress=on_progress,
            timeout_s=timeout_s,
            silence_s=silence_s,
        )


class PoolsByClass:
    """Processes for each device class but our own, made when one is asked for.

    What waits for a service, or for a card, sits in a process that no core is counted for; so each
    class has processes of its own, as many as it has places.
    """

    def __init__(
        self,
        own: str,
        compute: Compute,
        *,
        count: Callable[[str], int],
        make: Callable[[str, int], LocalProcesses],
    ) -> None:
        self._own = own
        self._compute = compute
        self._count = count
        self._make = make
        self._pools: dict[str, _Growing] = {}

    def of(self, device_class: str) -> Compute:
        """Return the processes of a device class."""
        if device_class == self._own:
            return self._compute
        if device_class not in self._pools:
            count = max(1, self._count(device_class))
            self._pools[device_class] = _Growing(self._make(device_class, count))
        return self._pools[device_class]

    def close(self) -> None:
        """End what was started."""
        for pool in self._pools.values():
            pool.close()


class _Growing:
    """A pool that has as many processes as were ever busy at once, and no more."""

    def __init__(self, pool: LocalProcesses) -> None:
        self._pool = pool
        self._busy = 0

    async def run(
        self,
        task: str,
        argument: Json,
        *,
        affinity: str | None = None,
        on_progress: Report | None = None,
        timeout_s: float,
        silence_s: float | None = None,
    ) -> ComputeResult:
        """Run a task as `Compute.run` promises."""
        self._busy += 1
        self._pool.start(self._busy)
        try:
            return await self._pool.run(
                task,
                argument,
                affinity=affinity,
                on_progress=on_progress,
                timeout_s=timeout_s,
                silence_s=silence_s,
            )
        finally:
            self._busy -= 1

    def close(self) -> None:
        self._pool.close()

"""Compute that costs nothing until it is needed."""

from __future__ import annotations

import threading

from cinefab.core.canonical import Json
from cinefab.engine.compute import ComputeResult, Report
from cinefab.engine.processes import LocalProcesses


class OnDemand:
    """A pool that starts its processes at the first task, or when told to: whichever is first.

    A job that finds everything made already never pays for processes it does not use.
    """

    def __init__(self, pool: LocalProcesses) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._started = False

    def start(self) -> None:
        """Start the processes now, in the background."""
        with self._lock:
            if not self._started:
                self._pool.start()
                self._started = True

    async def run(
        self,
        task: str,
        argument: Json,
        *,
        affinity: str | None = None,
        on_progress: Report | None = None,
        timeout_s: float,
    ) -> ComputeResult:
        """Run a task as `Compute.run` promises."""
        self.start()
        return await self._pool.run(
            task, argument, affinity=affinity, on_progress=on_progress, timeout_s=timeout_s
        )

    def close(self) -> None:
        """End the processes, if there are any."""
        with self._lock:
            self._started = True
        self._pool.close()

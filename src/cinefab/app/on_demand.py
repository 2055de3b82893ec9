"""Compute that costs nothing until it is needed."""

from __future__ import annotations

from cinefab.core.canonical import Json
from cinefab.engine.compute import ComputeResult, Report
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
    ) -> ComputeResult:
        """Run a task as `Compute.run` promises."""
        self._pool.start()
        return await self._pool.run(
            task, argument, affinity=affinity, on_progress=on_progress, timeout_s=timeout_s
        )

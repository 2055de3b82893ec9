"""What stages ask of compute: run a function in some other process, and say what it took.

Only names, numbers and paths travel; media never does. There are two kinds: processes on this
machine (`engine.processes`), and a cluster's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cinefab.core.canonical import Json

Report = Callable[[Json], None]
"""Given to every task as its second argument: sends news of progress to whoever waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeResult:
    """What a task returned, and where its time went, in microseconds.

    `waited_us` passed before there was a process for it. `worker_us` is a process's time on it;
    `load_us` of that went into getting ready: starting the process, as far as this task waited for
    it, and importing the task's code. It is exactly 0 in a process that was warm.
    """

    value: Json
    worker_us: int
    load_us: int
    waited_us: int


class Compute(Protocol):
    """Runs tasks in processes of their own; one compute serves every thread and event loop."""

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
        """Call `task`, which is `package.module:function`, as `function(argument, report)`.

        A process that ran the same `affinity` last is preferred, since it may still hold what the
        task needs, but no process idles for it. `on_progress` is called in the caller's event
        loop. `timeout_s` counts from when a process takes the task up, `silence_s` from each piece
        of news that it tells. Cancelling the caller ends the process at once, whatever it is in
        the middle of.

        Raises what the task raised, if that is an error of ours; `OutOfMemory` if there was no
        memory left, and `Fault` for any other exception; `WorkerLost` if the process died,
        `NativeCrash` if it died of a signal that broken code is sent; `StepHung` if the time was
        up; `ComputeUnavailable` if the queue was full, or compute is closed. A process whose memory, or
        whose device's, may not be as it was is ended, and another one takes its place.
        """
        ...

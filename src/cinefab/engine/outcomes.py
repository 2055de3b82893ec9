"""Where a workflow is, and what whoever waits for it is told."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from cinefab.core.errors import Cancelled, Unavailable, WorkerLost


class Status(Enum):
    """Where a workflow is; WAITING until a worker takes it up, RUNNING even if that one died."""

    UNKNOWN = "unknown"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_BY_NAME: Final[Mapping[str, Status]] = {
    "ENQUEUED": Status.WAITING,
    "DELAYED": Status.WAITING,
    "PENDING": Status.RUNNING,
    "SUCCESS": Status.DONE,
    "ERROR": Status.FAILED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": Status.FAILED,
    "CANCELLED": Status.CANCELLED,
}


def status_of(recorded: str) -> Status:
    """Return the status that the engine's row says in its own words."""
    return _BY_NAME[recorded]


def not_ended(workflow_id: str, timeout_s: float | None) -> Unavailable:
    """Return what is told when a wait is over before the workflow is."""
    return Unavailable(
        attempted=f"wait for {workflow_id}",
        found=f"it has not ended after {timeout_s:g} s",
        remedy="Ask again later: it goes on.",
    )


def cancelled(workflow_id: str) -> Cancelled:
    """Return what is told of a workflow that was cancelled."""
    return Cancelled(
        attempted=f"wait for {workflow_id}",
        found="it was cancelled",
        remedy="Start it again under a new id if it is still wanted.",
    )


def given_up(workflow_id: str, recoveries_max: int) -> WorkerLost:
    """Return what is told of one that took too many workers down with it."""
    return WorkerLost(
        attempted=f"run {workflow_id}",
        found=f"every worker that took it up died, {recoveries_max + 1} times in all",
        remedy="Read the log of the last one: its process ran out of memory or crashed.",
    )

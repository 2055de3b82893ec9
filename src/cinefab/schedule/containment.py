"""What is done about a run of a model that fails: tried again after a pause, given up, or parked.

Pure: the same failures lead to the same step, on every worker and however often it is asked, so a
worker that takes a job over goes on counting where the dead one stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class WhenOpen(StrEnum):
    """What becomes of a run whose model rests, where no other model is named for it."""

    WAIT = "wait"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Containment:
    """How much of a failure is borne before it is one; every number is a setting.

    A model that tells its steps may tell nothing for `silence_s`. A run is made `attempts` times at
    most, after pauses that double from `pause_s` to `pause_max_s`. A job that ended `park_after`
    processes of models, or `park_after_workers` whole workers, is parked. A model that failed for
    `open_after` different jobs within `within_s`, none of its runs coming out well between them,
    rests for `rest_s`, doubled to `rest_max_s` while its trials fail. Whoever comes meanwhile waits
    for `wait_s`, or fails at once. `fallbacks` names by model those that are asked instead, in order.
    """

    silence_s: float = 600.0
    attempts: int = 3
    pause_s: float = 1.0
    pause_max_s: float = 60.0
    park_after: int = 3
    park_after_workers: int = 5
    open_after: int = 3
    within_s: float = 300.0
    rest_s: float = 30.0
    rest_max_s: float = 600.0
    when_open: WhenOpen = WhenOpen.WAIT
    wait_s: float = 300.0
    fallbacks: Mapping[str, Sequence[str]] = field(default_factory=dict)


USUAL_CONTAINMENT: Final = Containment()

_ONCE: Final = frozenset({"ContractMismatch", "Fault", "CircuitOpen"})
"""What comes out the same however often it is tried."""

_TWICE: Final = frozenset({"OutOfMemory", "StepHung"})
"""What a clean process may help, once: another attempt costs a device for as long again."""


class Ended(StrEnum):
    """What a run took with it when it failed."""

    PROCESS = "process"
    WORKER = "worker"


class Next(StrEnum):
    """What follows a failed run."""

    AGAIN = "again"
    GIVEN_UP = "given_up"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """A run that failed: of which stage and model, what of, and what follows it.

    `error` is the error as `engine.wire` writes it; `kind` is its class. `ended` is None where its
    process goes on. `lease` is whose time was lost, None where none was taken.
    """

    stage: str
    model: str | None
    kind: str
    error: Mapping[str, Any]
    ended: Ended | None
    follows: Next
    lease: str | None
    at_us: int


def what_follows(
    kind: str,
    *,
    stage: str,
    ended: Ended | None,
    before: Sequence[FailedRun],
    policy: Containment,
) -> Next:
    """Return what follows a run of `stage` that fails of `kind` after those `before` in its job."""
    if _count(before, Ended.WORKER) + (ended is Ended.WORKER) >= policy.park_after_workers:
        return Next.PARKED
    if ended is Ended.WORKER:
        return Next.AGAIN
    if _count(before, Ended.PROCESS) + (ended is Ended.PROCESS) >= policy.park_after:
        return Next.GIVEN_UP
    tries = 1 + sum(each.stage == stage and each.ended is not Ended.WORKER for each in before)
    return Next.AGAIN if tries < _tries_max(kind, policy) else Next.GIVEN_UP


def is_poison(failed: Sequence[FailedRun], policy: Containment) -> bool:
    """Say whether a job has ended so many processes, or workers, that it is not to end any more."""
    return (
        _count(failed, Ended.PROCESS) >= policy.park_after
        or _count(failed, Ended.WORKER) >= policy.park_after_workers
    )


def resumes_us(failed: Sequence[FailedRun], *, job: str, stage: str, policy: Containment) -> int:
    """Return when a stage may be tried again: 0 if it never failed, or only its worker did.

    The pause doubles with each attempt and is cut by up to a half, by chance that the job and the
    stage determine, so that jobs which failed together do not come back together.
    """
    own = [each for each in failed if each.stage == stage and each.ended is not Ended.WORKER]
    if not own:
        return 0
    pause_s = min(policy.pause_max_s, policy.pause_s * (1 << (len(own) - 1)))
    digest = hashlib.sha256(f"{job}:{stage}:{len(own)}".encode()).digest()
    share = 0.5 + int.from_bytes(digest[:4], "big") / 2**33
    return own[-1].at_us + round(pause_s * share * 1_000_000)


def _tries_max(kind: str, policy: Containment) -> int:
    if kind in _ONCE:
        return 1
    return min(2, policy.attempts) if kind in _TWICE else policy.attempts


def _count(failed: Sequence[FailedRun], ended: Ended) -> int:
    return sum(each.ended is ended for each in failed)

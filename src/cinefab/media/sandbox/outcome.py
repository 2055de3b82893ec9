"""What a run in the sandbox may cost, and what it is called when it ends badly."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cinefab.core.errors import CinefabError


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What one payload may take.

    `memory_bytes` is what the process may map beyond its loaded libraries, `cpu_seconds` its
    processor time after start-up, `wall_seconds` the time from the payload's first byte to the
    answer's last, `start_seconds` the time to load and lock down.
    """

    memory_bytes: int = 1 << 30
    cpu_seconds: int = 10
    wall_seconds: float = 20.0
    start_seconds: float = 30.0
    payload_bytes: int = 64 << 20
    answer_bytes: int = 256 << 20


class Confinement(StrEnum):
    """Whether a machine without Landlock or seccomp may decode untrusted media at all."""

    REQUIRED = "required"
    BEST_EFFORT = "best-effort"


class Cause(StrEnum):
    """Why a payload was not decoded."""

    TIME = "time"
    MEMORY = "memory"
    CRASH = "crash"
    REFUSED = "refused"
    TOO_LARGE = "too-large"
    BAD_ANSWER = "bad-answer"


class DecodeRefused(CinefabError):
    """Untrusted bytes that were not decoded; `cause` says which way it ended."""

    def __init__(self, *, cause: Cause, attempted: str, found: str, remedy: str) -> None:
        super().__init__(attempted=attempted, found=found, remedy=remedy)
        self.cause = cause


class PayloadRefused(Exception):
    """Raised inside the sandbox by a task that will not decode its payload.

    `found` and `remedy` reach the parent as text, shortened and without control characters.
    """

    def __init__(self, *, found: str, remedy: str, cause: Cause = Cause.REFUSED) -> None:
        super().__init__(f"{found}. {remedy}")
        self.found = found
        self.remedy = remedy
        self.cause = cause

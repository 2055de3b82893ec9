"""What follows from how a message went: delivered, tried again later, or given up; by plain values.

A message is tried for a day. Where nobody answers at all, the receiver is left alone for a while,
and then tried with one message at a time, however many wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cinefab.core.canonical import sha256_of
from cinefab.core.units import US_PER_S

DELAYS_S: Final = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800)
"""From one attempt to the next: eleven in all, the last of them about a day after the first."""

LAST_US: Final = 24 * 3_600 * US_PER_S
"""How long after it was written a message is given up, once an attempt has failed."""

GONE: Final = 410
_BUSY: Final = frozenset({429, 503})
_HOLD_FIRST_S: Final = 5
_HOLD_MAX_S: Final = 900
_ASKED_MAX_S: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt: the answer's status, None where nobody answered; `asked` is Retry-After."""

    status: int | None
    said: str
    asked: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """It is tried again then; until `hold_us` nothing else is sent to this receiver either."""

    due_us: int
    hold_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """It is given up; `disables` says that its receiver wants nothing any more."""

    hold_us: int = 0
    disables: bool = False


Outcome = Delivered | Again | Dead


def outcome_of(
    attempt: Attempt,
    *,
    delivery: str,
    attempts: int,
    failures: int,
    created_us: int,
    now_us: int,
) -> Outcome:
    """Return what follows from an attempt, the `attempts`th of this delivery, from 1.

    `failures` is how often in a row nobody had answered at the receiver before.
    """
    if attempt.status is not None and 200 <= attempt.status < 300:
        return Delivered()
    if attempt.status == GONE:
        return Dead(disables=True)
    hold_us = 0
    if attempt.status is None:
        hold_us = now_us + min(_HOLD_FIRST_S << min(failures, 16), _HOLD_MAX_S) * US_PER_S
    elif attempt.status in _BUSY and attempt.asked is not None:
        hold_us = now_us + _asked_s(attempt.asked) * US_PER_S
    if attempts > len(DELAYS_S) or now_us >= created_us + LAST_US:
        return Dead(hold_us=hold_us)
    delay_us = _spread(DELAYS_S[attempts - 1] * US_PER_S, f"{delivery}:{attempts}")
    return Again(due_us=max(now_us + delay_us, hold_us), hold_us=hold_us)


def _spread(delay_us: int, of: str) -> int:
    """Return the delay, up to a fifth longer: those that failed together do not come together."""
    share = int(sha256_of(of.encode())[:8], 16) % 1000
    return delay_us + delay_us * share // 5_000


def _asked_s(asked: str) -> int:
    seconds = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 0
    return min(seconds, _ASKED_MAX_S)

"""Time, asked for and never taken: a `Clock` arrives as an argument.

All wall-clock times are whole microseconds since 1970-01-01 in UTC.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now_us(self) -> int:
        """Return the wall clock in UTC microseconds."""
        ...

    def elapsed_us(self) -> int:
        """Return a monotonic count of microseconds; only differences mean anything."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait for `seconds`."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_us(self) -> int:
        """Return the wall clock in UTC microseconds."""
        return time.time_ns() // 1000

    def elapsed_us(self) -> int:
        """Return the machine's monotonic clock in microseconds."""
        return time.monotonic_ns() // 1000

    def sleep(self, seconds: float, /) -> None:
        """Wait for `seconds`."""
        time.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is told to move, for tests and simulations."""

    def __init__(self, start_us: int = 1_700_000_000_000_000) -> None:
        self._now_us = start_us

    def now_us(self) -> int:
        """Return the time it was set to."""
        return self._now_us

    def elapsed_us(self) -> int:
        """Return the same count as `now_us`."""
        return self._now_us

    def sleep(self, seconds: float, /) -> None:
        """Move forward by `seconds` without waiting."""
        self.advance(round(seconds * 1_000_000))

    def advance(self, us: int) -> None:
        """Move forward by `us` microseconds."""
        assert us >= 0, "time does not run backwards"
        self._now_us += us


def iso_utc(us: int) -> str:
    """Return `us` (UTC microseconds) as ISO 8601 with microseconds and a `Z`."""
    seconds, micros = divmod(us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"

"""How often a tenant may ask: a bucket for each, which a minute fills, in this process's memory.

A studio with several processes at its door has a bucket in each, so a tenant may ask that many
times as often as its quota says, and never less. What the answers say is true of the bucket asked.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from cinefab.core.clock import Clock
from cinefab.core.errors import QuotaExceeded
from cinefab.core.ids import TenantId

_MINUTE_US: Final = 60_000_000
_HELD_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a tenant's bucket says after it was asked.

    `resets_s` is when it will be full again, `retry_after_s` when one more request will pass: 0
    for what passed.
    """

    limit: int
    remaining: int
    resets_s: float
    retry_after_s: float

    @property
    def passes(self) -> bool:
        """Whether the request may be answered."""
        return self.retry_after_s == 0


class RequestRates:
    """The buckets of one process; any thread may ask."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # Until when a bucket is not full: one number says how much is in it at any moment.
        self._full_us: dict[TenantId, float] = {}

    def take(self, tenant: TenantId, *, per_minute: int) -> Allowance:
        """Take one request from a tenant's bucket, if it has one."""
        now_us = self._clock.elapsed_us()
        each_us = _MINUTE_US / per_minute
        with self._lock:
            full_us = max(self._full_us.get(tenant, 0), now_us)
            over_us = full_us + each_us - now_us - _MINUTE_US
            if over_us <= 0:
                full_us += each_us
                self._full_us[tenant] = full_us
                self._forget(now_us)
        return Allowance(
            limit=per_minute,
            remaining=max(0, int((_MINUTE_US - (full_us - now_us)) / each_us + 1e-9)),
            resets_s=(full_us - now_us) / 1_000_000,
            retry_after_s=max(0.0, over_us / 1_000_000),
        )

    def check(self, tenant: TenantId, *, per_minute: int) -> Allowance:
        """Do as `take` does; raise `QuotaExceeded` where the bucket is empty."""
        allowance = self.take(tenant, per_minute=per_minute)
        if not allowance.passes:
            raise QuotaExceeded(
                attempted=f"answer {tenant}",
                found=f"it asked {per_minute} times within a minute, which is its quota",
                remedy=f"Ask again in {allowance.retry_after_s:.1f} s, and less often.",
                retry_after_s=allowance.retry_after_s,
            )
        return allowance

    def _forget(self, now_us: int) -> None:
        if len(self._full_us) > _HELD_MAX:
            self._full_us = {
                tenant: full_us for tenant, full_us in self._full_us.items() if full_us > now_us
            }

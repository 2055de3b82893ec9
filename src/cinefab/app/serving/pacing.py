"""How often whoever asks may ask, at this process's door.

A request is counted once it is known who sends it. What a secret was found to be is remembered for
a few seconds, by its digest, for one purpose: who asks too often is told so without the database.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from cinefab.app.settings import Settings
from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.clock import Clock
from cinefab.core.ids import TenantId
from cinefab.store.database import Database
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.quotas import Quota, find_quota
from cinefab.tenancy.rates import (
    Allowance,
    Pace,
    RequestRates,
    Whose,
    exchange_taken,
)

_REMEMBERED_US: Final = 5_000_000
"""How soon a quota that was changed holds."""

_HELD_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Known:
    paces: tuple[Pace, ...]
    until_us: int


class Pacing:
    """Counts the requests of one process; any thread may ask."""

    def __init__(self, settings: Settings, db: Database, clock: Clock) -> None:
        self._usual = settings.quota_requests_per_minute or None
        self._each = settings.quota_requests_per_minute_each or None
        self._db = db
        self._clock = clock
        self._rates = RequestRates(clock, exchange=self._exchange)
        self._lock = threading.Lock()
        self._quotas: OrderedDict[TenantId, tuple[int | None, int]] = OrderedDict()
        self._known: OrderedDict[Sha256, _Known] = OrderedDict()

    def take(self, caller: Caller, secret: str | None) -> tuple[Allowance, ...]:
        """Count a request of a caller; where it may not ask, what comes back does not pass.

        Nothing comes back for who may ask as often as they like.
        """
        paces = self._paces(caller)
        if not paces:
            return ()
        if secret is not None:
            until_us = self._clock.elapsed_us() + _REMEMBERED_US
            with self._lock:
                self._known[sha256_of(secret.encode("utf-8", "surrogatepass"))] = _Known(
                    paces, until_us
                )
                while len(self._known) > _HELD_MAX:
                    self._known.popitem(last=False)
        return self._rates.take(paces)

    def look(self, secret: str) -> tuple[Allowance, ...]:
        """Say what the buckets of a secret's holder have, if it asks so often that this is known."""
        if not self._known:
            return ()
        digest = sha256_of(secret.encode("utf-8", "surrogatepass"))
        with self._lock:
            known = self._known.get(digest)
            if known is not None and known.until_us <= self._clock.elapsed_us():
                del self._known[digest]
                known = None
        return () if known is None else self._rates.look(known.paces)

    def _paces(self, caller: Caller) -> tuple[Pace, ...]:
        whole = self._per_minute(caller.tenant)
        found = []
        if whole is not None:
            found.append(Pace(whose=Whose(caller.tenant), per_minute=whole))
        if self._each is not None:
            found.append(Pace(whose=Whose(caller.tenant, caller.principal), per_minute=self._each))
        return tuple(found)

    def _per_minute(self, tenant: TenantId) -> int | None:
        now_us = self._clock.elapsed_us()
        with self._lock:
            found, until_us = self._quotas.get(tenant, (None, 0))
        if until_us > now_us:
            return found
        with self._db.read() as connection:
            quota = find_quota(
                connection, tenant=tenant, usual=Quota(requests_per_minute=self._usual)
            )
        with self._lock:
            self._quotas[tenant] = (quota.requests_per_minute, now_us + _REMEMBERED_US)
            while len(self._quotas) > _HELD_MAX:
                self._quotas.popitem(last=False)
        return quota.requests_per_minute

    def _exchange(self, pace: Pace, taken: int, since_us: int) -> int:
        with self._db.write() as connection:
            return exchange_taken(connection, pace, taken, since_us)

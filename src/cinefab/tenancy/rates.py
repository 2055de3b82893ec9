"""How often somebody may ask: a bucket for each tenant and principal, which a minute fills.

A bucket is in this process's memory, so a request costs no write, and one that is refused costs no
question. What was taken is exchanged through the database after a tenth of a bucket, so each
further process at the same studio's door lets at most that tenth more through. What the answers say
is true of the bucket that was asked. Machines that share a studio must agree on the time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import sqlalchemy as sa

from cinefab.core.clock import Clock
from cinefab.core.errors import AskedTooOften
from cinefab.core.ids import PrincipalId, TenantId
from cinefab.tenancy.tables import request_bucket

_MINUTE_US: Final = 60_000_000
_HELD_MAX: Final = 10_000
_SHARED_AFTER: Final = 10
"""A bucket is told of to the others once this part of it was taken since the last time."""


class Whose(NamedTuple):
    """Whose bucket it is: a tenant's, or one of its principals'."""

    tenant: TenantId
    principal: PrincipalId | None = None

    @property
    def policy(self) -> str:
        """What the answers' headers call it."""
        return "tenant" if self.principal is None else "principal"

    def __str__(self) -> str:
        return self.tenant if self.principal is None else self.principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often somebody may ask."""

    whose: Whose
    per_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a bucket says after it was asked.

    `resets_s` is when it will be full again, `retry_after_s` when one more request will pass: 0
    for what passed.
    """

    whose: Whose
    limit: int
    remaining: int
    resets_s: float
    retry_after_s: float

    @property
    def passes(self) -> bool:
        """Whether the request may be answered."""
        return self.retry_after_s == 0


@dataclass(slots=True)
class _Bucket:
    """Until when it is not full: one number says how much is in it at any moment.

    `untold` were taken since the others were told, the first of them at `since_us`.
    """

    full_us: float = 0
    untold: int = 0
    since_us: int = 0


Exchange = Callable[[Pace, int, int], int]
"""Tells others that so many were taken since a moment, and returns when the bucket will be full."""


class RequestRates:
    """The buckets of one process; any thread may ask."""

    def __init__(self, clock: Clock, *, exchange: Exchange | None = None) -> None:
        self._clock = clock
        self._exchange = exchange
        self._lock = threading.Lock()
        self._buckets: dict[Whose, _Bucket] = {}

    def take(self, paces: Sequence[Pace]) -> tuple[Allowance, ...]:
        """Take one request from each bucket, or from none where one of them is empty."""
        now_us = self._clock.elapsed_us()
        told: list[tuple[Pace, int, int]] = []
        with self._lock:
            found = [self._asked(pace, now_us) for pace in paces]
            if not all(each.passes for each in found):
                return tuple(found)
            for pace in paces:
                bucket = self._buckets.setdefault(pace.whose, _Bucket())
                bucket.full_us = max(bucket.full_us, now_us) + _MINUTE_US / pace.per_minute
                bucket.since_us = bucket.since_us if bucket.untold else now_us
                bucket.untold += 1
                if bucket.untold >= max(1, pace.per_minute // _SHARED_AFTER):
                    told.append((pace, bucket.untold, bucket.since_us))
                    bucket.untold = 0
            after = tuple(self._asked(pace, now_us, took=True) for pace in paces)
            self._forget(now_us)
        for pace, taken, since_us in told:
            self._share(pace, taken, since_us)
        return after

    def look(self, paces: Sequence[Pace]) -> tuple[Allowance, ...]:
        """Say what `take` would, and take nothing."""
        now_us = self._clock.elapsed_us()
        with self._lock:
            return tuple(self._asked(pace, now_us) for pace in paces)

    def _asked(self, pace: Pace, now_us: int, *, took: bool = False) -> Allowance:
        bucket = self._buckets.get(pace.whose)
        each_us = _MINUTE_US / pace.per_minute
        full_us = max(0 if bucket is None else bucket.full_us, now_us)
        over_us = 0 if took else full_us + each_us - now_us - _MINUTE_US
        return Allowance(
            whose=pace.whose,
            limit=pace.per_minute,
            remaining=max(0, int((_MINUTE_US - (full_us - now_us)) / each_us + 1e-9)),
            resets_s=(full_us - now_us) / 1_000_000,
            retry_after_s=max(0.0, over_us / 1_000_000),
        )

    def _share(self, pace: Pace, taken: int, since_us: int) -> None:
        if self._exchange is None:
            return
        ahead_us = self._clock.now_us() - self._clock.elapsed_us()
        full_us = self._exchange(pace, taken, since_us + ahead_us) - ahead_us
        with self._lock:
            # What was taken meanwhile was not told yet.
            bucket = self._buckets.setdefault(pace.whose, _Bucket())
            more_us = bucket.untold * (_MINUTE_US / pace.per_minute)
            bucket.full_us = full_us + more_us

    def _forget(self, now_us: int) -> None:
        if len(self._buckets) > _HELD_MAX:
            self._buckets = {
                whose: bucket
                for whose, bucket in self._buckets.items()
                if bucket.full_us > now_us or bucket.untold
            }


def exchange_taken(connection: sa.Connection, pace: Pace, taken: int, since_us: int) -> int:
    """Write down what was taken from a bucket since a moment; return when it will be full again."""
    tenant, principal = pace.whose.tenant, pace.whose.principal or ""
    mine = (request_bucket.c.tenant_id == tenant, request_bucket.c.principal_id == principal)
    more_us = taken * _MINUTE_US // pace.per_minute
    known = request_bucket.c.full_us
    changed = (
        request_bucket.update()
        .where(*mine)
        .values(full_us=sa.case((known > since_us, known), else_=since_us) + more_us)
        .returning(request_bucket.c.full_us)
    )
    full_us = connection.execute(changed).scalar()
    if full_us is None:
        values = {"tenant_id": tenant, "principal_id": principal, "full_us": since_us + more_us}
        try:
            with connection.begin_nested():
                connection.execute(request_bucket.insert().values(**values))
        except sa.exc.IntegrityError:
            # Somebody else wrote the first row of it at the same moment.
            full_us = connection.execute(changed).scalar_one()
        else:
            full_us = since_us + more_us
    return int(full_us)


def refusal_of(told: Sequence[Allowance]) -> AskedTooOften | None:
    """Return the error for a request that some bucket has no place for, None if all have."""
    empty = [each for each in told if not each.passes]
    if not empty:
        return None
    longest = max(empty, key=lambda each: each.retry_after_s)
    return AskedTooOften(
        attempted=f"answer {longest.whose}",
        found=f"it asked {longest.limit} times within a minute, which is its quota",
        remedy=f"Ask again in {longest.retry_after_s:.1f} s, and less often.",
        retry_after_s=longest.retry_after_s,
        violated=tuple(each.whose.policy for each in empty),
    )

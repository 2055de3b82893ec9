"""A circuit breaker for each version of a model: one that fails for everybody rests, then is tried.

    closed      its runs go on; failures are counted by job, so that one bad job opens nothing
    open        nothing is given to it until its rest is over
    half-open   one run tries it; what becomes of that closes it, or opens it for twice as long

The state is a row that all workers of a studio share, changed under its lock. What follows what is
decided by plain functions of plain values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from cinefab.core.canonical import Json
from cinefab.core.ids import TenantId
from cinefab.schedule.containment import Containment
from cinefab.schedule.tables import breaker as breaker_table
from cinefab.store.facts import AuditLeaf, OutboxEvent, record_event, record_leaf

TRIAL_S: Final = 900.0
"""How long a trial may take before another run is let try: its worker may have died."""

_REASON_CHARS_MAX: Final = 400


class State(StrEnum):
    """How a model stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """How a model stands: the jobs it failed for lately, and until when it rests or is tried."""

    model: str
    state: State = State.CLOSED
    failed: tuple[tuple[str, int], ...] = ()
    until_us: int = 0
    rests: int = 0
    why: str = ""

    @property
    def is_untroubled(self) -> bool:
        """Whether there is nothing to remember of it."""
        return self.state is State.CLOSED and not self.failed


def after_failure(
    breaker: Breaker, *, job: str, why: str, now_us: int, policy: Containment
) -> Breaker:
    """Return how a model stands after a run of it failed."""
    told = replace(breaker, why=why[:_REASON_CHARS_MAX])
    if breaker.state is State.OPEN:
        return breaker  # it began before, and says nothing new
    if breaker.state is State.HALF_OPEN:
        return _opened(told, now_us=now_us, policy=policy)
    since_us = now_us - round(policy.within_s * 1_000_000)
    lately = {name: at_us for name, at_us in breaker.failed if at_us >= since_us} | {job: now_us}
    told = replace(told, failed=tuple(lately.items()))
    if len(lately) < policy.open_after:
        return told
    return _opened(told, now_us=now_us, policy=policy)


def after_success(breaker: Breaker) -> Breaker:
    """Return how a model stands after a run of it came out well."""
    return Breaker(model=breaker.model)


def after_no_answer(breaker: Breaker, *, now_us: int) -> Breaker:
    """Return how a model stands after a trial that says nothing of it, such as one that was cancelled."""
    if breaker.state is not State.HALF_OPEN:
        return breaker
    return replace(breaker, state=State.OPEN, until_us=now_us)


def asked(breaker: Breaker, *, now_us: int) -> tuple[bool, Breaker]:
    """Return whether a run may begin now, and how the model stands if it does."""
    if breaker.state is State.CLOSED:
        return True, breaker
    if now_us < breaker.until_us:
        return False, breaker
    until_us = now_us + round(TRIAL_S * 1_000_000)
    return True, replace(breaker, state=State.HALF_OPEN, until_us=until_us)


def _opened(breaker: Breaker, *, now_us: int, policy: Containment) -> Breaker:
    rest_s = min(policy.rest_max_s, policy.rest_s * (1 << breaker.rests))
    return replace(
        breaker,
        state=State.OPEN,
        until_us=now_us + round(rest_s * 1_000_000),
        rests=breaker.rests + 1,
    )


# As rows


def find_breaker(connection: sa.Connection, model: str) -> Breaker:
    """Return how a model stands; one that nothing is known of is closed."""
    row = connection.execute(sa.select(breaker_table).where(breaker_table.c.model == model)).first()
    return Breaker(model=model) if row is None else _from_row(row)


def troubled(connection: sa.Connection) -> Mapping[str, Breaker]:
    """Return the versions of models that do not simply work, by `name@version`."""
    rows = connection.execute(
        sa.select(breaker_table)
        .where(breaker_table.c.state != State.CLOSED)
        .order_by(breaker_table.c.model)
    )
    return {row.model: _from_row(row) for row in rows}


def lock_breaker(connection: sa.Connection, model: str) -> Breaker:
    """Return how a model stands, with nobody else changing it until the transaction ends."""
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"breaker:{model}", 2)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
    return find_breaker(connection, model)


def store_breaker(
    connection: sa.Connection, before: Breaker, after: Breaker, *, tenant: TenantId, now_us: int
) -> None:
    """Write how a model stands now; a change of state is told, for the tenant whose run led to it."""
    if after == before:
        return
    values = {
        "state": after.state,
        "failed": json.dumps(after.failed),
        "until_us": after.until_us,
        "rests": after.rests,
        "why": after.why,
        "changed_us": now_us,
    }
    here = breaker_table.c.model == after.model
    if connection.execute(breaker_table.update().where(here).values(**values)).rowcount == 0:
        connection.execute(breaker_table.insert().values(model=after.model, **values))
    if after.state is before.state:
        return
    kind = f"model.{after.state.replace('-', '_')}"
    said: Json = {
        "model": after.model,
        "state": after.state,
        "until_us": after.until_us or None,
        "why": after.why,
    }
    leaf = AuditLeaf(kind=kind, subject=after.model, body=said)
    event = OutboxEvent(kind=kind, subject=after.model, body=said)
    record_leaf(connection, leaf, tenant=tenant, now_us=now_us)
    record_event(connection, event, tenant=tenant, now_us=now_us)


def _from_row(row: sa.Row[tuple[object, ...]]) -> Breaker:
    return Breaker(
        model=row.model,
        state=State(row.state),
        failed=tuple((job, at_us) for job, at_us in json.loads(row.failed)),
        until_us=row.until_us,
        rests=row.rests,
        why=row.why,
    )

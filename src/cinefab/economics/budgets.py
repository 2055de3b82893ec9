"""Budgets: the most that a tenant, a key or a label may have reserved and spent, in all or a month.

Money is taken from every budget that a job comes under in the transaction that reserves it, while
the tenant's gate is held, so however many orders race, no budget is passed. What a budget has used
is kept beside the journal: what its jobs' reservations hold or have posted. `ledger check` holds it
against them. A month is a calendar month in UTC, and a reservation counts in the one it was made in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from cinefab.core.canonical import Json
from cinefab.core.errors import BudgetTooSmall
from cinefab.core.ids import JobId, KeyId, PrincipalId, TenantId
from cinefab.core.units import Uusd
from cinefab.economics import journal
from cinefab.economics.findings import as_usd
from cinefab.economics.tables import budget, reservation, spender
from cinefab.store.facts import AuditLeaf, record_leaf


class Scope(StrEnum):
    """Whose spending a budget bounds."""

    TENANT = "tenant"
    KEY = "key"
    LABEL = "label"


class Period(StrEnum):
    """How long a budget lasts: for good, or a month, and then anew."""

    TOTAL = "total"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A budget as it stands. `subject` is a key's id, a label as `name=value`, or nothing."""

    scope: Scope
    subject: str
    period: Period
    limit: Uusd
    used: Uusd

    @property
    def left(self) -> Uusd:
        """What may still be reserved; nothing where the limit was lowered below what is used."""
        return Uusd(max(0, self.limit - self.used))

    def as_dict(self) -> dict[str, Json]:
        """Return it as doors show it."""
        return {
            "scope": self.scope,
            "subject": self.subject,
            "period": self.period,
            "limit_uusd": self.limit,
            "used_uusd": self.used,
            "left_uusd": self.left,
        }

    def __str__(self) -> str:
        whose = (
            f"the {self.scope}" if self.scope is Scope.TENANT else f"{self.scope} {self.subject}"
        )
        return f"the budget of {whose}" + (" for this month" if self.period is Period.MONTH else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spenders:
    """Whose money a job spends beside its tenant's: the key that ordered it, and its labels."""

    key: KeyId | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


NOBODY_ELSE: Final = Spenders()


def record_spenders(
    connection: sa.Connection, *, tenant: TenantId, job: JobId, spenders: Spenders
) -> None:
    """Write down whose money a job spends, before any is reserved for it."""
    rows = [(Scope.LABEL, f"{name}={value}") for name, value in sorted(spenders.labels.items())]
    if spenders.key is not None:
        rows.append((Scope.KEY, spenders.key))
    if rows:
        connection.execute(
            spender.insert(),
            [
                {"tenant_id": tenant, "job_id": job, "scope": scope, "subject": subject}
                for scope, subject in rows
            ],
        )


def spenders_of(connection: sa.Connection, *, tenant: TenantId, job: JobId) -> Spenders:
    """Return whose money a job spends, and so the labels that it was ordered with."""
    rows = connection.execute(
        sa.select(spender.c.scope, spender.c.subject)
        .where(spender.c.tenant_id == tenant, spender.c.job_id == job)
        .order_by(spender.c.subject)
    ).all()
    labels = [row.subject.partition("=") for row in rows if row.scope == Scope.LABEL]
    return Spenders(
        key=next((KeyId(row.subject) for row in rows if row.scope == Scope.KEY), None),
        labels={name: value for name, _, value in labels},
    )


def set_budget(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    scope: Scope,
    subject: str,
    period: Period,
    limit: Uusd,
    by: PrincipalId,
    now_us: int,
) -> Budget:
    """Bound what is spent from now on, counting what was spent before; leave an audit leaf.

    A limit below what is used already stops all that is new and nothing that runs.
    """
    assert limit >= 0, "a budget is not negative"
    assert (scope is Scope.TENANT) == (not subject), "only a tenant's budget is about nobody else"
    journal.take_gate(connection, tenant=tenant)
    since_us = _month_of(now_us) if period is Period.MONTH else 0
    used = used_since(connection, tenant=tenant, scope=scope, subject=subject, since_us=since_us)
    connection.execute(budget.delete().where(*_this_one(tenant, scope, subject, period)))
    connection.execute(
        budget.insert().values(
            tenant_id=tenant,
            scope=scope,
            subject=subject,
            period=period,
            limit_uusd=limit,
            since_us=since_us,
            used_uusd=used,
            created_us=now_us,
        )
    )
    said: Json = {"by": by, "scope": scope, "subject": subject, "period": period, "uusd": limit}
    _tell(connection, "budget.set", said, tenant=tenant, now_us=now_us)
    return Budget(scope=scope, subject=subject, period=period, limit=limit, used=used)


def lift_budget(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    scope: Scope,
    subject: str,
    period: Period,
    by: PrincipalId,
    now_us: int,
) -> bool:
    """Take a budget away, with an audit leaf; False if there was none."""
    journal.take_gate(connection, tenant=tenant)
    gone = connection.execute(budget.delete().where(*_this_one(tenant, scope, subject, period)))
    if not gone.rowcount:
        return False
    said: Json = {"by": by, "scope": scope, "subject": subject, "period": period}
    _tell(connection, "budget.lifted", said, tenant=tenant, now_us=now_us)
    return True


def budgets_of(connection: sa.Connection, *, tenant: TenantId, now_us: int) -> tuple[Budget, ...]:
    """Return a tenant's budgets as they stand, in the order that they were set."""
    return tuple(_budget(row, now_us=now_us) for row in _rows(connection, tenant))


def budgets_over(
    connection: sa.Connection, *, tenant: TenantId, job: JobId, now_us: int
) -> tuple[Budget, ...]:
    """Return the budgets that a job comes under."""
    return tuple(_budget(row, now_us=now_us) for row in _rows_over(connection, tenant, job))


def take_from_budgets(
    connection: sa.Connection, *, tenant: TenantId, job: JobId, amount: Uusd, now_us: int
) -> None:
    """Take an amount from every budget that a job comes under; the caller holds the gate.

    Raises `BudgetTooSmall`, naming the budget that has least left, and then has taken nothing.
    """
    rows = _rows_over(connection, tenant, job)
    standing = [_budget(row, now_us=now_us) for row in rows]
    for each in sorted(standing, key=lambda one: one.left):
        if amount > each.left:
            raise BudgetTooSmall(
                attempted=f"reserve {as_usd(amount)} for {job}",
                found=f"{each} is {as_usd(each.limit)}, of which {as_usd(each.used)} is spent or "
                f"reserved and {as_usd(each.left)} left",
                remedy="Raise that budget, ask for less, or wait until running jobs give back "
                "theirs.",
            )
    for row, each in zip(rows, standing, strict=True):
        connection.execute(
            budget.update()
            .where(budget.c.id == row.id)
            .values(used_uusd=each.used + amount, since_us=_since(row, now_us))
        )


def give_back_to_budgets(
    connection: sa.Connection, *, tenant: TenantId, job: JobId, left: Mapping[int, Uusd]
) -> None:
    """Give back what is left of a job's reservations, by their row's id; the gate is held."""
    rows = _rows_over(connection, tenant, job) if any(left.values()) else []
    if not rows:
        return
    made = connection.execute(
        sa.select(reservation.c.id, reservation.c.created_us).where(
            reservation.c.tenant_id == tenant, reservation.c.id.in_(left)
        )
    ).all()
    for row in rows:
        back = sum(left[each.id] for each in made if each.created_us >= row.since_us)
        connection.execute(
            budget.update().where(budget.c.id == row.id).values(used_uusd=budget.c.used_uusd - back)
        )


def used_since(
    connection: sa.Connection, *, tenant: TenantId, scope: Scope, subject: str, since_us: int
) -> Uusd:
    """Return what reservations made since a moment hold or have posted, from their own rows."""
    query = sa.select(sa.func.sum(reservation.c.reserved - reservation.c.voided)).where(
        reservation.c.tenant_id == tenant, reservation.c.created_us >= since_us
    )
    if scope is not Scope.TENANT:
        jobs = sa.select(spender.c.job_id).where(
            spender.c.tenant_id == tenant, spender.c.scope == scope, spender.c.subject == subject
        )
        query = query.where(reservation.c.job_id.in_(jobs))
    return Uusd(int(connection.execute(query).scalar_one() or 0))


def _rows(connection: sa.Connection, tenant: TenantId) -> list[sa.Row[tuple[object, ...]]]:
    return list(
        connection.execute(
            sa.select(budget).where(budget.c.tenant_id == tenant).order_by(budget.c.id)
        )
    )


def _rows_over(
    connection: sa.Connection, tenant: TenantId, job: JobId
) -> list[sa.Row[tuple[object, ...]]]:
    rows = _rows(connection, tenant)
    # Most tenants have no budget, and most budgets are a tenant's: nothing more is asked for those.
    if all(row.scope == Scope.TENANT for row in rows):
        return rows
    theirs = {
        (row.scope, row.subject)
        for row in connection.execute(
            sa.select(spender.c.scope, spender.c.subject).where(
                spender.c.tenant_id == tenant, spender.c.job_id == job
            )
        )
    }
    return [row for row in rows if row.scope == Scope.TENANT or (row.scope, row.subject) in theirs]


def _budget(row: sa.Row[tuple[object, ...]], *, now_us: int) -> Budget:
    is_current = row.since_us == _since(row, now_us)
    return Budget(
        scope=Scope(row.scope),
        subject=row.subject,
        period=Period(row.period),
        limit=Uusd(row.limit_uusd),
        used=Uusd(row.used_uusd if is_current else 0),
    )


def _since(row: sa.Row[tuple[object, ...]], now_us: int) -> int:
    # Never back: clocks of two machines may disagree on whether a month is over.
    since_us = int(row.since_us)
    return since_us if row.period == Period.TOTAL else max(since_us, _month_of(now_us))


def _month_of(now_us: int) -> int:
    moment = datetime.fromtimestamp(now_us / 1_000_000, tz=UTC)
    begin = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(begin.timestamp()) * 1_000_000


def _this_one(
    tenant: TenantId, scope: Scope, subject: str, period: Period
) -> Iterable[sa.ColumnElement[bool]]:
    return (
        budget.c.tenant_id == tenant,
        budget.c.scope == scope,
        budget.c.subject == subject,
        budget.c.period == period,
    )


def _tell(
    connection: sa.Connection, kind: str, said: Json, *, tenant: TenantId, now_us: int
) -> None:
    leaf = AuditLeaf(kind=kind, subject=tenant, body=said)
    record_leaf(connection, leaf, tenant=tenant, now_us=now_us)

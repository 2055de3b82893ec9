"""Storage is charged by bytes times time: periods that follow each other, each posted once.

    storage   direct   Dr storage        Cr provider:storage

What a period costs is its byte-seconds at the price of a gigabyte and month, with what was left
below one micro-dollar carried into the next, so that any number of short periods cost together
what one long one would. Without a price it is counted and its cost is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

import sqlalchemy as sa

from cinefab.core.ids import JobId, TenantId
from cinefab.core.units import Uusd, largest_remainder
from cinefab.economics import journal
from cinefab.economics.errors import PriceInvalid
from cinefab.economics.tables import Kind, Unit, storage_line, storage_period

STORAGE: Final = "storage"
"""The account of what a tenant pays for what is kept; its transfers name no job but this word."""

DAY_US: Final = 86_400_000_000
WHOLE: Final = 10**9 * 30 * 86_400 * 1000
"""Byte-seconds of a gigabyte and month (30 days), times the nano-dollars of a micro-dollar."""

_NUSD_MAX: Final = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageTotal:
    """What a tenant's blobs took in all; `cost_uusd` is what is known, of which lines tell the parts."""

    byte_s: int
    unpriced_byte_s: int
    cost_uusd: Uusd
    lines: Mapping[str, Uusd]


def storage_price(usd_per_gb_month: str) -> int | None:
    """Return a price such as "0.023" in nano-dollars; None for an empty text: unpriced."""
    if not usd_per_gb_month.strip():
        return None
    try:
        usd = Decimal(usd_per_gb_month.strip())
    except InvalidOperation:
        usd = Decimal("NaN")
    if not usd.is_finite() or not 0 <= usd * 10**9 <= _NUSD_MAX:
        raise PriceInvalid(
            attempted="read the price of storage",
            found=f"{usd_per_gb_month!r} is not an amount of dollars a gigabyte and month",
            remedy="Write it plainly, from 0 to 1000, such as 0.023.",
        )
    return int(Fraction(usd) * 10**9 + Fraction(1, 2))


def charged_until(connection: sa.Connection, *, tenant: TenantId) -> int | None:
    """Return when the tenant's last period ended, or None before the first.

    Take the tenant's gate first: what is read is then still true when the next one is posted.
    """
    last = sa.select(sa.func.max(storage_period.c.until_us)).where(
        storage_period.c.tenant_id == tenant
    )
    found = connection.execute(last).scalar()
    return None if found is None else int(found)


def post_storage(
    connection: sa.Connection,
    by_kind: Mapping[str, int],
    *,
    tenant: TenantId,
    from_us: int,
    until_us: int,
    nusd_per_gb_month: int | None,
    now_us: int,
) -> Uusd | None:
    """Post one period's byte-seconds, by what they are kept as; return its cost, None unpriced.

    The caller holds the tenant's gate, and begins where the last period ended.
    """
    assert 0 < until_us - from_us <= DAY_US, "a period is at most a day"
    byte_s = sum(by_kind.values())
    carried = _last_carry(connection, tenant)
    cost, carry = cost_of(byte_s, nusd_per_gb_month=nusd_per_gb_month, carried=carried)
    inserted = connection.execute(
        storage_period.insert().values(
            tenant_id=tenant,
            from_us=from_us,
            until_us=until_us,
            byte_s=byte_s,
            nusd_per_gb_month=nusd_per_gb_month,
            cost_uusd=cost,
            carry=carry,
            created_us=now_us,
        )
    )
    key = inserted.inserted_primary_key
    assert key is not None, "a row that was inserted has an id"
    kinds = sorted(by_kind)
    shares = split(cost, [by_kind[kind] for kind in kinds])
    if kinds:
        connection.execute(
            storage_line.insert(),
            [
                {"period_id": key[0], "kept_as": kind, "byte_s": by_kind[kind], "cost_uusd": share}
                for kind, share in zip(kinds, shares, strict=True)
            ],
        )
    if cost:
        entry = journal.Entry(
            key=transfer_key(from_us),
            unit=Unit.UUSD,
            kind=Kind.DIRECT,
            debit=STORAGE,
            credit=journal.provider(STORAGE),
            amount=cost,
            job=JobId(STORAGE),
        )
        journal.write_entries(connection, [entry], tenant=tenant, now_us=now_us)
    return cost


def cost_of(byte_s: int, *, nusd_per_gb_month: int | None, carried: int) -> tuple[Uusd | None, int]:
    """Return what a period costs, and what is carried on below one micro-dollar."""
    if nusd_per_gb_month is None:
        return None, carried
    cost, carry = divmod(byte_s * nusd_per_gb_month + carried, WHOLE)
    return Uusd(cost), carry


def split(cost: Uusd | None, byte_s: list[int]) -> list[int | None]:
    """Return each line's part of a period's cost, summing to it exactly."""
    if cost is None:
        return [None] * len(byte_s)
    # What was carried may cost something in a period that kept nothing.
    weights = byte_s if any(byte_s) else [1] * len(byte_s)
    return list(largest_remainder(cost, weights)) if weights else []


def transfer_key(from_us: int) -> str:
    """Return the idempotency key of the transfer of the period that begins then."""
    return f"{STORAGE}:{from_us}"


def storage_total(connection: sa.Connection, *, tenant: TenantId) -> StorageTotal:
    """Return what a tenant's blobs took and cost, over all periods."""
    unpriced = sa.case((storage_period.c.cost_uusd.is_(None), storage_period.c.byte_s), else_=0)
    rows = connection.execute(
        sa.select(
            storage_period.c.byte_s, unpriced.label("unpriced"), storage_period.c.cost_uusd
        ).where(storage_period.c.tenant_id == tenant)
    ).all()
    lines = connection.execute(
        sa.select(storage_line.c.kept_as, sa.func.sum(storage_line.c.cost_uusd).label("cost"))
        .join(storage_period, storage_period.c.id == storage_line.c.period_id)
        .where(storage_period.c.tenant_id == tenant)
        .group_by(storage_line.c.kept_as)
        .order_by(storage_line.c.kept_as)
    )
    return StorageTotal(
        # Summed here: over years it outgrows what a database's integers hold.
        byte_s=sum(int(row.byte_s) for row in rows),
        unpriced_byte_s=sum(int(row.unpriced) for row in rows),
        cost_uusd=Uusd(sum(int(row.cost_uusd or 0) for row in rows)),
        lines={row.kept_as: Uusd(int(row.cost or 0)) for row in lines},
    )


def _last_carry(connection: sa.Connection, tenant: TenantId) -> int:
    last = (
        sa.select(storage_period.c.carry)
        .where(storage_period.c.tenant_id == tenant)
        .order_by(storage_period.c.id.desc())
        .limit(1)
    )
    return int(connection.execute(last).scalar() or 0)

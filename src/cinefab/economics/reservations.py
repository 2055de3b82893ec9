"""Reservations: money set aside before the work, posted stage by stage, the rest given back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.ids import JobId, LeaseId, TenantId
from cinefab.core.units import Uusd
from cinefab.economics import journal
from cinefab.economics.tables import Kind, Unit, reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Money set aside for a job under its idempotency key; `left` may still be posted."""

    id: int
    key: str
    job: JobId
    reserved: Uusd
    posted: Uusd
    voided: Uusd
    is_open: bool

    @property
    def left(self) -> Uusd:
        """What is neither posted nor given back."""
        return Uusd(self.reserved - self.posted - self.voided)


def add_reservation(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    job: JobId,
    amount: Uusd,
    key: str,
    now_us: int,
) -> Reservation:
    """Write a new reservation and its transfer; the caller holds the gate and saw the room.

    A reservation of nothing is a row without a transfer: the job may start, and spends nothing.
    """
    row_id = connection.execute(
        reservation.insert()
        .values(tenant_id=tenant, key=key, job_id=job, reserved=amount, created_us=now_us)
        .returning(reservation.c.id)
    ).scalar_one()
    if amount > 0:
        entry = _entry(Kind.RESERVE, f"reserve:{key}", amount, job=job, reservation_id=row_id)
        journal.write_entries(connection, [entry], tenant=tenant, now_us=now_us)
    return Reservation(
        id=row_id,
        key=key,
        job=job,
        reserved=amount,
        posted=Uusd(0),
        voided=Uusd(0),
        is_open=True,
    )


def find_reservation(
    connection: sa.Connection, *, tenant: TenantId, key: str
) -> Reservation | None:
    """Return the reservation with this idempotency key, or None."""
    found = _reservations(connection, tenant, reservation.c.key == key)
    return found[0] if found else None


def reservations_of(
    connection: sa.Connection, *, tenant: TenantId, job: JobId
) -> tuple[Reservation, ...]:
    """Return a job's reservations, open and closed, oldest first."""
    return _reservations(connection, tenant, reservation.c.job_id == job)


def post_from(
    connection: sa.Connection,
    open_ones: Sequence[Reservation],
    amount: Uusd,
    *,
    stage: str,
    lease: LeaseId,
) -> list[journal.Entry]:
    """Take `amount` from the oldest reservations first; return the transfers, not yet written.

    Together they must have `amount` left.
    """
    entries = []
    for one in open_ones:
        part = min(amount, one.left)
        if part == 0:
            continue
        connection.execute(
            reservation.update()
            .where(reservation.c.id == one.id)
            .values(posted=reservation.c.posted + part)
        )
        key = f"post:{one.job}:{stage}:{one.id}"
        entries.append(
            _entry(
                Kind.POST, key, part, job=one.job, reservation_id=one.id, stage=stage, lease=lease
            )
        )
        amount = Uusd(amount - part)
    assert amount == 0, "the caller saw to it that enough is left"
    return entries


def close_reservations(
    connection: sa.Connection,
    open_ones: Sequence[Reservation],
    *,
    tenant: TenantId,
    now_us: int,
) -> Uusd:
    """Give back what is left of each and close them; return the sum."""
    entries = []
    for one in open_ones:
        connection.execute(
            reservation.update()
            .where(reservation.c.id == one.id)
            .values(voided=reservation.c.voided + one.left, closed_us=now_us)
        )
        if one.left > 0:
            key = f"void:{one.key}"
            entries.append(_entry(Kind.VOID, key, one.left, job=one.job, reservation_id=one.id))
    journal.write_entries(connection, entries, tenant=tenant, now_us=now_us)
    return Uusd(sum(one.left for one in open_ones))


def _entry(
    kind: Kind,
    key: str,
    amount: int,
    *,
    job: JobId,
    reservation_id: int,
    stage: str | None = None,
    lease: LeaseId | None = None,
) -> journal.Entry:
    return journal.Entry(
        key=key,
        unit=Unit.UUSD,
        kind=kind,
        debit=journal.SPEND,
        credit=journal.WORK,
        amount=amount,
        job=job,
        stage=stage,
        reservation_id=reservation_id,
        lease=lease,
    )


def _reservations(
    connection: sa.Connection, tenant: TenantId, which: sa.ColumnElement[bool]
) -> tuple[Reservation, ...]:
    query = (
        sa.select(reservation)
        .where(reservation.c.tenant_id == tenant, which)
        .order_by(reservation.c.id)
    )
    return tuple(
        Reservation(
            id=row.id,
            key=row.key,
            job=JobId(row.job_id),
            reserved=Uusd(row.reserved),
            posted=Uusd(row.posted),
            voided=Uusd(row.voided),
            is_open=row.closed_us is None,
        )
        for row in connection.execute(query)
    )

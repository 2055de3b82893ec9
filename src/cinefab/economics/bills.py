"""Bills: what somebody else asks for a stage's work, each piece of work once, whoever tells of it.

A bill is known by its supplier and the supplier's reference. It is written in the transaction that
commits the stage or absorbs what was lost; sent again, for whatever stage, it moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.ids import JobId, LeaseId, TenantId
from cinefab.core.stage import Basis, Bill, TimeClass
from cinefab.core.units import Uusd
from cinefab.economics import journal
from cinefab.economics.tables import Kind, Unit, bill, heard_bill


@dataclass(frozen=True, slots=True, kw_only=True)
class StageBill:
    """A bill as it was written: whose work, for which stage, and what it was worth."""

    id: int
    supplier: str
    reference: str
    job: JobId
    stage: str
    lease: LeaseId
    amount_uusd: Uusd | None
    basis: Basis
    time_class: TimeClass


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplierTotal:
    """What a supplier asks in all: what is known of it, and how many bills nobody knows."""

    supplier: str
    bills: int
    amount_uusd: Uusd
    unknown: int


def record_bills(
    connection: sa.Connection,
    bills: Sequence[Bill],
    *,
    tenant: TenantId,
    job: JobId,
    stage: str,
    lease: LeaseId,
    time_class: TimeClass,
    now_us: int,
) -> tuple[StageBill, ...]:
    """Write the bills that are new; return those. The caller holds the tenant's gate."""
    new: dict[tuple[str, str], Bill] = {}
    for each in bills:
        name = (each.supplier, each.reference)
        if name not in new and not _is_known(connection, tenant, each):
            new[name] = each
    for each in new.values():
        connection.execute(
            bill.insert().values(
                tenant_id=tenant,
                supplier=each.supplier,
                reference=each.reference,
                job_id=job,
                stage=stage,
                lease_id=lease,
                amount_uusd=each.amount_uusd,
                basis=each.basis,
                time_class=time_class.value,
                created_us=now_us,
            )
        )
    of_lease = bills_of(connection, bill.c.tenant_id == tenant, bill.c.lease_id == lease)
    return tuple(each for each in of_lease if (each.supplier, each.reference) in new)


def hear_bill(
    connection: sa.Connection, heard: Bill, *, tenant: TenantId, lease: LeaseId, now_us: int
) -> None:
    """Write down what was asked for work that is under way, so that it outlives its worker."""
    connection.execute(
        heard_bill.insert().values(
            tenant_id=tenant,
            lease_id=lease,
            supplier=heard.supplier,
            reference=heard.reference,
            amount_uusd=heard.amount_uusd,
            basis=heard.basis,
            created_us=now_us,
        )
    )


def take_heard(connection: sa.Connection, *, tenant: TenantId, lease: LeaseId) -> tuple[Bill, ...]:
    """Return what was heard of a lease's work, to be paid now: whoever asks next finds nothing."""
    of_lease = sa.and_(heard_bill.c.tenant_id == tenant, heard_bill.c.lease_id == lease)
    rows = connection.execute(sa.select(heard_bill).where(of_lease).order_by(heard_bill.c.id)).all()
    if rows:
        connection.execute(heard_bill.delete().where(of_lease))
    return tuple(
        Bill(
            amount_uusd=None if row.amount_uusd is None else Uusd(row.amount_uusd),
            basis=row.basis,
            supplier=row.supplier,
            reference=row.reference,
        )
        for row in rows
    )


def bill_entries(bills: Sequence[StageBill], *, paid: int) -> list[journal.Entry]:
    """Return what pays suppliers: `paid` from the job, bill by bill, and the rest from overhead."""
    entries = []
    for each in bills:
        amount = each.amount_uusd or 0
        of_job = min(paid, amount)
        paid -= of_job
        for side, part in ((journal.WORK, of_job), (journal.OVERHEAD, amount - of_job)):
            if part:
                entries.append(
                    journal.Entry(
                        key=f"bill:{each.id}:{side}",
                        unit=Unit.UUSD,
                        kind=Kind.DIRECT,
                        debit=side,
                        credit=journal.supplier(each.supplier),
                        amount=part,
                        job=each.job,
                        stage=each.stage,
                        lease=each.lease,
                    )
                )
    assert paid == 0, "a job pays no more than was asked"
    return entries


def bills_of(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> tuple[StageBill, ...]:
    """Return bills, oldest first."""
    return tuple(
        StageBill(
            id=row.id,
            supplier=row.supplier,
            reference=row.reference,
            job=JobId(row.job_id),
            stage=row.stage,
            lease=LeaseId(row.lease_id),
            amount_uusd=None if row.amount_uusd is None else Uusd(row.amount_uusd),
            basis=row.basis,
            time_class=TimeClass(row.time_class),
        )
        for row in connection.execute(sa.select(bill).where(*which).order_by(bill.c.id))
    )


def bills_of_job(
    connection: sa.Connection, *, tenant: TenantId, job: JobId
) -> tuple[StageBill, ...]:
    """Return what others ask for a job, oldest first."""
    return bills_of(connection, bill.c.tenant_id == tenant, bill.c.job_id == job)


def by_lease(bills: Sequence[StageBill]) -> Mapping[str, list[StageBill]]:
    """Return bills by the lease that they came with."""
    found: dict[str, list[StageBill]] = {}
    for each in bills:
        found.setdefault(each.lease, []).append(each)
    return found


def supplier_totals(connection: sa.Connection, *, tenant: TenantId) -> tuple[SupplierTotal, ...]:
    """Return what each supplier asks of a tenant, by its name."""
    rows = connection.execute(
        sa.select(
            bill.c.supplier,
            sa.func.count().label("bills"),
            sa.func.coalesce(sa.func.sum(bill.c.amount_uusd), 0).label("amount"),
            sa.func.sum(sa.case((bill.c.amount_uusd.is_(None), 1), else_=0)).label("unknown"),
        )
        .where(bill.c.tenant_id == tenant)
        .group_by(bill.c.supplier)
        .order_by(bill.c.supplier)
    )
    return tuple(
        SupplierTotal(
            supplier=row.supplier,
            bills=row.bills,
            amount_uusd=Uusd(int(row.amount)),
            unknown=int(row.unknown),
        )
        for row in rows
    )


def _is_known(connection: sa.Connection, tenant: TenantId, asked: Bill) -> bool:
    query = sa.select(bill.c.id).where(
        bill.c.tenant_id == tenant,
        bill.c.supplier == asked.supplier,
        bill.c.reference == asked.reference,
    )
    return connection.execute(query).first() is not None

"""What the ledger says to people: the cost of a job by stage, and a tenant's whole account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.ids import JobId, LeaseId, TenantId
from cinefab.core.stage import TimeClass
from cinefab.core.units import DeviceUs, Uusd
from cinefab.economics import journal
from cinefab.economics.bills import (
    StageBill,
    SupplierTotal,
    bills_of_job,
    by_lease,
    supplier_totals,
)
from cinefab.economics.storage import StorageTotal, storage_total
from cinefab.economics.tables import (
    Kind,
    Unit,
    account,
    bill,
    lease,
    lease_class,
    reservation,
    transfer,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCost:
    """A charged stage: its lease's device time, and what the job paid (None: unknown)."""

    stage: str
    device_us: DeviceUs
    cost_uusd: Uusd | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseCost:
    """A closed lease of a job: its price, its time by what it went into, what it is owed.

    `cost_uusd` is None where the device has no price. One that was not `charged` was lost: its
    time is ours.
    """

    id: LeaseId
    stage: str
    device_class: str
    nusd_per_s: int | None
    device_us: DeviceUs
    cost_uusd: Uusd | None
    charged: bool
    by_class: Mapping[TimeClass, DeviceUs]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCosts:
    """What a job cost, in the order its stages were charged.

    `total_uusd` is what the job paid; it is None as soon as one stage is unpriced, because a sum
    with an unknown in it is unknown. `overhead_uusd` is what its leases and bills cost that it did
    not pay, lost ones included, None in the same way. `by_class` is all of its leases' time.
    """

    job: JobId
    stages: tuple[StageCost, ...]
    total_uusd: Uusd | None
    overhead_uusd: Uusd | None
    reserved_uusd: Uusd
    posted_uusd: Uusd
    voided_uusd: Uusd
    by_class: Mapping[TimeClass, DeviceUs]
    leases: tuple[LeaseCost, ...]
    bills: tuple[StageBill, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """An account's balances as they are kept beside the journal, in its unit."""

    code: str
    unit: Unit
    debits_pending: int
    debits_posted: int
    credits_pending: int
    credits_posted: int
    debit_limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTotal:
    """A job in the tenant's account: its device time, and what it paid (None: unknown)."""

    job: JobId
    device_us: DeviceUs
    cost_uusd: Uusd | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReport:
    """A tenant's account: balances, device time by class, cost by job and by supplier.

    Money is what is known, in µUSD; `unpriced_us` is the device time that it leaves out.
    """

    balances: tuple[Balance, ...]
    by_class: Mapping[TimeClass, DeviceUs]
    jobs: tuple[JobTotal, ...]
    reserved_uusd: Uusd
    spend_uusd: Uusd
    overhead_uusd: Uusd
    unpriced_us: DeviceUs
    storage: StorageTotal
    suppliers: tuple[SupplierTotal, ...]


def job_costs(connection: sa.Connection, *, tenant: TenantId, job: JobId) -> JobCosts:
    """Return a job's costs; a job that is unknown to the ledger has no stages and cost 0."""
    paid = _posted_by_lease(tenant)
    rows = connection.execute(
        sa.select(lease, sa.func.coalesce(paid.c.amount, 0).label("paid"))
        .select_from(lease.outerjoin(paid, paid.c.lease_id == lease.c.id))
        .where(lease.c.tenant_id == tenant, lease.c.job_id == job, lease.c.closed_us.is_not(None))
        .order_by(lease.c.closed_us, paid.c.first, lease.c.id)
    ).all()
    bills = bills_of_job(connection, tenant=tenant, job=job)
    billed = by_lease(bills)
    owed = {
        row.id: _known_sum([row.cost_uusd, *(each.amount_uusd for each in billed.get(row.id, ()))])
        for row in rows
    }
    stages = tuple(
        StageCost(
            stage=row.stage,
            device_us=DeviceUs(row.device_us),
            cost_uusd=None if owed[row.id] is None else Uusd(int(row.paid)),
        )
        for row in rows
        if row.charge_key is not None
    )
    overhead = [
        None if (whole := owed[row.id]) is None else Uusd(whole - int(row.paid)) for row in rows
    ]
    reserved, posted, voided = _reserved(connection, tenant, job)
    classes = _classes_by_lease(connection, tenant, job)
    return JobCosts(
        job=job,
        stages=stages,
        total_uusd=_known_sum([stage.cost_uusd for stage in stages]),
        overhead_uusd=_known_sum(overhead),
        reserved_uusd=reserved,
        posted_uusd=posted,
        voided_uusd=voided,
        by_class=_time_by_class(connection, lease.c.tenant_id == tenant, lease.c.job_id == job),
        leases=tuple(
            LeaseCost(
                id=LeaseId(row.id),
                stage=row.stage,
                device_class=row.device_class,
                nusd_per_s=row.nusd_per_s,
                device_us=DeviceUs(row.device_us),
                cost_uusd=None if row.cost_uusd is None else Uusd(row.cost_uusd),
                charged=row.charge_key is not None,
                by_class=classes.get(row.id, {}),
            )
            for row in rows
        ),
        bills=bills,
    )


def ledger_report(connection: sa.Connection, *, tenant: TenantId) -> LedgerReport:
    """Return a tenant's whole account."""
    balances = _balances(connection, tenant)
    by_code = {balance.code: balance for balance in balances if balance.unit is Unit.UUSD}
    spend, overhead = by_code.get(journal.SPEND), by_code.get(journal.OVERHEAD)
    jobs, unpriced_us = _jobs(connection, tenant)
    return LedgerReport(
        balances=balances,
        by_class=_time_by_class(connection, lease.c.tenant_id == tenant),
        jobs=jobs,
        reserved_uusd=Uusd(spend.debits_pending if spend else 0),
        spend_uusd=Uusd(spend.debits_posted if spend else 0),
        overhead_uusd=Uusd(overhead.debits_posted if overhead else 0),
        unpriced_us=unpriced_us,
        storage=storage_total(connection, tenant=tenant),
        suppliers=supplier_totals(connection, tenant=tenant),
    )


def _known_sum(amounts: list[Uusd | None] | list[int | None]) -> Uusd | None:
    known = [amount for amount in amounts if amount is not None]
    return Uusd(sum(known)) if len(known) == len(amounts) else None


def _posted_by_lease(tenant: TenantId) -> sa.Subquery:
    posted = sa.case((transfer.c.kind == Kind.POST, transfer.c.amount), else_=0)
    return (
        sa.select(
            transfer.c.lease_id,
            sa.func.sum(posted).label("amount"),
            sa.func.min(transfer.c.id).label("first"),
        )
        .where(transfer.c.tenant_id == tenant)
        .group_by(transfer.c.lease_id)
        .subquery("paid")
    )


def _reserved(connection: sa.Connection, tenant: TenantId, job: JobId) -> tuple[Uusd, Uusd, Uusd]:
    columns = (reservation.c.reserved, reservation.c.posted, reservation.c.voided)
    row = connection.execute(
        sa.select(*(sa.func.sum(column) for column in columns)).where(
            reservation.c.tenant_id == tenant, reservation.c.job_id == job
        )
    ).one()
    reserved, posted, voided = (Uusd(int(figure or 0)) for figure in row)
    return reserved, posted, voided


def _time_by_class(
    connection: sa.Connection, *which: sa.ColumnElement[bool]
) -> Mapping[TimeClass, DeviceUs]:
    rows = connection.execute(
        sa.select(lease_class.c.time_class, sa.func.sum(lease_class.c.device_us).label("us"))
        .join(lease, lease.c.id == lease_class.c.lease_id)
        .where(*which)
        .group_by(lease_class.c.time_class)
    )
    found = {TimeClass(row.time_class): DeviceUs(int(row.us)) for row in rows}
    return {name: found[name] for name in TimeClass if name in found}


def _classes_by_lease(
    connection: sa.Connection, tenant: TenantId, job: JobId
) -> Mapping[str, Mapping[TimeClass, DeviceUs]]:
    rows = connection.execute(
        sa.select(lease_class)
        .join(lease, lease.c.id == lease_class.c.lease_id)
        .where(lease.c.tenant_id == tenant, lease.c.job_id == job)
    )
    found: dict[str, dict[TimeClass, DeviceUs]] = {}
    for row in rows:
        found.setdefault(row.lease_id, {})[TimeClass(row.time_class)] = DeviceUs(row.device_us)
    return {
        lease_id: {name: parts[name] for name in TimeClass if name in parts}
        for lease_id, parts in found.items()
    }


def _balances(connection: sa.Connection, tenant: TenantId) -> tuple[Balance, ...]:
    rows = connection.execute(
        sa.select(account)
        .where(account.c.tenant_id == tenant)
        .order_by(account.c.unit.desc(), account.c.code)
    )
    return tuple(
        Balance(
            code=row.code,
            unit=Unit(row.unit),
            debits_pending=row.debits_pending,
            debits_posted=row.debits_posted,
            credits_pending=row.credits_pending,
            credits_posted=row.credits_posted,
            debit_limit=row.debit_limit,
        )
        for row in rows
    )


def studio_balances(connection: sa.Connection) -> Mapping[tuple[str, Unit], tuple[int, int]]:
    """Return what the accounts of all tenants hold together, by code and unit.

    The pair is what is posted, on whichever side is larger less the other, and what is pending.
    """
    rows = connection.execute(
        sa.select(
            account.c.code,
            account.c.unit,
            sa.func.sum(account.c.debits_posted - account.c.credits_posted).label("posted"),
            sa.func.sum(account.c.debits_pending).label("pending"),
        ).group_by(account.c.code, account.c.unit)
    )
    return {(row.code, Unit(row.unit)): (abs(int(row.posted)), int(row.pending)) for row in rows}


def _jobs(connection: sa.Connection, tenant: TenantId) -> tuple[tuple[JobTotal, ...], DeviceUs]:
    paid = _posted_by_lease(tenant)
    is_unpriced = lease.c.cost_uusd.is_(None)
    unknown_bills = sa.select(bill.c.lease_id).where(
        bill.c.tenant_id == tenant, bill.c.amount_uusd.is_(None)
    )
    is_unknown = sa.and_(
        sa.or_(is_unpriced, lease.c.id.in_(unknown_bills)), lease.c.charge_key.is_not(None)
    )
    rows = connection.execute(
        sa.select(
            lease.c.job_id,
            sa.func.sum(lease.c.device_us).label("us"),
            sa.func.sum(sa.case((is_unpriced, lease.c.device_us), else_=0)).label("unpriced_us"),
            sa.func.sum(sa.case((is_unknown, 1), else_=0)).label("unknown"),
            sa.func.coalesce(sa.func.sum(paid.c.amount), 0).label("paid"),
        )
        .select_from(lease.outerjoin(paid, paid.c.lease_id == lease.c.id))
        .where(lease.c.tenant_id == tenant, lease.c.closed_us.is_not(None))
        .group_by(lease.c.job_id)
        .order_by(sa.func.min(lease.c.opened_us), lease.c.job_id)
    ).all()
    totals = tuple(
        JobTotal(
            job=JobId(row.job_id),
            device_us=DeviceUs(int(row.us)),
            cost_uusd=None if row.unknown else Uusd(int(row.paid)),
        )
        for row in rows
    )
    return totals, DeviceUs(sum(int(row.unpriced_us) for row in rows))

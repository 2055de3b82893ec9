"""The part of the ledger's proof that is about leases: their time, their cost, their stages."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlalchemy as sa

from cinefab.core.ids import JobId, TenantId
from cinefab.core.units import DeviceUs, price_between
from cinefab.economics import journal
from cinefab.economics.findings import Finding, as_usd
from cinefab.economics.ledger import OURS
from cinefab.economics.tables import Kind, Unit, account, lease, lease_class, transfer

_DEBIT = account.alias("debit")
_CREDIT = account.alias("credit")

_LeaseRow = sa.Row[tuple[object, ...]]


def check(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    ended: Collection[JobId],
    committed: Collection[tuple[JobId, str]] | None,
) -> Iterator[Finding]:
    """Yield what is wrong with a tenant's leases and with what they charged."""
    yield from _check_classes(connection, tenant)
    charged: dict[tuple[str, str], int] = {}
    over = set(ended)
    for row in connection.execute(_leases_with_sums(tenant)):
        yield from _check_lease(row)
        if row.closed_us is None and row.job_id in over:
            yield Finding(
                rule="ended_job",
                row=f"lease {row.id} of {row.job_id}",
                wanted="closed, as the job has ended",
                found=f"open since {row.opened_us}",
            )
        if row.charge_key is not None:
            stage = (row.job_id, row.stage)
            charged[stage] = charged.get(stage, 0) + 1
    yield from _check_stages(charged, committed)


def _check_lease(row: _LeaseRow) -> Iterator[Finding]:
    if row.closed_us is None:
        if int(row.in_classes) or int(row.transfers):
            yield Finding(
                rule="lease_time",
                row=f"lease {row.id}",
                wanted="nothing in the journal while it is open",
                found=f"{row.in_classes} us in classes, {row.transfers} transfers",
            )
        return
    if not row.device_us == int(row.in_classes) == int(row.device_time):
        yield Finding(
            rule="lease_time",
            row=f"lease {row.id}",
            wanted=f"{row.device_us} us, its length",
            found=f"{row.in_classes} us in its classes, {row.device_time} us in the journal",
        )
    if row.nusd_per_s is None:
        if int(row.money) - int(row.posted) - int(row.billed) or row.posted != row.billed_to_job:
            yield Finding(
                rule="unpriced",
                row=f"lease {row.id}",
                wanted="no money moved but for bills",
                found=as_usd(int(row.money)),
            )
        return
    yield from _check_cost(row, nusd_per_s=row.nusd_per_s)


def _check_cost(row: _LeaseRow, *, nusd_per_s: int) -> Iterator[Finding]:
    since_us = DeviceUs(int(row.since_us))
    cost = price_between(since_us, DeviceUs(row.device_us), nusd_per_s=nusd_per_s)
    paid, overhead = int(row.paid_by_job), int(row.paid_by_us)
    if not row.cost_uusd == cost == paid + overhead:
        yield Finding(
            rule="lease_cost",
            row=f"lease {row.id}",
            wanted=f"{as_usd(cost)} for {row.device_us} us at {nusd_per_s} nUSD/s",
            found=f"{as_usd(row.cost_uusd)}, of which the job paid {as_usd(paid)} "
            f"and overhead {as_usd(overhead)}",
        )
    passed_on = paid + int(row.billed_to_job)
    if passed_on != int(row.posted):
        yield Finding(
            rule="lease_cost",
            row=f"lease {row.id}",
            wanted=f"{as_usd(passed_on)} posted, as was paid on for the job",
            found=as_usd(int(row.posted)),
        )
    theirs = 0 if row.charge_key is None else int(row.in_their_classes)
    most = price_between(since_us, DeviceUs(theirs), nusd_per_s=nusd_per_s)
    if paid > most:
        yield Finding(
            rule="lease_cost",
            row=f"lease {row.id}",
            wanted=f"the job to pay at most {as_usd(most)}, for {theirs} us",
            found=as_usd(paid),
        )


def _check_stages(
    charged: dict[tuple[str, str], int], committed: Collection[tuple[JobId, str]] | None
) -> Iterator[Finding]:
    for (job, stage), times in charged.items():
        if times > 1:
            yield _stage(job, stage, wanted="charged by one lease", found=f"charged by {times}")
    if committed is None:
        return
    results: set[tuple[str, str]] = set(committed)
    for job, stage in sorted(results - charged.keys()):
        yield _stage(job, stage, wanted="a charge for its result", found="none")
    for job, stage in sorted(charged.keys() - results):
        yield _stage(job, stage, wanted="a result for its charge", found="none")


def _stage(job: str, stage: str, *, wanted: str, found: str) -> Finding:
    return Finding(rule="stage", row=f"stage {stage} of {job}", wanted=wanted, found=found)


def _check_classes(connection: sa.Connection, tenant: TenantId) -> Iterator[Finding]:
    """Hold each class of each lease against its transfers: whatever remains is wrong."""
    kept = (
        sa.select(
            lease_class.c.lease_id,
            (sa.literal("time:") + lease_class.c.time_class).label("code"),
            lease_class.c.device_us.label("us"),
        )
        .join(lease, lease.c.id == lease_class.c.lease_id)
        .where(lease.c.tenant_id == tenant)
    )
    moved = (
        sa.select(transfer.c.lease_id, _DEBIT.c.code, -transfer.c.amount)
        .join(_DEBIT, _DEBIT.c.id == transfer.c.debit_account)
        .where(transfer.c.tenant_id == tenant, transfer.c.unit == Unit.DEVICE_US)
    )
    both = sa.union_all(kept, moved).subquery()
    extra = sa.func.sum(both.c.us)
    rows = connection.execute(
        sa.select(both.c.lease_id, both.c.code, extra.label("extra"))
        .group_by(both.c.lease_id, both.c.code)
        .having(extra != 0)
        .order_by(both.c.lease_id, both.c.code)
    )
    for row in rows:
        yield Finding(
            rule="lease_time",
            row=f"lease {row.lease_id} {row.code}",
            wanted="the same time in the lease and in the journal",
            found=f"{int(row.extra):+d} us in the lease",
        )


def _leases_with_sums(tenant: TenantId) -> sa.Select[tuple[object, ...]]:
    """Return every lease with what its classes and its transfers sum to."""
    us = lease_class.c.device_us
    is_theirs = lease_class.c.time_class.not_in([name.value for name in OURS])
    classes = (
        sa.select(
            lease_class.c.lease_id,
            sa.func.sum(us).label("all"),
            sa.func.sum(sa.case((is_theirs, us), else_=0)).label("theirs"),
        )
        .group_by(lease_class.c.lease_id)
        .subquery("classes")
    )
    moved = _transfers_by_lease(tenant)

    def or_zero(column: sa.ColumnElement[int], name: str) -> sa.ColumnElement[int]:
        return sa.func.coalesce(column, 0).label(name)

    return (
        sa.select(
            lease,
            or_zero(classes.c.all, "in_classes"),
            or_zero(classes.c.theirs, "in_their_classes"),
            *(or_zero(column, column.name) for column in moved.c if column.name != "lease_id"),
        )
        .select_from(
            lease.outerjoin(classes, classes.c.lease_id == lease.c.id).outerjoin(
                moved, moved.c.lease_id == lease.c.id
            )
        )
        .where(lease.c.tenant_id == tenant)
        .order_by(lease.c.opened_us, lease.c.id)
    )


def _transfers_by_lease(tenant: TenantId) -> sa.Subquery:
    owner = lease.alias("owner")
    is_provider = _CREDIT.c.code == sa.literal(journal.provider("")) + owner.c.device_class
    is_supplier = _CREDIT.c.code.startswith(journal.supplier(""))
    is_device = _CREDIT.c.code == sa.literal(journal.device("")) + owner.c.device_class

    def total(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.sum(sa.case((sa.and_(*conditions), transfer.c.amount), else_=0))

    return (
        sa.select(
            transfer.c.lease_id,
            sa.func.count().label("transfers"),
            total(transfer.c.unit == Unit.UUSD).label("money"),
            total(is_device).label("device_time"),
            total(transfer.c.kind == Kind.POST).label("posted"),
            total(_DEBIT.c.code == journal.WORK, is_provider).label("paid_by_job"),
            total(_DEBIT.c.code == journal.OVERHEAD, is_provider).label("paid_by_us"),
            total(is_supplier).label("billed"),
            total(_DEBIT.c.code == journal.WORK, is_supplier).label("billed_to_job"),
        )
        .join(owner, owner.c.id == transfer.c.lease_id)
        .join(_DEBIT, _DEBIT.c.id == transfer.c.debit_account)
        .join(_CREDIT, _CREDIT.c.id == transfer.c.credit_account)
        .where(
            transfer.c.tenant_id == tenant,
            transfer.c.job_id == owner.c.job_id,
            transfer.c.stage == owner.c.stage,
        )
        .group_by(transfer.c.lease_id)
        .subquery("moved")
    )

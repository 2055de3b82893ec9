"""The part of the ledger's proof that is about what others ask: each bill is paid once, whole."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from cinefab.core.ids import TenantId
from cinefab.economics import journal
from cinefab.economics.findings import Finding, as_usd
from cinefab.economics.ledger import OURS
from cinefab.economics.tables import account, bill, lease, transfer

_DEBIT = account.alias("debit")
_CREDIT = account.alias("credit")


def check(connection: sa.Connection, *, tenant: TenantId) -> Iterator[Finding]:
    """Yield what is wrong with a tenant's bills, from the journal's side and from their own."""
    yield from _check_each(connection, tenant)
    yield from _check_suppliers(connection, tenant)


def _check_each(connection: sa.Connection, tenant: TenantId) -> Iterator[Finding]:
    def total(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        moved = sa.case((condition, transfer.c.amount), else_=0)
        return sa.func.coalesce(sa.func.sum(moved), 0)

    prefix = sa.literal("bill:") + sa.cast(bill.c.id, sa.Text) + sa.literal(":")
    of_bill = sa.and_(
        transfer.c.tenant_id == bill.c.tenant_id,
        transfer.c.lease_id == bill.c.lease_id,
        transfer.c.job_id == bill.c.job_id,
        transfer.c.stage == bill.c.stage,
        transfer.c.key.in_([prefix + journal.WORK, prefix + journal.OVERHEAD]),
    )
    is_theirs = _CREDIT.c.code == sa.literal(journal.supplier("")) + bill.c.supplier
    rows = connection.execute(
        sa.select(
            bill,
            lease.c.charge_key,
            lease.c.job_id.label("lease_job"),
            lease.c.stage.label("lease_stage"),
            total(is_theirs).label("paid"),
            total(sa.and_(is_theirs, _DEBIT.c.code == journal.WORK)).label("by_job"),
        )
        .select_from(
            bill.join(lease, lease.c.id == bill.c.lease_id)
            .outerjoin(transfer, of_bill)
            .outerjoin(_DEBIT, _DEBIT.c.id == transfer.c.debit_account)
            .outerjoin(_CREDIT, _CREDIT.c.id == transfer.c.credit_account)
        )
        .where(bill.c.tenant_id == tenant)
        .group_by(bill.c.id, lease.c.id)
        .order_by(bill.c.id)
    )
    for row in rows:
        name = f"bill {row.id} ({row.supplier} {row.reference})"
        if (row.lease_job, row.lease_stage) != (row.job_id, row.stage):
            yield Finding(
                rule="bill",
                row=name,
                wanted=f"stage {row.lease_stage} of {row.lease_job}, as its lease",
                found=f"stage {row.stage} of {row.job_id}",
            )
        if int(row.paid) != (row.amount_uusd or 0):
            asked = "nothing" if row.amount_uusd is None else as_usd(row.amount_uusd)
            yield Finding(
                rule="bill",
                row=name,
                wanted=f"{asked} paid to {row.supplier}",
                found=as_usd(int(row.paid)),
            )
        is_ours = row.charge_key is None or row.time_class in {each.value for each in OURS}
        if is_ours and int(row.by_job):
            yield Finding(
                rule="bill",
                row=name,
                wanted="overhead to pay for what was lost or thrown away",
                found=f"{as_usd(int(row.by_job))} paid by the job",
            )


def _check_suppliers(connection: sa.Connection, tenant: TenantId) -> Iterator[Finding]:
    """Hold what each supplier is credited against its bills: whatever remains is wrong."""
    asked = sa.select(
        (sa.literal(journal.supplier("")) + bill.c.supplier).label("code"),
        sa.func.coalesce(bill.c.amount_uusd, 0).label("uusd"),
    ).where(bill.c.tenant_id == tenant)
    moved = (
        sa.select(_CREDIT.c.code, -transfer.c.amount)
        .join(_CREDIT, _CREDIT.c.id == transfer.c.credit_account)
        .where(
            transfer.c.tenant_id == tenant,
            _CREDIT.c.code.startswith(journal.supplier("")),
        )
    )
    both = sa.union_all(asked, moved).subquery()
    extra = sa.func.sum(both.c.uusd)
    rows = connection.execute(
        sa.select(both.c.code, extra.label("extra"))
        .group_by(both.c.code)
        .having(extra != 0)
        .order_by(both.c.code)
    )
    for row in rows:
        yield Finding(
            rule="bill",
            row=f"account {row.code}",
            wanted="the same in bills and in the journal",
            found=f"{int(row.extra):+d} µUSD in bills",
        )

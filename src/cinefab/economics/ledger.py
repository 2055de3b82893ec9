"""The ledger's three moves: reserve before the work, post for each stage, void the rest.

Everything happens inside the caller's transaction, so a charge becomes true together with the
result that it paid for. Each move may be sent twice and happens once.

    reserve   pending  Dr spend          Cr work
    post      posted   Dr spend          Cr work            against the reservation
              direct   Dr work           Cr provider:<device class>
    void      released Dr spend          Cr work
              direct   Dr work           Cr supplier:<name>           what somebody else asks
    ours      direct   Dr overhead       Cr provider:<device class>
              direct   Dr overhead       Cr supplier:<name>
    time      direct   Dr time:<class>   Cr device:<device class>

A customer pays for a lease's time except what broke, was thrown away or was lost (`OURS`), and for
what somebody else asks in the same way. A bill that nobody knows the amount of moves no money and
makes what it was for cost an unknown amount.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from cinefab.core.errors import BudgetTooSmall
from cinefab.core.ids import JobId, LeaseId, TenantId
from cinefab.core.stage import Bill, Charge, TimeClass
from cinefab.core.units import NO_TIME, DeviceUs, Uusd, price_between
from cinefab.economics import journal, leases, reservations
from cinefab.economics.bills import bill_entries, bills_of, record_bills, take_heard
from cinefab.economics.budgets import give_back_to_budgets, take_from_budgets
from cinefab.economics.errors import JobClosed, KeyReused
from cinefab.economics.findings import as_usd
from cinefab.economics.leases import OpenLease
from cinefab.economics.reservations import Reservation
from cinefab.economics.tables import Kind, Unit, account, bill, transfer
from cinefab.economics.tables import lease as lease_table

OURS: Final = frozenset(
    {TimeClass.SCRAP, TimeClass.PREEMPT_WASTE, TimeClass.DOWN, TimeClass.SHADOW}
)
"""Time that no customer pays for: it goes to overhead."""


class Overrun(StrEnum):
    """What happens when a stage costs more than is left of its job's reservations."""

    EXTEND = "extend"  # a second reservation, as far as the account's limit allows
    ABSORB = "absorb"  # the price was fixed: what is over goes to overhead


def reserve(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    job: JobId,
    amount: Uusd,
    key: str,
    now_us: int,
) -> Reservation:
    """Set money aside for a job, once per `key`; `amount` may be 0 for work that costs nothing.

    Sent again, the first reservation is returned as it is by now. Raises `KeyReused` for the
    same key with another amount or job, and `BudgetTooSmall` over the tenant's limit or a budget
    that the job comes under, in each case having written nothing.
    """
    assert amount >= 0, "a reservation is not negative"
    gate = journal.take_gate(connection, tenant=tenant)
    known = reservations.find_reservation(connection, tenant=tenant, key=key)
    if known is not None:
        return _same_reservation(known, job=job, amount=amount)
    _check_room(gate, amount, attempted=f"reserve {as_usd(amount)} for {job}")
    take_from_budgets(connection, tenant=tenant, job=job, amount=amount, now_us=now_us)
    return reservations.add_reservation(
        connection, tenant=tenant, job=job, amount=amount, key=key, now_us=now_us
    )


def post_charge(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    job: JobId,
    stage: str,
    charge: Charge,
    overrun: Overrun,
    now_us: int,
) -> Uusd | None:
    """Close a stage's lease and charge it with its bills; return what the job pays.

    None where the device is unpriced or a bill's amount is unknown; what is known is paid. A stage
    is charged once: posting it again returns what was recorded and writes nothing. If it was run
    again on another lease, the job still pays once; that lease's time is absorbed, and so are its
    bills for work that was not billed before.

    Raises `LeaseClosed` when the lease was absorbed meanwhile, `JobClosed` when the job's
    reservations were all given back, `BudgetTooSmall` when an extension would pass the limit,
    and `LedgerConflict` when the lease is not this stage's; the caller then rolls back.
    """
    assert all(us >= 0 for us in charge.by_class.values()), "time is not negative"
    journal.take_gate(connection, tenant=tenant)
    paid_by = _lease_that_charged(connection, tenant=tenant, job=job, stage=stage)
    if paid_by is not None:
        if charge.lease != paid_by:
            absorb_lost_lease(
                connection,
                tenant=tenant,
                lease=charge.lease,
                lost_us=charge.device_us,
                since_us=charge.since_us,
                bills=charge.bills,
                now_us=now_us,
            )
        return _recorded_cost(connection, paid_by)
    opened = leases.find_open_lease(connection, charge.lease, tenant=tenant)
    if opened is None:
        raise leases.lease_is_closed(charge.lease)
    leases.check_lease_is_for(opened, job=job, stage=stage, device_class=charge.device_class)
    owed = _cost(opened, charge.by_class, since_us=charge.since_us)
    leases.close_lease(
        connection,
        opened.id,
        tenant=tenant,
        by_class=charge.by_class,
        since_us=charge.since_us,
        cost=owed,
        charge_key=_charge_key(job, stage),
        now_us=now_us,
    )
    billed = record_bills(
        connection,
        (*charge.bills, *take_heard(connection, tenant=tenant, lease=opened.id)),
        tenant=tenant,
        job=job,
        stage=stage,
        lease=opened.id,
        time_class=charge.billed_class,
        now_us=now_us,
    )
    theirs = {name: us for name, us in charge.by_class.items() if name not in OURS}
    for_time = _cost(opened, theirs, since_us=charge.since_us) or 0
    for_bills = 0
    if charge.billed_class not in OURS:
        for_bills = sum(each.amount_uusd or 0 for each in billed)
    posts = _posts(connection, opened, Uusd(for_time + for_bills), overrun=overrun, now_us=now_us)
    paid = sum(post.amount for post in posts)
    # Of what a budget leaves, time is paid first.
    paid_for_time = min(paid, for_time)
    entries = [
        *_time_entries(opened, charge.by_class),
        *posts,
        *_provider_entries(opened, paid=paid_for_time, ours=(owed or 0) - paid_for_time),
        *bill_entries(billed, paid=paid - paid_for_time),
    ]
    journal.write_entries(connection, entries, tenant=tenant, now_us=now_us)
    is_known = owed is not None and all(each.amount_uusd is not None for each in billed)
    return Uusd(paid) if is_known else None


def void_rest(connection: sa.Connection, *, tenant: TenantId, job: JobId, now_us: int) -> Uusd:
    """Close every reservation of a job and return what this gave back; 0 when sent again."""
    journal.take_gate(connection, tenant=tenant)
    open_ones = _open_ones(connection, tenant, job)
    left = {one.id: one.left for one in open_ones}
    give_back_to_budgets(connection, tenant=tenant, job=job, left=left)
    return reservations.close_reservations(connection, open_ones, tenant=tenant, now_us=now_us)


def absorb_lost_lease(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    lease: LeaseId,
    lost_us: DeviceUs,
    now_us: int,
    since_us: DeviceUs = NO_TIME,
    bills: Sequence[Bill] = (),
) -> Uusd | None:
    """Close a lease whose work was lost: `lost_us` of waste, and its `bills`, paid by overhead.

    `since_us` is where that time begins in a run that several stages share.

    What was heard of its work before is paid with them, whoever heard it. Return what its time cost,
    None where unpriced. The time of a lease that is closed already is
    left alone, and costs nothing more: whoever came first has accounted for it.
    """
    assert lost_us >= 0, "time is not negative"
    journal.take_gate(connection, tenant=tenant)
    bills = (*bills, *take_heard(connection, tenant=tenant, lease=lease))
    _absorb_bills(connection, bills, tenant=tenant, lease=lease, now_us=now_us)
    opened = leases.find_open_lease(connection, lease, tenant=tenant)
    if opened is None:
        return Uusd(0)
    by_class = {TimeClass.PREEMPT_WASTE: lost_us}
    owed = _cost(opened, by_class, since_us=since_us)
    leases.close_lease(
        connection,
        lease,
        tenant=tenant,
        by_class=by_class,
        since_us=since_us,
        cost=owed,
        charge_key=None,
        now_us=now_us,
    )
    entries = _time_entries(opened, by_class)
    entries += _provider_entries(opened, paid=0, ours=owed or 0)
    journal.write_entries(connection, entries, tenant=tenant, now_us=now_us)
    return owed


def set_spend_limit(connection: sa.Connection, *, tenant: TenantId, limit: Uusd | None) -> None:
    """Set the most that a tenant may have reserved and posted together; None lifts the limit.

    Raises `BudgetTooSmall` when more than that is spent or reserved already.
    """
    gate = journal.take_gate(connection, tenant=tenant)
    used = gate.pending + gate.posted
    if limit is not None and limit < used:
        raise BudgetTooSmall(
            attempted=f"limit {tenant} to {as_usd(limit)}",
            found=f"{as_usd(used)} is spent or reserved already",
            remedy="Set a higher limit, or wait until running jobs give back their rest.",
        )
    connection.execute(
        account.update()
        .where(
            account.c.tenant_id == tenant,
            account.c.code == journal.SPEND,
            account.c.unit == Unit.UUSD,
        )
        .values(debit_limit=limit)
    )


def _absorb_bills(
    connection: sa.Connection,
    bills: Sequence[Bill],
    *,
    tenant: TenantId,
    lease: LeaseId,
    now_us: int,
) -> None:
    if not bills:
        return
    was = connection.execute(
        sa.select(lease_table.c.job_id, lease_table.c.stage).where(
            lease_table.c.id == lease, lease_table.c.tenant_id == tenant
        )
    ).one()
    billed = record_bills(
        connection,
        bills,
        tenant=tenant,
        job=JobId(was.job_id),
        stage=was.stage,
        lease=lease,
        time_class=TimeClass.PREEMPT_WASTE,
        now_us=now_us,
    )
    journal.write_entries(connection, bill_entries(billed, paid=0), tenant=tenant, now_us=now_us)


def _posts(
    connection: sa.Connection, opened: OpenLease, price: Uusd, *, overrun: Overrun, now_us: int
) -> list[journal.Entry]:
    """Take a stage's price from its job's reservations, as far as `overrun` says."""
    if price == 0:
        return []
    every = reservations.reservations_of(connection, tenant=opened.tenant, job=opened.job)
    open_ones = [one for one in every if one.is_open]
    if every and not open_ones:
        raise JobClosed(
            attempted=f"charge {as_usd(price)} for stage {opened.stage} to {opened.job}",
            found="its reservations were given back: the job has ended or was cancelled",
            remedy="Absorb the lease as lost; reserve again before the job runs again.",
        )
    left = sum(one.left for one in open_ones)
    if price > left:
        if overrun is Overrun.ABSORB:
            price = Uusd(left)
        else:
            open_ones.append(_extend(connection, opened, Uusd(price - left), now_us=now_us))
    return reservations.post_from(connection, open_ones, price, stage=opened.stage, lease=opened.id)


def _extend(
    connection: sa.Connection, opened: OpenLease, amount: Uusd, *, now_us: int
) -> Reservation:
    return reserve(
        connection,
        tenant=opened.tenant,
        job=opened.job,
        amount=amount,
        key=f"{_charge_key(opened.job, opened.stage)}:extend",
        now_us=now_us,
    )


def _time_entries(opened: OpenLease, by_class: Mapping[TimeClass, DeviceUs]) -> list[journal.Entry]:
    return [
        journal.Entry(
            key=f"time:{opened.id}:{time_class.value}",
            unit=Unit.DEVICE_US,
            kind=Kind.DIRECT,
            debit=journal.time_of(time_class),
            credit=journal.device(opened.device_class),
            amount=us,
            job=opened.job,
            stage=opened.stage,
            lease=opened.id,
        )
        for time_class, us in by_class.items()
        if us > 0
    ]


def _provider_entries(opened: OpenLease, *, paid: int, ours: int) -> list[journal.Entry]:
    """Pay the provider: what the job paid from `work`, the rest from `overhead`."""
    sides = ((journal.WORK, paid), (journal.OVERHEAD, ours))
    return [
        journal.Entry(
            key=f"{side}:{opened.id}",
            unit=Unit.UUSD,
            kind=Kind.DIRECT,
            debit=side,
            credit=journal.provider(opened.device_class),
            amount=amount,
            job=opened.job,
            stage=opened.stage,
            lease=opened.id,
        )
        for side, amount in sides
        if amount > 0
    ]


def _cost(
    opened: OpenLease, by_class: Mapping[TimeClass, DeviceUs], *, since_us: DeviceUs
) -> Uusd | None:
    # Rounded up once for the whole: what is ours is the difference, so the parts always sum.
    if opened.nusd_per_s is None:
        return None
    us = DeviceUs(sum(by_class.values()))
    return price_between(since_us, us, nusd_per_s=opened.nusd_per_s)


def _lease_that_charged(
    connection: sa.Connection, *, tenant: TenantId, job: JobId, stage: str
) -> LeaseId | None:
    query = sa.select(lease_table.c.id).where(
        lease_table.c.tenant_id == tenant, lease_table.c.charge_key == _charge_key(job, stage)
    )
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else LeaseId(found)


def _recorded_cost(connection: sa.Connection, charged: LeaseId) -> Uusd | None:
    is_priced = connection.execute(
        sa.select(lease_table.c.cost_uusd.is_not(None)).where(lease_table.c.id == charged)
    ).scalar_one()
    billed = bills_of(connection, bill.c.lease_id == charged)
    if not is_priced or any(each.amount_uusd is None for each in billed):
        return None
    posted = connection.execute(
        sa.select(sa.func.sum(transfer.c.amount)).where(
            transfer.c.lease_id == charged, transfer.c.kind == Kind.POST
        )
    ).scalar_one()
    return Uusd(int(posted or 0))


def _open_ones(connection: sa.Connection, tenant: TenantId, job: JobId) -> list[Reservation]:
    every = reservations.reservations_of(connection, tenant=tenant, job=job)
    return [one for one in every if one.is_open]


def _same_reservation(known: Reservation, *, job: JobId, amount: Uusd) -> Reservation:
    if (known.job, known.reserved) != (job, amount):
        raise KeyReused(
            attempted=f"reserve {as_usd(amount)} for {job} under the key {known.key!r}",
            found=f"that key already reserved {as_usd(known.reserved)} for {known.job}",
            remedy="Use a new key for a new reservation.",
        )
    return known


def _check_room(gate: journal.Gate, amount: Uusd, *, attempted: str) -> None:
    if gate.room is not None and amount > gate.room:
        raise BudgetTooSmall(
            attempted=attempted,
            found=f"only {as_usd(gate.room)} is left under the tenant's limit",
            remedy="Raise the limit, ask for less, or wait until running jobs give back theirs.",
        )


def _charge_key(job: JobId, stage: str) -> str:
    return f"{job}:{stage}"

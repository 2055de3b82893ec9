"""The proof that the ledger balances, by a second path: from the journal, never from balances.

Every figure that the writers keep beside the journal (balances, counters, a lease's length and
cost) is computed again in SQL from the transfers, and every rule that they should have kept is
looked up from the other side. What differs is a finding that names the row and both figures.

    flow            every transfer is one of the moves that the ledger knows
    sides           both accounts of a transfer are the tenant's, in the transfer's unit
    balance         an account's balances are what its transfers sum to
    both_sides      debits equal credits in every unit
    limit           what was reserved and posted stays within the account's limit
    reservation     its counters are what its transfers sum to, and no more than was reserved
    ended_job       an ended job has nothing reserved and no open lease
    lease_time      a lease's time is in its classes, and each class in the journal, to the µs
    lease_cost      a lease costs its time at its price; the job and overhead pay exactly that
    unpriced        an unpriced lease moves no money
    bill            a bill is paid once, whole, to its supplier, and by the job only if it should be
    stage           a stage is charged by exactly one lease
    work            nothing stays between the tenant and the provider
    budget          what a budget has used is what its reservations hold or have posted
    storage         periods follow each other; each costs its byte-seconds and is posted once
    totals          what stages, overhead and storage cost is what providers and suppliers are owed
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.ids import JobId, TenantId
from cinefab.core.units import DeviceUs, Uusd
from cinefab.economics import check_bills, check_budgets, check_leases, check_storage, journal
from cinefab.economics.findings import Finding, as_usd
from cinefab.economics.storage import STORAGE
from cinefab.economics.tables import Kind, Unit, account, bill, lease, reservation, transfer

_DEBIT = account.alias("debit")
_CREDIT = account.alias("credit")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCheck:
    """What the check found, and the figures it went by; it holds when nothing was found.

    Money is posted µUSD, except `reserved_uusd`, which is still pending. `unpriced_us` is device
    time whose cost nobody knows, `unknown_bills` how many suppliers did not say what they ask.
    """

    findings: tuple[Finding, ...]
    transfers: int
    leases: int
    device_us: DeviceUs
    unpriced_us: DeviceUs
    reserved_uusd: Uusd
    spend_uusd: Uusd
    overhead_uusd: Uusd
    provider_uusd: Uusd
    storage_uusd: Uusd
    supplier_uusd: Uusd
    unknown_bills: int

    @property
    def holds(self) -> bool:
        """Whether the ledger balances."""
        return not self.findings


def check_ledger(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    ended: Collection[JobId] = (),
    committed: Collection[tuple[JobId, str]] | None = None,
) -> LedgerCheck:
    """Prove a tenant's ledger; `ended` jobs must have nothing reserved and no open lease.

    With `committed`, the pairs of job and stage that have a result, each of them must have been
    charged, and nothing else. Takes seconds for a hundred thousand transfers.
    """
    _hold_still(connection, tenant)
    money = _Money.of(connection, tenant)
    findings = (
        *_check_flow(connection, tenant),
        *_check_sides(connection, tenant),
        *_check_balances(connection, tenant),
        *_check_reservations(connection, tenant, ended),
        *check_leases.check(connection, tenant=tenant, ended=ended, committed=committed),
        *check_bills.check(connection, tenant=tenant),
        *check_storage.check(connection, tenant=tenant),
        *check_budgets.check(connection, tenant=tenant),
        *_check_work(connection, tenant),
        *_check_totals(connection, tenant, money),
    )
    leases = connection.execute(
        sa.select(
            sa.func.count(),
            sa.func.sum(lease.c.device_us),
            sa.func.sum(sa.case((lease.c.nusd_per_s.is_(None), lease.c.device_us), else_=0)),
        ).where(lease.c.tenant_id == tenant, lease.c.closed_us.is_not(None))
    ).one()
    unknown = sa.select(sa.func.count()).where(
        bill.c.tenant_id == tenant, bill.c.amount_uusd.is_(None)
    )
    return LedgerCheck(
        findings=findings,
        transfers=money.transfers,
        leases=leases[0],
        device_us=DeviceUs(int(leases[1] or 0)),
        unpriced_us=DeviceUs(int(leases[2] or 0)),
        reserved_uusd=Uusd(money.pending),
        spend_uusd=Uusd(money.posted),
        overhead_uusd=Uusd(money.overhead),
        provider_uusd=Uusd(money.provider),
        storage_uusd=Uusd(money.storage),
        supplier_uusd=Uusd(money.supplier),
        unknown_bills=connection.execute(unknown).scalar_one(),
    )


def _hold_still(connection: sa.Connection, tenant: TenantId) -> None:
    # Where every statement sees its own moment, writers have to wait until all were read.
    if connection.dialect.name != "postgresql":
        return
    if connection.get_isolation_level() == "READ COMMITTED":
        gate = sa.select(account.c.id).where(
            account.c.tenant_id == tenant,
            account.c.code == journal.SPEND,
            account.c.unit == Unit.UUSD,
        )
        connection.execute(gate.with_for_update(read=True))


def _sum_if(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, transfer.c.amount), else_=0)), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Money:
    """Sums over a tenant's whole journal, in µUSD."""

    transfers: int
    pending: int
    posted: int
    overhead: int
    provider: int
    supplier: int
    storage: int

    @classmethod
    def of(cls, connection: sa.Connection, tenant: TenantId) -> _Money:
        kind = transfer.c.kind
        row = connection.execute(
            sa.select(
                sa.func.count(transfer.c.id),
                _sum_if(kind == Kind.RESERVE) - _sum_if(kind.in_([Kind.POST, Kind.VOID])),
                _sum_if(kind == Kind.POST),
                _sum_if(_DEBIT.c.code == journal.OVERHEAD),
                _sum_if(_CREDIT.c.code.startswith(journal.provider(""))),
                _sum_if(_CREDIT.c.code.startswith(journal.supplier(""))),
                _sum_if(_DEBIT.c.code == STORAGE),
            )
            .select_from(_with_accounts())
            .where(transfer.c.tenant_id == tenant)
        ).one()
        count, pending, posted, overhead, provider, supplier, storage = map(int, row)
        return cls(
            transfers=count,
            pending=pending,
            posted=posted,
            overhead=overhead,
            provider=provider,
            supplier=supplier,
            storage=storage,
        )


def _with_accounts() -> sa.FromClause:
    return transfer.join(_DEBIT, _DEBIT.c.id == transfer.c.debit_account).join(
        _CREDIT, _CREDIT.c.id == transfer.c.credit_account
    )


def _check_flow(connection: sa.Connection, tenant: TenantId) -> Iterator[Finding]:
    groups = connection.execute(
        sa.select(
            transfer.c.kind,
            transfer.c.unit,
            _DEBIT.c.code.label("debit"),
            _CREDIT.c.code.label("credit"),
            transfer.c.lease_id.is_not(None).label("has_lease"),
            sa.func.count().label("rows"),
            sa.func.min(transfer.c.id).label("first"),
            sa.func.sum(transfer.c.amount).label("amount"),
        )
        .select_from(_with_accounts())
        .where(transfer.c.tenant_id == tenant)
        .group_by(
            transfer.c.kind,
            transfer.c.unit,
            _DEBIT.c.code,
            _CREDIT.c.code,
            transfer.c.lease_id.is_not(None),
        )
    )
    for row in groups:
        if not _is_known_move(row):
            yield Finding(
                rule="flow",
                row=f"transfer {row.first} and {row.rows - 1} like it",
                wanted="a move that the ledger knows",
                found=f"{row.kind} of {row.amount} {row.unit} from {row.credit} to {row.debit}"
                f"{'' if row.has_lease else ' without a lease'}",
            )


def _is_known_move(row: sa.Row[tuple[object, ...]]) -> bool:
    match (row.kind, row.unit, row.has_lease):
        case (Kind.RESERVE | Kind.VOID, Unit.UUSD, False) | (Kind.POST, Unit.UUSD, True):
            return (row.debit, row.credit) == (journal.SPEND, journal.WORK)
        case (Kind.DIRECT, Unit.UUSD, False):
            return (row.debit, row.credit) == (STORAGE, journal.provider(STORAGE))
        case (Kind.DIRECT, Unit.UUSD, True):
            is_ours = row.debit in (journal.WORK, journal.OVERHEAD)
            return is_ours and row.credit.startswith((journal.provider(""), journal.supplier("")))
        case (Kind.DIRECT, Unit.DEVICE_US, True):
            return bool(row.debit.startswith("time:") and row.credit.startswith(journal.device("")))
        case _:
            return False


def _check_sides(connection: sa.Connection, tenant: TenantId) -> Iterator[Finding]:
    wrong = connection.execute(
        sa.select(
            transfer.c.id,
            transfer.c.unit,
            _DEBIT.c.unit.label("debit_unit"),
            _CREDIT.c.unit.label("credit_unit"),
            _DEBIT.c.tenant_id.label("debit_tenant"),
            _CREDIT.c.tenant_id.label("credit_tenant"),
        )
        .select_from(_with_accounts())
        .where(
            transfer.c.tenant_id == tenant,
            sa.or_(
                _DEBIT.c.unit != transfer.c.unit,
                _CREDIT.c.unit != transfer.c.unit,
                _DEBIT.c.tenant_id != tenant,
                _CREDIT.c.tenant_id != tenant,
            ),
        )
    )
    for row in wrong:
        yield Finding(
            rule="sides",
            row=f"transfer {row.id}",
            wanted=f"two accounts of {tenant} in {row.unit}",
            found=f"{row.debit_unit} of {row.debit_tenant} and "
            f"{row.credit_unit} of {row.credit_tenant}",
        )


_BALANCES = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")


def _check_balances(connection: sa.Connection, tenant: TenantId) -> Iterator[Finding]:
    replay = _replay(tenant)
    rows = connection.execute(
        sa.select(
            account,
            *(sa.func.coalesce(replay.c[name], 0).label(f"replay_{name}") for name in _BALANCES),
        )
        .select_from(account.outerjoin(replay, replay.c.account_id == account.c.id))
        .where(account.c.tenant_id == tenant)
        .order_by(account.c.id)
    )
    by_unit: dict[str, list[int]] = {}
    for row in rows:
        stored = [getattr(row, name) for name in _BALANCES]
        replayed = [int(getattr(row, f"replay_{name}")) for name in _BALANCES]
        for name, is_stored, sums_to in zip(_BALANCES, stored, replayed, strict=True):
            if is_stored != sums_to:
                yield Finding(
                    rule="balance",
                    row=f"account {row.id} ({row.code}) {name}",
                    wanted=f"{sums_to} {row.unit} by the journal",
                    found=f"{is_stored} {row.unit}",
                )
        if row.debit_limit is not None and replayed[0] + replayed[1] > row.debit_limit:
            yield Finding(
                rule="limit",
                row=f"account {row.id} ({row.code})",
                wanted=f"at most {row.debit_limit} {row.unit}",
                found=f"{replayed[0] + replayed[1]} {row.unit} by the journal",
            )
        sums = by_unit.setdefault(row.unit, [0, 0, 0, 0])
        by_unit[row.unit] = [a + b for a, b in zip(sums, replayed, strict=True)]
    for unit, (dr_pending, dr_posted, cr_pending, cr_posted) in by_unit.items():
        if (dr_pending, dr_posted) != (cr_pending, cr_posted):
            yield Finding(
                rule="both_sides",
                row=f"all accounts in {unit}",
                wanted=f"credits of {dr_posted} posted and {dr_pending} pending",
                found=f"{cr_posted} posted and {cr_pending} pending",
            )


def _replay(tenant: TenantId) -> sa.Subquery:
    """Return the four balances of every account as the journal sums to them."""
    kind, amount = transfer.c.kind, transfer.c.amount
    pending = sa.case(
        (kind == Kind.RESERVE, amount), (kind.in_([Kind.POST, Kind.VOID]), -amount), else_=0
    )
    posted = sa.case((kind.in_([Kind.POST, Kind.DIRECT]), amount), else_=0)
    debits = (pending, posted, sa.literal(0), sa.literal(0))
    credits_ = (sa.literal(0), sa.literal(0), pending, posted)
    sides = ((transfer.c.debit_account, debits), (transfer.c.credit_account, credits_))
    legs = sa.union_all(
        *(
            sa.select(
                account_id.label("account_id"),
                *(column.label(name) for column, name in zip(columns, _BALANCES, strict=True)),
            ).where(transfer.c.tenant_id == tenant)
            for account_id, columns in sides
        )
    ).subquery()
    sums = [sa.func.sum(legs.c[name]).label(name) for name in _BALANCES]
    return sa.select(legs.c.account_id, *sums).group_by(legs.c.account_id).subquery("replay")


def _check_reservations(
    connection: sa.Connection, tenant: TenantId, ended: Collection[JobId]
) -> Iterator[Finding]:
    moves = [Kind.RESERVE, Kind.POST, Kind.VOID]
    same_job = sa.and_(
        transfer.c.reservation_id == reservation.c.id,
        transfer.c.job_id == reservation.c.job_id,
        transfer.c.tenant_id == reservation.c.tenant_id,
    )
    rows = connection.execute(
        sa.select(reservation, *(_sum_if(transfer.c.kind == kind).label(kind) for kind in moves))
        .select_from(reservation.outerjoin(transfer, same_job))
        .where(reservation.c.tenant_id == tenant)
        .group_by(reservation.c.id)
        .order_by(reservation.c.id)
    )
    over = set(ended)
    for row in rows:
        reserved, posted, voided = int(row.reserve), int(row.post), int(row.void)
        name = f"reservation {row.id} ({row.key}) of {row.job_id}"
        if (row.reserved, row.posted, row.voided) != (reserved, posted, voided):
            yield Finding(
                rule="reservation",
                row=name,
                wanted=f"reserved {reserved}, posted {posted}, voided {voided} by the journal",
                found=f"reserved {row.reserved}, posted {row.posted}, voided {row.voided}",
            )
        if posted + voided > reserved:
            yield Finding(
                rule="reservation",
                row=name,
                wanted=f"at most {as_usd(reserved)} posted and voided",
                found=as_usd(posted + voided),
            )
        left = reserved - posted - voided
        if row.job_id in over and (row.closed_us is None or left != 0):
            yield Finding(
                rule="ended_job",
                row=name,
                wanted="closed, with nothing left",
                found=f"{'open' if row.closed_us is None else 'closed'}, {as_usd(left)} left",
            )


def _check_work(connection: sa.Connection, tenant: TenantId) -> Iterator[Finding]:
    passed = _sum_if(transfer.c.kind == Kind.POST)
    paid = _sum_if(_DEBIT.c.code == journal.WORK)
    rows = connection.execute(
        sa.select(transfer.c.job_id, transfer.c.stage, passed.label("passed"), paid.label("paid"))
        .select_from(_with_accounts())
        .where(transfer.c.tenant_id == tenant)
        .group_by(transfer.c.job_id, transfer.c.stage)
        .having(passed != paid)
        .order_by(transfer.c.job_id, transfer.c.stage)
    )
    for row in rows:
        yield Finding(
            rule="work",
            row=f"stage {row.stage} of {row.job_id}",
            wanted=f"{as_usd(int(row.passed))} paid on to the provider, as posted",
            found=as_usd(int(row.paid)),
        )


def _check_totals(connection: sa.Connection, tenant: TenantId, money: _Money) -> Iterator[Finding]:
    owed = connection.execute(
        sa.select(sa.func.sum(lease.c.cost_uusd)).where(lease.c.tenant_id == tenant)
    ).scalar_one()
    asked = connection.execute(
        sa.select(sa.func.sum(bill.c.amount_uusd)).where(bill.c.tenant_id == tenant)
    ).scalar_one()
    credited = money.provider + money.supplier
    sums = {
        "stages, overhead and storage": money.posted + money.overhead + money.storage,
        "leases, bills and storage": int(owed or 0) + int(asked or 0) + money.storage,
    }
    for name, amount in sums.items():
        if amount != credited:
            yield Finding(
                rule="totals",
                row=name,
                wanted=f"{as_usd(credited)}, as credited to providers and suppliers",
                found=as_usd(amount),
            )

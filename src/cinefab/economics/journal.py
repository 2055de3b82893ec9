"""The journal's pen: the one place where transfers are written and balances move.

Every writer takes the tenant's gate first (`take_gate`: the row of its `spend` account, locked
until the transaction ends). So the writers of one tenant follow each other, a limit that was
read is still true when it is used, and no two of them can wait for each other. A transaction
that writes for several tenants takes their gates in the order of their ids.

On SQLite the gate is the transaction itself, which holds the only write lock there is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cinefab.core.ids import JobId, LeaseId, TenantId
from cinefab.core.stage import TimeClass
from cinefab.economics.tables import Kind, Unit, account, transfer

SPEND: Final = "spend"
"""What a tenant pays; its limit is the most that may be reserved and posted together."""

WORK: Final = "work"
"""Between the tenant and the provider; zero whenever no stage is half-written."""

OVERHEAD: Final = "overhead"
"""What was paid to a provider and no customer bears."""


TIME_PREFIX: Final = "time:"
"""What the codes of the accounts begin with that count time by what it went into."""

DEVICE_PREFIX: Final = "device:"
"""What the codes of the accounts begin with that count time by device class."""


def provider(device_class: str) -> str:
    """Return the code of the account of who is paid for a device class."""
    return f"provider:{device_class}"


def supplier(name: str) -> str:
    """Return the code of the account of somebody who bills us for work."""
    return f"supplier:{name}"


def time_of(time_class: TimeClass) -> str:
    """Return the code of the account that counts the time of a class."""
    return f"{TIME_PREFIX}{time_class.value}"


def device(device_class: str) -> str:
    """Return the code of the account that counts the time of a device class."""
    return f"{DEVICE_PREFIX}{device_class}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A transfer to be written: `amount` from the credited to the debited account, in `unit`."""

    key: str
    unit: Unit
    kind: Kind
    debit: str
    credit: str
    amount: int
    job: JobId
    stage: str | None = None
    reservation_id: int | None = None
    lease: LeaseId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A tenant's `spend` account as it is while the gate is held, in µUSD."""

    pending: int
    posted: int
    limit: int | None

    @property
    def room(self) -> int | None:
        """What may still be reserved, or None without a limit."""
        return None if self.limit is None else self.limit - self.pending - self.posted


def take_gate(connection: sa.Connection, *, tenant: TenantId) -> Gate:
    """Wait until no other transaction writes for this tenant; hold it off until ours ends."""
    ours = (
        sa.select(account.c.debits_pending, account.c.debits_posted, account.c.debit_limit)
        .where(account.c.tenant_id == tenant, account.c.code == SPEND, account.c.unit == Unit.UUSD)
        .with_for_update()
    )
    row = connection.execute(ours).one_or_none()
    if row is None:
        _open_gate(connection, tenant)
        row = connection.execute(ours).one()
    return Gate(pending=row.debits_pending, posted=row.debits_posted, limit=row.debit_limit)


def write_entries(
    connection: sa.Connection, entries: Sequence[Entry], *, tenant: TenantId, now_us: int
) -> None:
    """Write transfers and move their accounts' balances; the caller holds the tenant's gate.

    Raises SQLAlchemy's `IntegrityError` when a key is already there or a limit would be passed:
    both are mistakes of the caller, who looked first.
    """
    if not entries:
        return
    assert all(entry.amount > 0 for entry in entries), "a transfer moves something"
    ids = _account_ids(connection, entries, tenant)
    connection.execute(
        transfer.insert(),
        [
            {
                "tenant_id": tenant,
                "key": entry.key,
                "unit": entry.unit,
                "kind": entry.kind,
                "debit_account": ids[entry.debit, entry.unit],
                "credit_account": ids[entry.credit, entry.unit],
                "amount": entry.amount,
                "reservation_id": entry.reservation_id,
                "lease_id": entry.lease,
                "job_id": entry.job,
                "stage": entry.stage,
                "created_us": now_us,
            }
            for entry in entries
        ],
    )
    _move_balances(connection, entries, ids)


_DELTA: Final = {
    # kind: (pending, posted), in units of the amount, on both sides
    Kind.DIRECT: (0, 1),
    Kind.RESERVE: (1, 0),
    Kind.POST: (-1, 1),
    Kind.VOID: (-1, 0),
}

_MOVE: Final = (
    account.update()
    .where(account.c.id == sa.bindparam("account_id"))
    .values(
        debits_pending=account.c.debits_pending + sa.bindparam("dr_pending"),
        debits_posted=account.c.debits_posted + sa.bindparam("dr_posted"),
        credits_pending=account.c.credits_pending + sa.bindparam("cr_pending"),
        credits_posted=account.c.credits_posted + sa.bindparam("cr_posted"),
    )
)


def _move_balances(
    connection: sa.Connection, entries: Iterable[Entry], ids: dict[tuple[str, Unit], int]
) -> None:
    moved: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for entry in entries:
        pending, posted = (sign * entry.amount for sign in _DELTA[entry.kind])
        debited, credited = ids[entry.debit, entry.unit], ids[entry.credit, entry.unit]
        moved[debited][0] += pending
        moved[debited][1] += posted
        moved[credited][2] += pending
        moved[credited][3] += posted
    names = ("dr_pending", "dr_posted", "cr_pending", "cr_posted")
    connection.execute(
        _MOVE,
        [
            {"account_id": account_id, **dict(zip(names, deltas, strict=True))}
            for account_id, deltas in sorted(moved.items())
        ],
    )


def _account_ids(
    connection: sa.Connection, entries: Iterable[Entry], tenant: TenantId
) -> dict[tuple[str, Unit], int]:
    wanted = {(code, entry.unit) for entry in entries for code in (entry.debit, entry.credit)}
    known = _known_accounts(connection, tenant)
    missing = sorted(wanted - known.keys())
    if missing:
        # The gate is ours, so nobody else is creating them.
        connection.execute(
            account.insert(),
            [{"tenant_id": tenant, "code": code, "unit": unit} for code, unit in missing],
        )
        known = _known_accounts(connection, tenant)
    return known


def _known_accounts(connection: sa.Connection, tenant: TenantId) -> dict[tuple[str, Unit], int]:
    query = sa.select(account.c.id, account.c.code, account.c.unit).where(
        account.c.tenant_id == tenant
    )
    return {(row.code, Unit(row.unit)): row.id for row in connection.execute(query)}


def _open_gate(connection: sa.Connection, tenant: TenantId) -> None:
    # Two first writers may meet here: the second waits for the first and finds its row.
    insert = (
        postgresql.insert(account).on_conflict_do_nothing()
        if connection.dialect.name == "postgresql"
        else sqlite.insert(account).on_conflict_do_nothing()
    )
    connection.execute(insert.values(tenant_id=tenant, code=SPEND, unit=Unit.UUSD))

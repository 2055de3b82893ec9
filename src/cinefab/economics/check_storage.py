"""The part of the ledger's proof that is about storage: every period, its cost, its transfer."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from cinefab.core.ids import TenantId
from cinefab.economics import journal
from cinefab.economics.findings import Finding, as_usd
from cinefab.economics.storage import STORAGE, cost_of, split, transfer_key
from cinefab.economics.tables import account, storage_line, storage_period, transfer


def check(connection: sa.Connection, *, tenant: TenantId) -> Iterator[Finding]:
    """Yield what is wrong with a tenant's storage periods and what was posted for them."""
    lines: dict[int, list[sa.Row[tuple[object, ...]]]] = {}
    for line in connection.execute(
        sa.select(storage_line)
        .join(storage_period, storage_period.c.id == storage_line.c.period_id)
        .where(storage_period.c.tenant_id == tenant)
        .order_by(storage_line.c.period_id, storage_line.c.kept_as)
    ):
        lines.setdefault(line.period_id, []).append(line)
    posted = {
        row.key: int(row.amount)
        for row in connection.execute(
            sa.select(transfer.c.key, transfer.c.amount)
            .join(account, account.c.id == transfer.c.credit_account)
            .where(transfer.c.tenant_id == tenant, account.c.code == journal.provider(STORAGE))
        )
    }
    carried, ended = 0, None
    for row in connection.execute(
        sa.select(storage_period)
        .where(storage_period.c.tenant_id == tenant)
        .order_by(storage_period.c.id)
    ):
        name = f"storage from {row.from_us}"
        if ended is not None and row.from_us != ended:
            yield _wrong(name, wanted=f"to begin at {ended}, where the last ended", found="a gap")
        cost, carry = cost_of(row.byte_s, nusd_per_gb_month=row.nusd_per_gb_month, carried=carried)
        if (row.cost_uusd, row.carry) != (cost, carry):
            wanted = f"{cost} µUSD and {carry} carried, for {row.byte_s} byte-seconds"
            yield _wrong(name, wanted=wanted, found=f"{row.cost_uusd} and {row.carry}")
        of_period = lines.get(row.id, [])
        shares = split(cost, [line.byte_s for line in of_period])
        if [line.cost_uusd for line in of_period] != shares or (
            sum(line.byte_s for line in of_period) != row.byte_s
        ):
            yield _wrong(name, wanted="lines that sum to it", found=f"{len(of_period)} that do not")
        paid = posted.pop(transfer_key(row.from_us), 0)
        if paid != (cost or 0):
            yield _wrong(name, wanted=f"{as_usd(cost or 0)} posted", found=as_usd(paid))
        carried, ended = carry, row.until_us
    for key, amount in posted.items():
        yield _wrong(f"transfer {key}", wanted="a period that it pays for", found=as_usd(amount))


def _wrong(row: str, *, wanted: str, found: str) -> Finding:
    return Finding(rule="storage", row=row, wanted=wanted, found=found)

"""The ledger's tables: accounts, the journal of transfers, reservations, leases, prices.

The journal (`transfer`) is the truth; an account's balances and a reservation's counters are
kept beside it so that a limit can be enforced by the row itself, and `check.py` holds the two
against each other. Journal rows are never changed and never deleted.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from cinefab.core.stage import TimeClass
from cinefab.store.schema import METADATA, RowId, row_id


class Unit(StrEnum):
    """What an account counts: micro-dollars, or microseconds of a device."""

    UUSD = "uusd"
    DEVICE_US = "device_us"


class Kind(StrEnum):
    """A transfer's move: at once, or a reservation and what becomes of it."""

    DIRECT = "direct"
    RESERVE = "reserve"
    POST = "post"
    VOID = "void"


def _one_of(column: str, values: type[StrEnum]) -> str:
    names = ", ".join(f"'{value.value}'" for value in values)
    return f"{column} IN ({names})"


account: Final = sa.Table(
    "account",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("debits_pending", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("debits_posted", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("credits_pending", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("credits_posted", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("debit_limit", sa.BigInteger),
    sa.UniqueConstraint("tenant_id", "code", "unit"),
    sa.CheckConstraint(_one_of("unit", Unit), name="unit"),
    sa.CheckConstraint(
        "debits_pending >= 0 AND debits_posted >= 0"
        " AND credits_pending >= 0 AND credits_posted >= 0",
        name="not_negative",
    ),
    sa.CheckConstraint(
        "debit_limit IS NULL OR debits_posted + debits_pending <= debit_limit", name="no_overdraft"
    ),
    sqlite_autoincrement=True,
)
"""A tenant's accounts, each in one unit; what is pending is reserved and not yet posted."""

reservation: Final = sa.Table(
    "reservation",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
    sa.Column("posted", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("voided", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("closed_us", sa.BigInteger),
    sa.UniqueConstraint("tenant_id", "key"),
    sa.Index(None, "tenant_id", "job_id"),
    sa.CheckConstraint("reserved >= 0 AND posted >= 0 AND voided >= 0", name="not_negative"),
    sa.CheckConstraint("posted + voided <= reserved", name="within"),
    sa.CheckConstraint("closed_us IS NULL OR posted + voided = reserved", name="closed_whole"),
    sqlite_autoincrement=True,
)
"""Money set aside for a job, in µUSD: what of it was posted, what given back, and when it ended."""

spender: Final = sa.Table(
    "spender",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Index(None, "tenant_id", "scope", "subject"),
    sa.CheckConstraint("scope IN ('key', 'label')", name="scope"),
)
"""Whose money a job spends beside its tenant's: the key that ordered it, and each of its labels."""

budget: Final = sa.Table(
    "budget",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("limit_uusd", sa.BigInteger, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    sa.Column("used_uusd", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "scope", "subject", "period"),
    sa.CheckConstraint("scope IN ('tenant', 'key', 'label')", name="scope"),
    sa.CheckConstraint("period IN ('total', 'month')", name="period"),
    sa.CheckConstraint("limit_uusd >= 0 AND used_uusd >= 0", name="not_negative"),
    sqlite_autoincrement=True,
)
"""The most that a tenant, a key or a label may have reserved and spent, in all or in a month.

`used_uusd` is kept beside the journal: what reservations made since `since_us` hold or have posted.
"""

lease: Final = sa.Table(
    "lease",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("device_class", sa.Text, nullable=False),
    sa.Column("worker_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("nusd_per_s", sa.BigInteger),
    sa.Column("devices", sa.Integer, nullable=False, server_default="1"),
    sa.Column("opened_us", sa.BigInteger, nullable=False),
    sa.Column("closed_us", sa.BigInteger),
    sa.Column("device_us", sa.BigInteger),
    sa.Column("cost_uusd", sa.BigInteger),
    sa.Column("charge_key", sa.Text),
    sa.Column("since_us", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("tenant_id", "charge_key"),
    sa.Index(None, "tenant_id", "job_id"),
    sa.Index(None, "worker_id", "closed_us"),
    sa.CheckConstraint("(closed_us IS NULL) = (device_us IS NULL)", name="closed_with_its_time"),
    sa.CheckConstraint(
        "device_us >= 0 AND cost_uusd >= 0 AND nusd_per_s >= 0", name="not_negative"
    ),
    sa.CheckConstraint(
        "(cost_uusd IS NULL) = (closed_us IS NULL OR nusd_per_s IS NULL)", name="priced_is_costed"
    ),
    sa.CheckConstraint("charge_key IS NULL OR closed_us IS NOT NULL", name="charged_when_closed"),
)
"""A stage's time on a device; the price is the one in force when it was opened (None: unpriced).

A gang's lease is of several `devices` at once, and its time is theirs together.
`cost_uusd` is what the provider is owed for the whole of it. `charge_key` is set on the one lease
that charged its stage; a closed lease without it was lost, and its time is ours. `since_us` is where
its time begins in a run that several stages share, whose price is that of the whole.
"""

lease_class: Final = sa.Table(
    "lease_class",
    METADATA,
    sa.Column("lease_id", sa.Text, sa.ForeignKey("lease.id"), primary_key=True),
    sa.Column("time_class", sa.Text, primary_key=True),
    sa.Column("device_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint(_one_of("time_class", TimeClass), name="time_class"),
    sa.CheckConstraint("device_us > 0", name="positive"),
)
"""What a closed lease's time went into; the parts of a lease sum to its `device_us`."""

transfer: Final = sa.Table(
    "transfer",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("debit_account", RowId, sa.ForeignKey("account.id"), nullable=False),
    sa.Column("credit_account", RowId, sa.ForeignKey("account.id"), nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("reservation_id", RowId, sa.ForeignKey("reservation.id")),
    sa.Column("lease_id", sa.Text, sa.ForeignKey("lease.id")),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("stage", sa.Text),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "key"),
    sa.Index(None, "tenant_id", "job_id"),
    sa.Index(None, "lease_id"),
    sa.CheckConstraint(_one_of("unit", Unit), name="unit"),
    sa.CheckConstraint(_one_of("kind", Kind), name="kind"),
    sa.CheckConstraint("amount > 0", name="positive"),
    sa.CheckConstraint("debit_account <> credit_account", name="two_sides"),
    sa.CheckConstraint("(kind = 'direct') = (reservation_id IS NULL)", name="reservation"),
    sqlite_autoincrement=True,
)
"""The journal. `key` is the idempotency key: a transfer that is sent twice is written once."""

bill: Final = sa.Table(
    "bill",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("supplier", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("lease_id", sa.Text, sa.ForeignKey("lease.id"), nullable=False),
    sa.Column("amount_uusd", sa.BigInteger),
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("time_class", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "supplier", "reference"),
    sa.Index(None, "tenant_id", "job_id"),
    sa.Index(None, "lease_id"),
    sa.CheckConstraint("amount_uusd >= 0", name="not_negative"),
    sa.CheckConstraint("basis IN ('answer', 'price-book', 'unknown')", name="basis"),
    sa.CheckConstraint("(amount_uusd IS NULL) = (basis = 'unknown')", name="unknown_has_no_amount"),
    sa.CheckConstraint(_one_of("time_class", TimeClass), name="time_class"),
    sqlite_autoincrement=True,
)
"""What a supplier asks for one piece of work, under its own name for it (None: nobody knows).

It came with the lease whose stage had the work done; `time_class` is what the work was worth. The
same work is in here once, however often it was heard of.
"""

price: Final = sa.Table(
    "price",
    METADATA,
    row_id(),
    sa.Column("device_class", sa.Text, nullable=False),
    sa.Column("nusd_per_s", sa.BigInteger),
    sa.Column("valid_from_us", sa.BigInteger, nullable=False),
    sa.Index(None, "device_class", "valid_from_us"),
    sa.CheckConstraint("nusd_per_s >= 0", name="not_negative"),
    sqlite_autoincrement=True,
)
"""The history of the price of a device class, in nano-dollars a second; None: no longer priced."""

storage_period: Final = sa.Table(
    "storage_period",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("from_us", sa.BigInteger, nullable=False),
    sa.Column("until_us", sa.BigInteger, nullable=False),
    sa.Column("byte_s", sa.BigInteger, nullable=False),
    sa.Column("nusd_per_gb_month", sa.BigInteger),
    sa.Column("cost_uusd", sa.BigInteger),
    sa.Column("carry", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "from_us"),
    sa.CheckConstraint("until_us > from_us", name="forward"),
    sa.CheckConstraint("byte_s >= 0 AND carry >= 0 AND cost_uusd >= 0", name="not_negative"),
    sa.CheckConstraint(
        "(cost_uusd IS NULL) = (nusd_per_gb_month IS NULL)", name="priced_is_costed"
    ),
    sqlite_autoincrement=True,
)
"""What a tenant's blobs took, bytes times seconds, and what it cost (None: unpriced).

Periods follow each other without a gap, none longer than a day. `carry` is what is left below one
µUSD, in parts of `storage.WHOLE`; the next period begins with it, so nothing is lost to rounding.
"""

storage_line: Final = sa.Table(
    "storage_line",
    METADATA,
    sa.Column(
        "period_id",
        RowId,
        sa.ForeignKey("storage_period.id"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("kept_as", sa.Text, primary_key=True),
    sa.Column("byte_s", sa.BigInteger, nullable=False),
    sa.Column("cost_uusd", sa.BigInteger),
)
"""A period by what blobs are kept as; lines sum to their period, to the byte-second and µUSD."""

heard_bill: Final = sa.Table(
    "heard_bill",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("lease_id", sa.Text, nullable=False),
    sa.Column("supplier", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("amount_uusd", sa.BigInteger),
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index(None, "tenant_id", "lease_id"),
    sqlite_autoincrement=True,
)
"""Bills of work that is still under way, written as they are heard: whoever closes the lease, after
its worker has died, too, pays them. They go in the same transaction."""

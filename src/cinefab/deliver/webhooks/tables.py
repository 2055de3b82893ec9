"""Who wants to be told of what, what proves it to them, and what each was told."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA, row_id

webhook: Final = sa.Table(
    "webhook",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("events", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("from_event", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("disabled_us", sa.BigInteger),
    sa.Column("disabled_why", sa.Text),
    sa.Column("removed_us", sa.BigInteger),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("hold_until_us", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("succeeded_us", sa.BigInteger),
    sa.Column("only_subject", sa.Text),
    sa.Column("form", sa.Text),
    sa.Column("over_us", sa.BigInteger),
    sa.Index(None, "tenant_id", "id"),
    sa.Index(None, "only_subject"),
)
"""`events` is a JSON list of kinds, or `noun.*`; what happened up to `from_event` is not told.

`failures` counts how often in a row nobody answered at all; until `hold_until_us` it is left alone.
One with an `only_subject` came with that and is told of it alone, in the `form` (JSON) of the dialect
that it was ordered in; it is `over` when nothing more will become of that.
"""

webhook_secret: Final = sa.Table(
    "webhook_secret",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("webhook_id", sa.Text, sa.ForeignKey("webhook.id"), nullable=False),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("seal_id", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger),
    sa.Index(None, "webhook_id"),
    sqlite_autoincrement=True,
)
"""What messages are signed with (`tenancy/sealed.py`); one that was replaced expires."""

webhook_delivery: Final = sa.Table(
    "webhook_delivery",
    METADATA,
    row_id(),
    sa.Column("public_id", sa.Text, nullable=False, unique=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("webhook_id", sa.Text, sa.ForeignKey("webhook.id"), nullable=False),
    sa.Column("event_id", sa.BigInteger, sa.ForeignKey("outbox.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("log", sa.Text, nullable=False, server_default="[]"),
    sa.Column("due_us", sa.BigInteger, nullable=False),
    sa.Column("claimed_until_us", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("ended_us", sa.BigInteger),
    sa.Column("replay_of", sa.Text),
    sa.CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name="state"),
    sa.Index("ix_webhook_delivery_waiting", "state", "webhook_id", "subject", "id"),
    sa.Index(None, "webhook_id", "id"),
    sqlite_autoincrement=True,
)
"""One event for one webhook. Of a subject the one with the smallest id goes first, and the next
only once it is delivered or dead. `log` is JSON: what each attempt came to, cut short."""

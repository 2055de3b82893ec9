"""Runs of models that failed, which models rest because of it, and who holds which device."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA, row_id

failed_run: Final = sa.Table(
    "failed_run",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("ended", sa.Text),
    sa.Column("follows", sa.Text, nullable=False),
    sa.Column("lease_id", sa.Text),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index(None, "tenant_id", "job_id"),
    sqlite_autoincrement=True,
)
"""Each run of a model that failed, written with the waste of its lease: what is counted when it is
decided whether it is tried again. `ended` is what it took with it: its `process`, or its `worker`,
which nobody can say the model of."""

breaker: Final = sa.Table(
    "breaker",
    METADATA,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("failed", sa.Text, nullable=False),
    sa.Column("until_us", sa.BigInteger, nullable=False),
    sa.Column("rests", sa.Integer, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
)
"""How each version of a model stands that has failed (`name@version`): one row for the whole studio, whoever's jobs they were.

`failed` is the jobs that it failed for lately, with their times; `until_us` is when a model that
rests may be tried, or until when a trial counts as being under way; `rests` how often it rested in
a row."""

device_hold: Final = sa.Table(
    "device_hold",
    METADATA,
    row_id(),
    sa.Column("machine", sa.Text, nullable=False),
    sa.Column("worker_id", sa.Text, nullable=False),
    sa.Column("needs", sa.Text, nullable=False),
    sa.Column("placed", sa.Text),
    sa.Column("is_pinned", sa.Integer, nullable=False, server_default="0"),
    sa.Column("asked_us", sa.BigInteger, nullable=False),
    sa.Column("granted_us", sa.BigInteger),
    sa.Index(None, "machine", "id"),
    sa.Index(None, "worker_id"),
    sa.CheckConstraint("(placed IS NULL) = (granted_us IS NULL)", name="granted_when_placed"),
    sqlite_autoincrement=True,
)
"""A wish for devices that a machine's workers share, in the order of asking, and where it was placed
(NULL: it waits). A row is there as long as somebody waits or holds; what is pinned is never given up
for others."""

"""Runs of models that failed, and which models rest because of it."""

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
"""How each model stands that has failed: one row for the whole studio, whoever's jobs they were.

`failed` is the jobs that it failed for lately, with their times; `until_us` is when a model that
rests may be tried, or until when a trial counts as being under way; `rests` how often it rested in
a row."""

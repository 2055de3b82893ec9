"""The stages that are finished, each once."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA, row_id

stage: Final = sa.Table(
    "stage",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("assets", sa.Text, nullable=False),
    sa.Column("facts", sa.Text, nullable=False),
    sa.Column("cost_uusd", sa.BigInteger),
    sa.Column("committed_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("job_id", "name"),
    sqlite_autoincrement=True,
)
"""One row for each committed stage: the public ids of its assets and what else it found out.

The unique pair is what makes running a stage twice change nothing. `cost_uusd` is null where a
device has no price: unknown, never zero.
"""

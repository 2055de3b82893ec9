"""How long things took."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA, row_id

stage_time: Final = sa.Table(
    "stage_time",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("started_us", sa.BigInteger, nullable=False),
    sa.Column("took_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("job_id", "stage"),
    sa.CheckConstraint("took_us >= 0", name="took_time"),
    sqlite_autoincrement=True,
)
"""One row for each committed stage: the wall clock at its start, and how long it took."""

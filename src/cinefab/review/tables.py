"""What checks found in a cut."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA, row_id

check_result: Final = sa.Table(
    "check_result",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("cut_digest", sa.Text, nullable=False),
    sa.Column("order_digest", sa.Text, nullable=False),
    sa.Column("checks", sa.Text, nullable=False),
    sa.Column("findings", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "cut_digest", "order_digest", "checks"),
    sqlite_autoincrement=True,
)
"""Findings of the checks named in `checks`, versions included, on a cut and what was ordered."""

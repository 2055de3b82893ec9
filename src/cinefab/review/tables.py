"""What checks found in a cut, and the figures of its pieces that they went by."""

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

piece_figures: Final = sa.Table(
    "piece_figures",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("measure", sa.Text, nullable=False),
    sa.Column("figures", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "digest", "measure"),
    sqlite_autoincrement=True,
)
"""What one version of a measure took of the bytes with that digest."""

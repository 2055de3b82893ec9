"""Cuts that left the building."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA, row_id

release: Final = sa.Table(
    "release",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False, unique=True),
    sa.Column("asset_id", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("frames", sa.Integer, nullable=False),
    sa.Column("fps", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index(None, "digest"),
    sqlite_autoincrement=True,
)
"""Each delivered film: the SHA-256 of the whole signed file is the one to hold a file against."""

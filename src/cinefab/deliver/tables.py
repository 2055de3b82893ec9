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

published_entry: Final = sa.Table(
    "published_entry",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("published_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "place", "path"),
    sqlite_autoincrement=True,
)
"""What each file with a plain name was, the last time caches were told of it; by place."""

publication: Final = sa.Table(
    "publication",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("facts", sa.Text, nullable=False),
    sa.Column("published_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "job_id", "place"),
    sqlite_autoincrement=True,
)
"""Where a job's release was sent, beside its own folder: the last time, and what came of it."""

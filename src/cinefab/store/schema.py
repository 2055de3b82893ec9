"""The rows that everything writes, and the column types that every subject's tables are made of.

A subject declares its own tables on `METADATA`; migrations, which create them, live in
`store/migrations`. A test holds the two against each other.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts rows up by itself only in a column whose type is spelled INTEGER.
RowId: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def row_id() -> sa.Column[int]:
    """Return a primary key that counts up in insertion order and is never used again."""
    return sa.Column("id", RowId, primary_key=True, autoincrement=True)


outbox: Final = sa.Table(
    "outbox",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("published_us", sa.BigInteger),
    sa.Index(None, "published_us", "id"),
    sa.Index(None, "subject", "id"),
    sqlite_autoincrement=True,
)
"""Events to be told to the world, in the order in which they became true."""

log_leaf: Final = sa.Table(
    "log_leaf",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("leaf_hash", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index(None, "tenant_id", "id"),
    sqlite_autoincrement=True,
)
"""The audit log's leaves; `leaf_hash` is RFC 6962's SHA-256 of a zero byte and the body."""

worker: Final = sa.Table(
    "worker",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started_us", sa.BigInteger, nullable=False),
    sa.Column("beat_us", sa.BigInteger, nullable=False),
    sa.Column("ended_us", sa.BigInteger),
    sa.Column("settled_us", sa.BigInteger),
    sa.Index(None, "ended_us", "settled_us"),
)
"""Processes that run jobs, and when each was last heard of.

`ended_us` is set once it is over, `settled_us` once its unfinished work has been taken over.
"""

idempotency_key: Final = sa.Table(
    "idempotency_key",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("principal_id", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("body_digest", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "principal_id", "key"),
    sqlite_autoincrement=True,
)
"""Which job a create led to, so that sending it again leads to the same one."""

swept_blob: Final = sa.Table(
    "swept_blob",
    METADATA,
    row_id(),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("kept_as", sa.Text, nullable=False),
    sa.Column("condemned_us", sa.BigInteger, nullable=False),
    sa.Column("swept_us", sa.BigInteger),
    sa.Index(None, "digest"),
    sa.Index(None, "swept_us"),
    sqlite_autoincrement=True,
)
"""Blobs that a sweep took away: condemned in the transaction that found nobody in need of them,
and gone once `swept_us` is set. They belong to no tenant: equal bytes are one blob for all."""

"""Charge what is kept, and sweep what is not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "storage_period",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("byte_s", sa.BigInteger(), nullable=False),
        sa.Column("nusd_per_gb_month", sa.BigInteger(), nullable=True),
        sa.Column("cost_uusd", sa.BigInteger(), nullable=True),
        sa.Column("carry", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(cost_uusd IS NULL) = (nusd_per_gb_month IS NULL)",
            name=op.f("ck_storage_period_priced_is_costed"),
        ),
        sa.CheckConstraint(
            "byte_s >= 0 AND carry >= 0 AND cost_uusd >= 0",
            name=op.f("ck_storage_period_not_negative"),
        ),
        sa.CheckConstraint("until_us > from_us", name=op.f("ck_storage_period_forward")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storage_period")),
        sa.UniqueConstraint(
            "tenant_id", "from_us", name=op.f("uq_storage_period_tenant_id_from_us")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "swept_blob",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("kept_as", sa.Text(), nullable=False),
        sa.Column("condemned_us", sa.BigInteger(), nullable=False),
        sa.Column("swept_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_swept_blob")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_swept_blob_digest"), "swept_blob", ["digest"], unique=False)
    op.create_index(op.f("ix_swept_blob_swept_us"), "swept_blob", ["swept_us"], unique=False)

    op.create_table(
        "storage_line",
        sa.Column(
            "period_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("kept_as", sa.Text(), nullable=False),
        sa.Column("byte_s", sa.BigInteger(), nullable=False),
        sa.Column("cost_uusd", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["period_id"],
            ["storage_period.id"],
            name=op.f("fk_storage_line_period_id_storage_period"),
        ),
        sa.PrimaryKeyConstraint("period_id", "kept_as", name=op.f("pk_storage_line")),
    )

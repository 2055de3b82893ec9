"""Keep what others bill, and what runs go on from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "resume_point",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("run_key", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("point", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resume_point")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_resume_point_tenant_id_resume_point_run_key"),
        "resume_point",
        ["tenant_id", "run_key"],
        unique=False,
    )

    op.create_table(
        "bill",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("lease_id", sa.Text(), nullable=False),
        sa.Column("amount_uusd", sa.BigInteger(), nullable=True),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("time_class", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(amount_uusd IS NULL) = (basis = 'unknown')",
            name=op.f("ck_bill_unknown_has_no_amount"),
        ),
        sa.CheckConstraint(
            "basis IN ('answer', 'price-book', 'unknown')", name=op.f("ck_bill_basis")
        ),
        sa.CheckConstraint(
            "time_class IN ('down', 'idle', 'load', 'good', 'rework', 'scrap', 'spec_waste', "
            "'preempt_waste', 'degraded')",
            name=op.f("ck_bill_time_class"),
        ),
        sa.CheckConstraint("amount_uusd >= 0", name=op.f("ck_bill_not_negative")),
        sa.ForeignKeyConstraint(["lease_id"], ["lease.id"], name=op.f("fk_bill_lease_id_lease")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bill")),
        sa.UniqueConstraint(
            "tenant_id", "supplier", "reference", name=op.f("uq_bill_tenant_id_supplier_reference")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_bill_lease_id"), "bill", ["lease_id"], unique=False)
    op.create_index(
        op.f("ix_bill_tenant_id_bill_job_id"), "bill", ["tenant_id", "job_id"], unique=False
    )

"""Share devices, and remember cold starts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "device_hold",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("needs", sa.Text(), nullable=False),
        sa.Column("placed", sa.Text(), nullable=True),
        sa.Column("is_pinned", sa.Integer(), server_default="0", nullable=False),
        sa.Column("asked_us", sa.BigInteger(), nullable=False),
        sa.Column("granted_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(placed IS NULL) = (granted_us IS NULL)",
            name=op.f("ck_device_hold_granted_when_placed"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_hold")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("device_hold", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_device_hold_machine_device_hold_id"), ["machine", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_device_hold_worker_id"), ["worker_id"], unique=False)

    op.create_table(
        "model_load",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("device_class", sa.Text(), nullable=False),
        sa.Column("load_us", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("load_us > 0", name=op.f("ck_model_load_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_load")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("model_load", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_model_load_model_model_load_device_class_model_load_id"),
            ["model", "device_class", "id"],
            unique=False,
        )

    with op.batch_alter_table("lease", schema=None) as batch_op:
        batch_op.add_column(sa.Column("devices", sa.Integer(), server_default="1", nullable=False))

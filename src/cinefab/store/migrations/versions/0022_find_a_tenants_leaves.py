"""Find a tenant's leaves."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    with op.batch_alter_table("log_leaf", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_log_leaf_tenant_id_log_leaf_id"), ["tenant_id", "id"], unique=False
        )

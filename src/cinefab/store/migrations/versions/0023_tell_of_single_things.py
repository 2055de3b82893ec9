"""Tell of single things: a webhook that came with a job is told of that alone, in its dialect."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    with op.batch_alter_table("webhook", schema=None) as batch_op:
        batch_op.add_column(sa.Column("only_subject", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("form", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("over_us", sa.BigInteger(), nullable=True))
        batch_op.create_index(batch_op.f("ix_webhook_only_subject"), ["only_subject"])

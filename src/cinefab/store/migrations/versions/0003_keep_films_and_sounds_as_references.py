"""Keep films and sounds as references, and thumbnails of all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("reference") as reference:
        reference.add_column(sa.Column("kind", sa.Text(), server_default="picture", nullable=False))
        for name in ("thumbnail", "video", "sound"):
            reference.add_column(sa.Column(f"{name}_asset", sa.Text(), nullable=True))
            reference.add_column(sa.Column(f"{name}_digest", sa.Text(), nullable=True))
        reference.add_column(sa.Column("facts", sa.Text(), server_default="{}", nullable=False))

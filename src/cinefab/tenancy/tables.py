"""Who owns things and who acts."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA

tenant: Final = sa.Table(
    "tenant",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
)

principal: Final = sa.Table(
    "principal",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenant.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
)

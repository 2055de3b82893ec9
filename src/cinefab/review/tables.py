"""What checks found in a cut and its pieces, what persons are asked, and what they answered."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA, row_id

check_result: Final = sa.Table(
    "check_result",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("cut_digest", sa.Text, nullable=False),
    sa.Column("order_digest", sa.Text, nullable=False),
    sa.Column("checks", sa.Text, nullable=False),
    sa.Column("findings", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "cut_digest", "order_digest", "checks"),
    sqlite_autoincrement=True,
)
"""Findings of the checks named in `checks`, versions included, on a cut and what was ordered."""

piece_figures: Final = sa.Table(
    "piece_figures",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("measure", sa.Text, nullable=False),
    sa.Column("figures", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "digest", "measure"),
    sqlite_autoincrement=True,
)
"""What one version of a measure took of the bytes with that digest."""

review_item: Final = sa.Table(
    "review_item",
    METADATA,
    row_id(),
    sa.Column("public_id", sa.Text, nullable=False, unique=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("frame", sa.Integer),
    sa.Column("cut_digest", sa.Text, nullable=False),
    sa.Column("still_digest", sa.Text, nullable=False),
    sa.Column("shown_frame", sa.Integer, nullable=False),
    sa.Column("opened_us", sa.BigInteger, nullable=False),
    sa.Column("due_us", sa.BigInteger, nullable=False),
    sa.Column("decided_us", sa.BigInteger),
    sa.UniqueConstraint("tenant_id", "job_id", "round"),
    sa.Index(None, "decided_us", "due_us"),
    sqlite_autoincrement=True,
)
"""Films that wait, or waited, for a person: what is asked, of which frame, and until when.

`decided_us` is set by whoever decides first, and by nobody after.
"""

decision: Final = sa.Table(
    "decision",
    METADATA,
    row_id(),
    sa.Column("public_id", sa.Text, nullable=False, unique=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("item_id", sa.Text, nullable=False, unique=True),
    sa.Column("choice", sa.Text, nullable=False),
    sa.Column("principal_id", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("changes", sa.Text, nullable=False),
    sa.Column("brief_id", sa.BigInteger),
    sa.Column("written", sa.Text),
    sa.Column("decided_us", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
"""What became of each of them; without a principal its time was over.

`brief_id` is the brief that a film which was sent back is made from, `written` that brief as text.
"""

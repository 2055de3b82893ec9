"""Briefs and the jobs that make them."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA, row_id

brief: Final = sa.Table(
    "brief",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "digest"),
    sqlite_autoincrement=True,
)
"""Each different brief once; `document` is its canonical JSON, every file in it a blob."""

job: Final = sa.Table(
    "job",
    METADATA,
    row_id(),
    sa.Column("public_id", sa.Text, nullable=False, unique=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("principal_id", sa.Text, nullable=False),
    sa.Column("brief_id", sa.BigInteger, sa.ForeignKey("brief.id"), nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("out", sa.Text, nullable=False),
    sa.Column("requested_us", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("deadline_us", sa.BigInteger),
    sa.Column("first_preview_us", sa.BigInteger),
    sa.Column("ended_us", sa.BigInteger),
    sa.Column("failure", sa.Text),
    sa.Column("round", sa.Integer, nullable=False, server_default="0"),
    sa.Column("written", sa.Text),
    sa.Column("template", sa.Text),
    sa.Column("put_away_us", sa.BigInteger),
    sa.Column("models", sa.Text),
    sa.Index(None, "tenant_id", "brief_id"),
    sa.Index(None, "tenant_id", "status"),
    sqlite_autoincrement=True,
)
"""Durable runs of briefs; `out` is the folder that the film was ordered into.

`round` counts how often a person let the job go on: each round is a workflow of its own. `written`
is the brief as text, before its files became blobs, for changes that a person makes to it;
`template` is the template that it was filled into, if one was, and what followed from it. `models`
are the versions that it was pinned to at the door. `put_away_us` is set
once whoever ordered it does not want to see it any more; what it was stays on record.
"""

template: Final = sa.Table(
    "template",
    METADATA,
    row_id(),
    sa.Column("public_id", sa.Text, nullable=False, unique=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("principal_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "name", "version"),
    sqlite_autoincrement=True,
)
"""Templates that were stored; `text` is as it was sent, and never changes under a version."""

"""The segments and previews that were made, found again by what determines their pixels."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA, row_id

segment: Final = sa.Table(
    "segment",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("asset_id", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("frames", sa.Integer, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "key"),
    sqlite_autoincrement=True,
)
"""One row for each key; transitions and preview stills are kept here too, under keys of their own."""

take: Final = sa.Table(
    "take",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("asset_id", sa.Text, nullable=False),
    sa.Column("segment_key", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("input", sa.Text, nullable=False),
    sa.Column("versions", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("refused", sa.Text),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index(None, "tenant_id", "segment_key"),
    sqlite_autoincrement=True,
)
"""Every model run's output with the prompt, parameters, seed and versions that led to it."""

resume_point: Final = sa.Table(
    "resume_point",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("run_key", sa.Text, nullable=False),
    sa.Column("part", sa.Text, nullable=False),
    sa.Column("point", sa.Text, nullable=False),
    sa.Column("files", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("ended_us", sa.BigInteger),
    sa.Index(None, "tenant_id", "run_key"),
    sqlite_autoincrement=True,
)
"""What runs that are under way can go on from: `files` are blobs by name, of one part of a run.

Of each part there is one row that has not ended, the newest. `ended_us` is when a newer one took
its place, or the run's stage was committed; the row goes when a sweep takes its blobs.
"""

model_load: Final = sa.Table(
    "model_load",
    METADATA,
    row_id(),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("device_class", sa.Text, nullable=False),
    sa.Column("load_us", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index(None, "model", "device_class", "id"),
    sa.CheckConstraint("load_us > 0", name="positive"),
    sqlite_autoincrement=True,
)
"""How long a model took to get ready on a class of device, each time that it was cold there.

It belongs to no tenant: whoever orders first has the model loaded for the others, too.
"""

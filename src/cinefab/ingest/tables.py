"""References that were prepared, found again by the digest of what came in."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA, row_id

reference: Final = sa.Table(
    "reference",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("original_digest", sa.Text, nullable=False),
    sa.Column("preparation", sa.Text, nullable=False),
    sa.Column("original_asset", sa.Text, nullable=False),
    sa.Column("picture_asset", sa.Text, nullable=False),
    sa.Column("picture_digest", sa.Text, nullable=False),
    sa.Column("mask_asset", sa.Text),
    sa.Column("mask_digest", sa.Text),
    sa.Column("confidence_bp", sa.Integer, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("credentials", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, server_default="picture"),
    sa.Column("thumbnail_asset", sa.Text),
    sa.Column("thumbnail_digest", sa.Text),
    sa.Column("video_asset", sa.Text),
    sa.Column("video_digest", sa.Text),
    sa.Column("sound_asset", sa.Text),
    sa.Column("sound_digest", sa.Text),
    sa.Column("facts", sa.Text, nullable=False, server_default="{}"),
    sa.UniqueConstraint("tenant_id", "original_digest", "preparation"),
    sqlite_autoincrement=True,
)
"""`preparation` names the version of what was done to the original, so that a new one runs anew.

`facts` is canonical JSON: length, rate, tracks, shots, waveform, loudness, as far as they apply."""

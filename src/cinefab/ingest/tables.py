"""References that were prepared, found again by the digest of what came in; and what is coming in."""

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

upload: Final = sa.Table(
    "upload",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("principal_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("length_bytes", sa.BigInteger, nullable=False),
    sa.Column("offset_bytes", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("received_us", sa.BigInteger),
    sa.Column("ended_us", sa.BigInteger),
    sa.Column("dropped_us", sa.BigInteger),
    sa.Column("asset_id", sa.Text),
    sa.Column("refusal", sa.Text),
    sa.CheckConstraint(
        "state IN ('open', 'received', 'ready', 'refused', 'expired', 'removed')", name="state"
    ),
    sa.CheckConstraint("offset_bytes >= 0 AND offset_bytes <= length_bytes", name="offset"),
    sa.Index(None, "tenant_id", "id"),
    sa.Index(None, "state", "expires_us"),
)
"""What is sent in pieces, and waits in quarantine until it was decoded: then it is an asset.

`dropped_us` is set once its pieces are gone, `expires_us` is when it is given up unless more comes.
"""

upload_piece: Final = sa.Table(
    "upload_piece",
    METADATA,
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("upload_id", sa.Text, sa.ForeignKey("upload.id"), primary_key=True),
    sa.Column("from_byte", sa.BigInteger, primary_key=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
)
"""The pieces of an upload in their order; `name` is what quarantine knows a piece by."""

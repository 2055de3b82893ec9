"""The rows of provenance: assets and what they were made from, who is paid, what was claimed."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA, RowId, row_id

asset: Final = sa.Table(
    "asset",
    METADATA,
    row_id(),
    sa.Column("public_id", sa.Text, nullable=False, unique=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("job_id", sa.Text),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("prompt_digest", sa.Text),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("digital_source_type", sa.Text, nullable=False),
    sa.Column("facts", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Column("key_id", sa.Text, sa.ForeignKey("signing_key.key_id"), nullable=False),
    sa.Index(None, "tenant_id", "sha256"),
    sqlite_autoincrement=True,
)
"""One row for each making of a piece of media; ids rise, so a source's is below its results'.

`record` is the canonical JSON that was signed, `signature` the base64 of its ES256 r||s.
"""

edge: Final = sa.Table(
    "edge",
    METADATA,
    sa.Column("dst", RowId, sa.ForeignKey("asset.id"), primary_key=True, autoincrement=False),
    sa.Column("src", RowId, sa.ForeignKey("asset.id"), primary_key=True, autoincrement=False),
    sa.Column("relation", sa.Text, primary_key=True),
    sa.Column("weight_bp", sa.Integer, nullable=False),
    sa.CheckConstraint("src < dst", name="source_is_older"),
    sa.CheckConstraint("weight_bp >= 0", name="weight_is_not_negative"),
    sa.Index(None, "src"),
)
"""`dst` was made from `src`; the weights of one asset's edges sum to 10,000."""

royalty_split: Final = sa.Table(
    "royalty_split",
    METADATA,
    sa.Column("asset_id", RowId, sa.ForeignKey("asset.id"), primary_key=True, autoincrement=False),
    sa.Column("valid_from_us", sa.BigInteger, primary_key=True),
    sa.Column("party", sa.Text, primary_key=True),
    sa.Column("share_bp", sa.Integer, nullable=False),
    sa.CheckConstraint("share_bp >= 0", name="share_is_not_negative"),
)
"""Who is paid for a source from a time on; the rows of one source and time are one split."""

credential: Final = sa.Table(
    "credential",
    METADATA,
    sa.Column("asset_id", RowId, sa.ForeignKey("asset.id"), primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("label", sa.Text, index=True),
    sa.Column("issuer", sa.Text),
    sa.Column("body", sa.Text, nullable=False),
)
"""The content credentials that an asset's own bytes carry: found in it, or embedded by us."""

signing_key: Final = sa.Table(
    "signing_key",
    METADATA,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("chain_pem", sa.Text, nullable=False),
    sa.Column("first_used_us", sa.BigInteger, nullable=False),
)
"""Certificates of the keys that signed records, so that a record outlives its authority."""

training_set: Final = sa.Table(
    "training_set",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("licence", sa.Text, nullable=False),
)
"""What models were trained on, and under which licence."""

model_training: Final = sa.Table(
    "model_training",
    METADATA,
    sa.Column("model_ref", sa.Text, primary_key=True),
    sa.Column("training_set", sa.Text, sa.ForeignKey("training_set.name"), primary_key=True),
    sa.Column("share_bp", sa.Integer, nullable=False),
    sa.CheckConstraint("share_bp >= 0", name="share_is_not_negative"),
)
"""Which part of a model version's training each set was."""

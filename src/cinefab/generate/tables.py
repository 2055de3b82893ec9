"""Models and what they made: versions, and segments found again by what determines their pixels."""

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
    sa.Column("stage", sa.Text),
    sa.Column("frames", sa.Integer),
    sa.Column("pixels", sa.Integer),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index(None, "tenant_id", "segment_key"),
    sa.Index(None, "model", "created_us"),
    sqlite_autoincrement=True,
)
"""Every model run's output with the prompt, parameters, seed and versions that led to it.

`stage` is the stage that made it, whose lease and time say what it took: `frames` of so many
`pixels`. Takes of before have none of the three.
"""

refused_take: Final = sa.Table(
    "refused_take",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("asset_id", sa.Text, nullable=False),
    sa.Column("segment_key", sa.Text, nullable=False),
    sa.Column("judged_by", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("frames", sa.Integer, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "segment_key", "judged_by"),
    sqlite_autoincrement=True,
)
"""Takes of deterministic models that were refused: making their keys again gives their bytes again.

`judged_by` is the digest of what they were judged by: checks, their lines, what was ordered. Under
others the same take may pass. The row goes when a sweep takes the bytes.
"""

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

model_version: Final = sa.Table(
    "model_version",
    METADATA,
    row_id(),
    sa.Column("ref", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False, index=True),
    sa.Column("backend", sa.Text),
    sa.Column("settings", sa.Text),
    sa.Column("card", sa.Text, nullable=False),
    sa.Column("card_digest", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("share_bp", sa.Integer),
    sa.Column("successor", sa.Text),
    sa.Column("by_hand", sa.Boolean, nullable=False),
    sa.Column("checked", sa.Text),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index(
        "uq_model_version_live",
        "name",
        unique=True,
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    ),
    sa.Index(
        "uq_model_version_canary",
        "name",
        unique=True,
        sqlite_where=sa.text("state = 'canary'"),
        postgresql_where=sa.text("state = 'canary'"),
    ),
    sa.CheckConstraint(
        "state IN ('registered', 'shadow', 'canary', 'live', 'retired')", name="state"
    ),
    sa.CheckConstraint("share_bp > 0 AND share_bp <= 10000", name="share_is_a_part"),
    sa.CheckConstraint(
        "(share_bp IS NULL) = (state NOT IN ('shadow', 'canary'))", name="trials_have_a_share"
    ),
    sqlite_autoincrement=True,
)
"""Every version of a model that the studio has had: the studio's own, whoever orders films of it.

`ref` is `name@version`. A model that is made of settings has its `backend` and its `settings` (no
secrets: those stand in the environment), from which this very version is made again whatever the
settings say by now. `card` is what it said of itself, `checked` what came of holding it against its
contract (None: it was not). `share_bp` is the part of the shots that a trial gets, `successor` what
is asked for instead of one that is retired. `by_hand` says that a person put it here, or moved it.
"""

model_move: Final = sa.Table(
    "model_move",
    METADATA,
    row_id(),
    sa.Column("ref", sa.Text, sa.ForeignKey("model_version.ref"), nullable=False, index=True),
    sa.Column("from_state", sa.Text),
    sa.Column("to_state", sa.Text, nullable=False),
    sa.Column("share_bp", sa.Integer),
    sa.Column("successor", sa.Text),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
"""Each change of a version's state, who made it, when and why; the first has no state before it."""

shadow_take: Final = sa.Table(
    "shadow_take",
    METADATA,
    row_id(),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("shot", sa.Integer, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("beside", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("why", sa.Text),
    sa.Column("beside_refused", sa.Text),
    sa.Column("frames", sa.Integer, nullable=False),
    sa.Column("pixels", sa.Integer, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant_id", "job_id", "stage"),
    sa.Index(None, "model"),
    sa.CheckConstraint("outcome IN ('passed', 'refused', 'failed')", name="outcome"),
    sqlite_autoincrement=True,
)
"""A shot that a version in `shadow` made beside the one that was delivered, and what came of both.

`why` is the check that refused it, or what failed; `beside` is what made the shot of the film, and
`beside_refused` why that was refused, if it was.
"""

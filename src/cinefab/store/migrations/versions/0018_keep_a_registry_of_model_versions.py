"""Keep a registry of model versions, and charge the takes of those that are tried in the shadow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_CLASSES = (
    "time_class IN ('down', 'idle', 'load', 'good', 'rework', 'scrap', 'spec_waste', "
    "'preempt_waste', 'degraded', 'shadow')"
)


def upgrade() -> None:
    op.create_table(
        "model_version",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("backend", sa.Text(), nullable=True),
        sa.Column("settings", sa.Text(), nullable=True),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("card_digest", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("share_bp", sa.Integer(), nullable=True),
        sa.Column("successor", sa.Text(), nullable=True),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("checked", sa.Text(), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(share_bp IS NULL) = (state NOT IN ('shadow', 'canary'))",
            name=op.f("ck_model_version_trials_have_a_share"),
        ),
        sa.CheckConstraint(
            "state IN ('registered', 'shadow', 'canary', 'live', 'retired')",
            name=op.f("ck_model_version_state"),
        ),
        sa.CheckConstraint(
            "share_bp > 0 AND share_bp <= 10000", name=op.f("ck_model_version_share_is_a_part")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_version")),
        sa.UniqueConstraint("ref", name=op.f("uq_model_version_ref")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("model_version", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_model_version_name"), ["name"], unique=False)
        batch_op.create_index(
            "uq_model_version_canary",
            ["name"],
            unique=True,
            sqlite_where=sa.text("state = 'canary'"),
            postgresql_where=sa.text("state = 'canary'"),
        )
        batch_op.create_index(
            "uq_model_version_live",
            ["name"],
            unique=True,
            sqlite_where=sa.text("state = 'live'"),
            postgresql_where=sa.text("state = 'live'"),
        )

    op.create_table(
        "shadow_take",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("shot", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("beside", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("beside_refused", sa.Text(), nullable=True),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("pixels", sa.Integer(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('passed', 'refused', 'failed')", name=op.f("ck_shadow_take_outcome")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_take")),
        sa.UniqueConstraint(
            "tenant_id", "job_id", "stage", name=op.f("uq_shadow_take_tenant_id_job_id_stage")
        ),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("shadow_take", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_shadow_take_model"), ["model"], unique=False)

    op.create_table(
        "model_move",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("share_bp", sa.Integer(), nullable=True),
        sa.Column("successor", sa.Text(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ref"], ["model_version.ref"], name=op.f("fk_model_move_ref_model_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_move")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("model_move", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_model_move_ref"), ["ref"], unique=False)

    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.add_column(sa.Column("models", sa.Text(), nullable=True))

    with op.batch_alter_table("take", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stage", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("frames", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("pixels", sa.Integer(), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_take_model_take_created_us"), ["model", "created_us"], unique=False
        )

    for table in ("lease_class", "bill"):
        _allow_shadow(table)


def _allow_shadow(table: str) -> None:
    """Let a table's classes of time have `shadow`, too."""
    name = f"ck_{table}_time_class"
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint(op.f(name), table, type_="check")
        op.create_check_constraint(op.f(name), table, sa.text(_CLASSES))
        return
    # SQLite changes no constraint, and drafting the table anew loses what rises by itself and the
    # order of its parts. So it is copied, by its own words.
    found = op.get_bind().execute(
        sa.text("SELECT type, sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL"),
        {"name": table},
    )
    statements = [(row.type, str(row.sql)) for row in found]
    made = next(sql for kind, sql in statements if kind == "table")
    body = made[made.index("(") :]
    assert body.count("'degraded')") == 1, f"{table} has its classes of time"
    body = body.replace("'degraded')", "'degraded', 'shadow')")
    op.execute(f"CREATE TABLE {table}_next {body}")
    op.execute(f"INSERT INTO {table}_next SELECT * FROM {table}")  # noqa: S608 - our own names
    op.drop_table(table)
    op.rename_table(f"{table}_next", table)
    for kind, sql in statements:
        if kind == "index":
            op.execute(sql)

"""Say who may do what, and how much may be spent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "budget",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("limit_uusd", sa.BigInteger(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("used_uusd", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("period IN ('total', 'month')", name=op.f("ck_budget_period")),
        sa.CheckConstraint("scope IN ('tenant', 'key', 'label')", name=op.f("ck_budget_scope")),
        sa.CheckConstraint(
            "limit_uusd >= 0 AND used_uusd >= 0", name=op.f("ck_budget_not_negative")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget")),
        sa.UniqueConstraint(
            "tenant_id",
            "scope",
            "subject",
            "period",
            name=op.f("uq_budget_tenant_id_scope_subject_period"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "spender",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.CheckConstraint("scope IN ('key', 'label')", name=op.f("ck_spender_scope")),
        sa.PrimaryKeyConstraint("tenant_id", "job_id", "scope", "subject", name=op.f("pk_spender")),
    )
    with op.batch_alter_table("spender", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_spender_tenant_id_spender_scope_spender_subject"),
            ["tenant_id", "scope", "subject"],
            unique=False,
        )

    op.create_table(
        "owner_link",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_owner_link_tenant_id_tenant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owner_link")),
    )
    with op.batch_alter_table("owner_link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_owner_link_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "quota",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("jobs_in_flight", sa.Integer(), nullable=True),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("upload_bytes", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "jobs_in_flight >= 0 AND requests_per_minute > 0 AND upload_bytes >= 0",
            name=op.f("ck_quota_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_quota_tenant_id_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_quota")),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=True),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.Column("rotated_from", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principal.id"], name=op.f("fk_api_key_principal_id_principal")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_api_key_tenant_id_tenant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
    )
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_key_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "role_binding",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principal.id"], name=op.f("fk_role_binding_principal_id_principal")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_role_binding_tenant_id_tenant")
        ),
        sa.PrimaryKeyConstraint("principal_id", "role", name=op.f("pk_role_binding")),
    )
    with op.batch_alter_table("role_binding", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_role_binding_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "sign_in",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("csrf_secret", sa.Text(), nullable=False),
        sa.Column("opened_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principal.id"], name=op.f("fk_sign_in_principal_id_principal")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_sign_in_tenant_id_tenant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in")),
    )
    with op.batch_alter_table("sign_in", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sign_in_tenant_id_sign_in_principal_id"),
            ["tenant_id", "principal_id"],
            unique=False,
        )

    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_job_tenant_id_job_status"), ["tenant_id", "status"], unique=False
        )

    with op.batch_alter_table("principal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_principal_tenant_id"), ["tenant_id"], unique=False)

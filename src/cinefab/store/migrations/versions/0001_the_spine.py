"""The spine: tenants, briefs, jobs, stages, segments, assets, the ledger, the log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("debits_pending", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("debits_posted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("credits_pending", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("credits_posted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("debit_limit", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("unit IN ('uusd', 'device_us')", name=op.f("ck_account_unit")),
        sa.CheckConstraint(
            "debit_limit IS NULL OR debits_posted + debits_pending <= debit_limit",
            name=op.f("ck_account_no_overdraft"),
        ),
        sa.CheckConstraint(
            "debits_pending >= 0 AND debits_posted >= 0 AND credits_pending >= 0 AND credits_posted >= 0",
            name=op.f("ck_account_not_negative"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint(
            "tenant_id", "code", "unit", name=op.f("uq_account_tenant_id_code_unit")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "brief",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brief")),
        sa.UniqueConstraint("tenant_id", "digest", name=op.f("uq_brief_tenant_id_digest")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "check_result",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("cut_digest", sa.Text(), nullable=False),
        sa.Column("order_digest", sa.Text(), nullable=False),
        sa.Column("checks", sa.Text(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_result")),
        sa.UniqueConstraint(
            "tenant_id",
            "cut_digest",
            "order_digest",
            "checks",
            name=op.f("uq_check_result_tenant_id_cut_digest_order_digest_checks"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "idempotency_key",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_digest", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency_key")),
        sa.UniqueConstraint(
            "tenant_id",
            "principal_id",
            "key",
            name=op.f("uq_idempotency_key_tenant_id_principal_id_key"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "lease",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("device_class", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("nusd_per_s", sa.BigInteger(), nullable=True),
        sa.Column("opened_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.Column("device_us", sa.BigInteger(), nullable=True),
        sa.Column("cost_uusd", sa.BigInteger(), nullable=True),
        sa.Column("charge_key", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(closed_us IS NULL) = (device_us IS NULL)", name=op.f("ck_lease_closed_with_its_time")
        ),
        sa.CheckConstraint(
            "(cost_uusd IS NULL) = (closed_us IS NULL OR nusd_per_s IS NULL)",
            name=op.f("ck_lease_priced_is_costed"),
        ),
        sa.CheckConstraint(
            "charge_key IS NULL OR closed_us IS NOT NULL", name=op.f("ck_lease_charged_when_closed")
        ),
        sa.CheckConstraint(
            "device_us >= 0 AND cost_uusd >= 0 AND nusd_per_s >= 0",
            name=op.f("ck_lease_not_negative"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lease")),
        sa.UniqueConstraint("tenant_id", "charge_key", name=op.f("uq_lease_tenant_id_charge_key")),
    )
    with op.batch_alter_table("lease", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_lease_tenant_id_lease_job_id"), ["tenant_id", "job_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_lease_worker_id_lease_closed_us"),
            ["worker_id", "closed_us"],
            unique=False,
        )

    op.create_table(
        "log_leaf",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("leaf_hash", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_leaf")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outbox",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("published_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_outbox_published_us_outbox_id"), ["published_us", "id"], unique=False
        )

    op.create_table(
        "price",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("device_class", sa.Text(), nullable=False),
        sa.Column("nusd_per_s", sa.BigInteger(), nullable=True),
        sa.Column("valid_from_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("nusd_per_s >= 0", name=op.f("ck_price_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("price", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_price_device_class_price_valid_from_us"),
            ["device_class", "valid_from_us"],
            unique=False,
        )

    op.create_table(
        "reference",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("original_digest", sa.Text(), nullable=False),
        sa.Column("preparation", sa.Text(), nullable=False),
        sa.Column("original_asset", sa.Text(), nullable=False),
        sa.Column("picture_asset", sa.Text(), nullable=False),
        sa.Column("picture_digest", sa.Text(), nullable=False),
        sa.Column("mask_asset", sa.Text(), nullable=True),
        sa.Column("mask_digest", sa.Text(), nullable=True),
        sa.Column("confidence_bp", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("credentials", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reference")),
        sa.UniqueConstraint(
            "tenant_id",
            "original_digest",
            "preparation",
            name=op.f("uq_reference_tenant_id_original_digest_preparation"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "release",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("fps", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release")),
        sa.UniqueConstraint("job_id", name=op.f("uq_release_job_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("release", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_release_digest"), ["digest"], unique=False)

    op.create_table(
        "reservation",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("posted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("voided", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "closed_us IS NULL OR posted + voided = reserved",
            name=op.f("ck_reservation_closed_whole"),
        ),
        sa.CheckConstraint("posted + voided <= reserved", name=op.f("ck_reservation_within")),
        sa.CheckConstraint(
            "reserved >= 0 AND posted >= 0 AND voided >= 0",
            name=op.f("ck_reservation_not_negative"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_reservation_tenant_id_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("reservation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_reservation_tenant_id_reservation_job_id"),
            ["tenant_id", "job_id"],
            unique=False,
        )

    op.create_table(
        "segment",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segment")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_segment_tenant_id_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "signing_key",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("chain_pem", sa.Text(), nullable=False),
        sa.Column("first_used_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_signing_key")),
    )
    op.create_table(
        "stage",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("assets", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("cost_uusd", sa.BigInteger(), nullable=True),
        sa.Column("committed_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage")),
        sa.UniqueConstraint("job_id", "name", name=op.f("uq_stage_job_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "stage_time",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("took_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("took_us >= 0", name=op.f("ck_stage_time_took_time")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage_time")),
        sa.UniqueConstraint("job_id", "stage", name=op.f("uq_stage_time_job_id_stage")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "take",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("segment_key", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_take")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("take", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_take_tenant_id_take_segment_key"),
            ["tenant_id", "segment_key"],
            unique=False,
        )

    op.create_table(
        "tenant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
    )
    op.create_table(
        "training_set",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_training_set")),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("beat_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("settled_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
    )
    with op.batch_alter_table("worker", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_worker_ended_us_worker_settled_us"),
            ["ended_us", "settled_us"],
            unique=False,
        )

    op.create_table(
        "asset",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("prompt_digest", sa.Text(), nullable=True),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("digital_source_type", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"], ["signing_key.key_id"], name=op.f("fk_asset_key_id_signing_key")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_asset")),
        sa.UniqueConstraint("public_id", name=op.f("uq_asset_public_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("asset", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_asset_tenant_id_asset_sha256"), ["tenant_id", "sha256"], unique=False
        )

    op.create_table(
        "job",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("brief_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("out", sa.Text(), nullable=False),
        sa.Column("requested_us", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("deadline_us", sa.BigInteger(), nullable=True),
        sa.Column("first_preview_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["brief_id"], ["brief.id"], name=op.f("fk_job_brief_id_brief")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("public_id", name=op.f("uq_job_public_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_job_tenant_id_job_brief_id"), ["tenant_id", "brief_id"], unique=False
        )

    op.create_table(
        "lease_class",
        sa.Column("lease_id", sa.Text(), nullable=False),
        sa.Column("time_class", sa.Text(), nullable=False),
        sa.Column("device_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "time_class IN ('down', 'idle', 'load', 'good', 'rework', 'scrap', 'spec_waste', 'preempt_waste', 'degraded')",
            name=op.f("ck_lease_class_time_class"),
        ),
        sa.CheckConstraint("device_us > 0", name=op.f("ck_lease_class_positive")),
        sa.ForeignKeyConstraint(
            ["lease_id"], ["lease.id"], name=op.f("fk_lease_class_lease_id_lease")
        ),
        sa.PrimaryKeyConstraint("lease_id", "time_class", name=op.f("pk_lease_class")),
    )
    op.create_table(
        "model_training",
        sa.Column("model_ref", sa.Text(), nullable=False),
        sa.Column("training_set", sa.Text(), nullable=False),
        sa.Column("share_bp", sa.Integer(), nullable=False),
        sa.CheckConstraint("share_bp >= 0", name=op.f("ck_model_training_share_is_not_negative")),
        sa.ForeignKeyConstraint(
            ["training_set"],
            ["training_set.name"],
            name=op.f("fk_model_training_training_set_training_set"),
        ),
        sa.PrimaryKeyConstraint("model_ref", "training_set", name=op.f("pk_model_training")),
    )
    op.create_table(
        "principal",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_principal_tenant_id_tenant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_principal")),
    )
    op.create_table(
        "transfer",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "debit_account", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "credit_account", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column(
            "reservation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("lease_id", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'direct') = (reservation_id IS NULL)", name=op.f("ck_transfer_reservation")
        ),
        sa.CheckConstraint(
            "kind IN ('direct', 'reserve', 'post', 'void')", name=op.f("ck_transfer_kind")
        ),
        sa.CheckConstraint("unit IN ('uusd', 'device_us')", name=op.f("ck_transfer_unit")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_transfer_positive")),
        sa.CheckConstraint("debit_account <> credit_account", name=op.f("ck_transfer_two_sides")),
        sa.ForeignKeyConstraint(
            ["credit_account"], ["account.id"], name=op.f("fk_transfer_credit_account_account")
        ),
        sa.ForeignKeyConstraint(
            ["debit_account"], ["account.id"], name=op.f("fk_transfer_debit_account_account")
        ),
        sa.ForeignKeyConstraint(
            ["lease_id"], ["lease.id"], name=op.f("fk_transfer_lease_id_lease")
        ),
        sa.ForeignKeyConstraint(
            ["reservation_id"],
            ["reservation.id"],
            name=op.f("fk_transfer_reservation_id_reservation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_transfer_tenant_id_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("transfer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_transfer_lease_id"), ["lease_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_transfer_tenant_id_transfer_job_id"),
            ["tenant_id", "job_id"],
            unique=False,
        )

    op.create_table(
        "credential",
        sa.Column(
            "asset_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["asset.id"], name=op.f("fk_credential_asset_id_asset")
        ),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_credential")),
    )
    with op.batch_alter_table("credential", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_credential_label"), ["label"], unique=False)

    op.create_table(
        "edge",
        sa.Column(
            "dst",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "src",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("weight_bp", sa.Integer(), nullable=False),
        sa.CheckConstraint("src < dst", name=op.f("ck_edge_source_is_older")),
        sa.CheckConstraint("weight_bp >= 0", name=op.f("ck_edge_weight_is_not_negative")),
        sa.ForeignKeyConstraint(["dst"], ["asset.id"], name=op.f("fk_edge_dst_asset")),
        sa.ForeignKeyConstraint(["src"], ["asset.id"], name=op.f("fk_edge_src_asset")),
        sa.PrimaryKeyConstraint("dst", "src", "relation", name=op.f("pk_edge")),
    )
    with op.batch_alter_table("edge", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_edge_src"), ["src"], unique=False)

    op.create_table(
        "royalty_split",
        sa.Column(
            "asset_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("valid_from_us", sa.BigInteger(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("share_bp", sa.Integer(), nullable=False),
        sa.CheckConstraint("share_bp >= 0", name=op.f("ck_royalty_split_share_is_not_negative")),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["asset.id"], name=op.f("fk_royalty_split_asset_id_asset")
        ),
        sa.PrimaryKeyConstraint(
            "asset_id", "valid_from_us", "party", name=op.f("pk_royalty_split")
        ),
    )

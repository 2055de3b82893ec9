"""Who owns things and who acts; how they prove it, and how much they may have at once."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.store.schema import METADATA

tenant: Final = sa.Table(
    "tenant",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
)

principal: Final = sa.Table(
    "principal",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenant.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index(None, "tenant_id"),
)
"""Who acts: `kind` is a person, or a service, which is a program with a key."""

role_binding: Final = sa.Table(
    "role_binding",
    METADATA,
    sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenant.id"), nullable=False),
    sa.Column("principal_id", sa.Text, sa.ForeignKey("principal.id"), primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index(None, "tenant_id"),
)
"""What a principal is in its tenant; who gave and took it is in the audit log."""

api_key: Final = sa.Table(
    "api_key",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenant.id"), nullable=False),
    sa.Column("principal_id", sa.Text, sa.ForeignKey("principal.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("secret_hash", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("labels", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger),
    sa.Column("revoked_us", sa.BigInteger),
    sa.Column("used_us", sa.BigInteger),
    sa.Column("rotated_from", sa.Text),
    sa.Index(None, "tenant_id"),
)
"""A secret's SHA-256: it is 256 bits of chance, which no slow hash would make harder to guess.

`scopes` is a JSON list of actions, `labels` a JSON object; `used_us` is written once an hour.
"""

sign_in: Final = sa.Table(
    "sign_in",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenant.id"), nullable=False),
    sa.Column("principal_id", sa.Text, sa.ForeignKey("principal.id"), nullable=False),
    sa.Column("secret_hash", sa.Text, nullable=False),
    sa.Column("csrf_secret", sa.Text, nullable=False),
    sa.Column("opened_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("closed_us", sa.BigInteger),
    sa.Index(None, "tenant_id", "principal_id"),
)
"""A browser that somebody signed in with: its cookie's hash, and what its forms must bring."""

owner_link: Final = sa.Table(
    "owner_link",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenant.id"), nullable=False),
    sa.Column("secret_hash", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("used_us", sa.BigInteger),
    sa.Column("principal_id", sa.Text),
    sa.Index(None, "tenant_id"),
)
"""What signs whoever opens it first in, once: as `principal_id`, or else as a new owner."""

identity: Final = sa.Table(
    "identity",
    METADATA,
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenant.id"), nullable=False),
    sa.Column("principal_id", sa.Text, sa.ForeignKey("principal.id"), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index(None, "tenant_id", "principal_id"),
)
"""Which person somebody is whom an OpenID provider knows: `subject` is its name for them."""

quota: Final = sa.Table(
    "quota",
    METADATA,
    sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenant.id"), primary_key=True),
    sa.Column("jobs_in_flight", sa.Integer),
    sa.Column("requests_per_minute", sa.Integer),
    sa.Column("upload_bytes", sa.BigInteger),
    sa.CheckConstraint(
        "jobs_in_flight >= 0 AND requests_per_minute > 0 AND upload_bytes >= 0", name="not_negative"
    ),
)
"""How much a tenant may have at once; null is what the studio's settings say."""

request_bucket: Final = sa.Table(
    "request_bucket",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("principal_id", sa.Text, primary_key=True),
    sa.Column("full_us", sa.BigInteger, nullable=False),
)
"""When a bucket of requests will be full again, as far as the processes at the door told each other.

`principal_id` is empty in the tenant's own.
"""

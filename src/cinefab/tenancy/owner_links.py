"""The link that a studio prints when it is first started: whoever opens it first is the owner."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.core.clock import iso_utc
from cinefab.core.errors import NotAuthenticated
from cinefab.core.ids import IdSource, PrincipalId, TenantId
from cinefab.tenancy.caller import Kind
from cinefab.tenancy.principals import create_principal, load_tenant, owners_of, tell
from cinefab.tenancy.roles import Role
from cinefab.tenancy.secret import id_in, is_secret, new_secret
from cinefab.tenancy.tables import owner_link

PREFIX: Final = "cfo"

LASTS_US: Final = 24 * 3_600_000_000


def needs_owner(connection: sa.Connection, *, tenant: TenantId) -> bool:
    """Say whether nobody owns a tenant yet, so that a link should be printed."""
    return not owners_of(connection, tenant=tenant)


def open_owner_link(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    ids: IdSource,
    now_us: int,
    lasts_us: int = LASTS_US,
) -> str:
    """Return the secret of a new link, which ends those that were opened before and not used."""
    load_tenant(connection, tenant)
    connection.execute(
        owner_link.update()
        .where(
            owner_link.c.tenant_id == tenant,
            owner_link.c.used_us.is_(None),
            owner_link.c.expires_us > now_us,
        )
        .values(expires_us=now_us)
    )
    secret = new_secret(PREFIX, ids)
    connection.execute(
        owner_link.insert().values(
            id=secret.id,
            tenant_id=tenant,
            secret_hash=secret.digest,
            created_us=now_us,
            expires_us=now_us + lasts_us,
        )
    )
    said = {"expires_us": now_us + lasts_us}
    tell(connection, "owner_link.opened", secret.id, said, tenant=tenant, now_us=now_us)
    return secret.text


def use_owner_link(
    connection: sa.Connection, secret: str, *, name: str, ids: IdSource, now_us: int
) -> tuple[TenantId, PrincipalId]:
    """Make a person the owner of the link's tenant, once; raise `NotAuthenticated`.

    Of two who use it at once one becomes an owner. Raises `RequestInvalid` for the name.
    """
    found = id_in(secret, prefix=PREFIX)
    row = connection.execute(sa.select(owner_link).where(owner_link.c.id == (found or ""))).first()
    if not is_secret(secret, digest=None if row is None else row.secret_hash):
        raise _no_way_in("it is no link of this studio")
    assert row is not None, "a secret that is right has a row"
    if row.expires_us <= now_us:
        raise _no_way_in(f"it ended at {iso_utc(row.expires_us)}")
    used = connection.execute(
        owner_link.update()
        .where(owner_link.c.id == row.id, owner_link.c.used_us.is_(None))
        .values(used_us=now_us)
    )
    if used.rowcount == 0:
        raise _no_way_in("it was used before")
    tenant = TenantId(row.tenant_id)
    owner = create_principal(
        connection,
        tenant=tenant,
        kind=Kind.PERSON,
        name=name,
        roles=frozenset({Role.OWNER}),
        by=PrincipalId(row.id),
        ids=ids,
        now_us=now_us,
    )
    return tenant, owner


def _no_way_in(found: str) -> NotAuthenticated:
    return NotAuthenticated(
        attempted="become an owner by the link",
        found=found,
        remedy="Have the studio print another: it does when it starts and nobody owns it.",
    )

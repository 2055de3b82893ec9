"""Links that sign whoever opens them first in, once: as a tenant's owner, or as who was invited.

The owner's is printed when a studio is first started; an invitation is for a person that an owner
added.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json
from cinefab.core.clock import iso_utc
from cinefab.core.errors import NotAuthenticated, RequestInvalid
from cinefab.core.ids import IdSource, PrincipalId, TenantId
from cinefab.tenancy.caller import Kind
from cinefab.tenancy.principals import (
    create_principal,
    load_principal,
    load_tenant,
    owners_of,
    tell,
)
from cinefab.tenancy.roles import Role
from cinefab.tenancy.secret import NewSecret, id_in, is_secret, new_secret
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
    secret = _open(connection, tenant, None, ids, now_us=now_us, lasts_us=lasts_us)
    said = {"expires_us": now_us + lasts_us}
    tell(connection, "owner_link.opened", secret.id, said, tenant=tenant, now_us=now_us)
    return secret.text


def open_invitation(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    principal: PrincipalId,
    by: PrincipalId,
    ids: IdSource,
    now_us: int,
    lasts_us: int = LASTS_US,
) -> NewSecret:
    """Return a new link that signs a person in, which ends those that they had not used.

    Raises `Unavailable` if the tenant has no such principal, `RequestInvalid` if it is a service.
    """
    if load_principal(connection, tenant=tenant, which=principal).kind is not Kind.PERSON:
        raise RequestInvalid(
            attempted=f"invite {principal}",
            field="principal",
            found="it is a service, which has no browser",
            remedy="Make it a key.",
        )
    secret = _open(connection, tenant, principal, ids, now_us=now_us, lasts_us=lasts_us)
    said: Json = {"by": by, "principal": principal, "expires_us": now_us + lasts_us}
    tell(connection, "invitation.opened", secret.id, said, tenant=tenant, now_us=now_us)
    return secret


def find_invitation(
    connection: sa.Connection, *, tenant: TenantId, which: str
) -> tuple[PrincipalId, int]:
    """Return whom an invitation is for and when it ends; it is known to be the tenant's."""
    row = connection.execute(
        sa.select(owner_link).where(owner_link.c.tenant_id == tenant, owner_link.c.id == which)
    ).one()
    return PrincipalId(row.principal_id), int(row.expires_us)


def makes_owner(connection: sa.Connection, secret: str, *, now_us: int) -> bool:
    """Say whether a link makes a new owner, who has to say their name; raise as `use_owner_link`."""
    return _usable(connection, secret, now_us=now_us).principal_id is None


def use_owner_link(
    connection: sa.Connection, secret: str, *, name: str, ids: IdSource, now_us: int
) -> tuple[TenantId, PrincipalId]:
    """Return whom the link signs in, once: who was invited, or a new owner called `name`.

    Of two who use it at once one comes in. Raises `NotAuthenticated`, and `RequestInvalid` for a
    name that is none.
    """
    row = _usable(connection, secret, now_us=now_us)
    used = connection.execute(
        owner_link.update()
        .where(owner_link.c.id == row.id, owner_link.c.used_us.is_(None))
        .values(used_us=now_us)
    )
    if used.rowcount == 0:
        raise _no_way_in("it was used before")
    tenant = TenantId(row.tenant_id)
    if row.principal_id is not None:
        tell(
            connection,
            "invitation.used",
            row.id,
            {"by": row.principal_id},
            tenant=tenant,
            now_us=now_us,
        )
        return tenant, PrincipalId(row.principal_id)
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


def _open(
    connection: sa.Connection,
    tenant: TenantId,
    principal: PrincipalId | None,
    ids: IdSource,
    *,
    now_us: int,
    lasts_us: int,
) -> NewSecret:
    connection.execute(
        owner_link.update()
        .where(
            owner_link.c.tenant_id == tenant,
            owner_link.c.principal_id.is_(None)
            if principal is None
            else owner_link.c.principal_id == principal,
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
            principal_id=principal,
        )
    )
    return secret


def _usable(connection: sa.Connection, secret: str, *, now_us: int) -> Any:
    found = id_in(secret, prefix=PREFIX)
    row = connection.execute(sa.select(owner_link).where(owner_link.c.id == (found or ""))).first()
    if not is_secret(secret, digest=None if row is None else row.secret_hash):
        raise _no_way_in("it is no link of this studio")
    assert row is not None, "a secret that is right has a row"
    if row.expires_us <= now_us:
        raise _no_way_in(f"it ended at {iso_utc(row.expires_us)}")
    if row.used_us is not None:
        raise _no_way_in("it was used before")
    return row


def _no_way_in(found: str) -> NotAuthenticated:
    return NotAuthenticated(
        attempted="sign in by the link",
        found=found,
        remedy="Have an owner invite you again; a studio that nobody owns prints a link when it "
        "starts.",
    )

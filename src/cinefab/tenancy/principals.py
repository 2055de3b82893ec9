"""Tenants, who acts for them, and what each is: every change leaves an audit leaf beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from cinefab.core.canonical import Json
from cinefab.core.errors import RequestInvalid, Unavailable
from cinefab.core.ids import IdSource, PrincipalId, TenantId
from cinefab.store.facts import AuditLeaf, record_leaf
from cinefab.tenancy.caller import Kind
from cinefab.tenancy.roles import Role
from cinefab.tenancy.tables import principal as principal_table
from cinefab.tenancy.tables import role_binding
from cinefab.tenancy.tables import tenant as tenant_table

NAME_LENGTH_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Who owns jobs, assets and money."""

    id: TenantId
    name: str
    created_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who acts for a tenant, and as what."""

    id: PrincipalId
    tenant: TenantId
    kind: Kind
    name: str
    roles: frozenset[Role]
    created_us: int


def create_tenant(
    connection: sa.Connection, *, name: str, by: PrincipalId, ids: IdSource, now_us: int
) -> TenantId:
    """Write a tenant; raise `RequestInvalid` for a name that cannot be one."""
    made = TenantId(ids.new("ten"))
    connection.execute(
        tenant_table.insert().values(
            id=made, name=checked_name(name, attempted="create a tenant"), created_us=now_us
        )
    )
    tell(connection, "tenant.created", made, {"by": by, "name": name}, tenant=made, now_us=now_us)
    return made


def list_tenants(connection: sa.Connection) -> tuple[Tenant, ...]:
    """Return every tenant of the studio, oldest first: for its operator alone."""
    rows = connection.execute(
        sa.select(tenant_table).order_by(tenant_table.c.created_us, tenant_table.c.id)
    )
    return tuple(
        Tenant(id=TenantId(row.id), name=row.name, created_us=row.created_us) for row in rows
    )


def load_tenant(connection: sa.Connection, which: TenantId) -> Tenant:
    """Return a tenant; raise `Unavailable` if there is none by this id."""
    row = connection.execute(sa.select(tenant_table).where(tenant_table.c.id == which)).first()
    if row is None:
        raise not_here("tenant", which)
    return Tenant(id=TenantId(row.id), name=row.name, created_us=row.created_us)


def hold_tenant(connection: sa.Connection, tenant: TenantId) -> None:
    """Have whoever else administers a tenant wait until this transaction ends.

    Raises `Unavailable` if there is no such tenant.
    """
    held = sa.select(tenant_table.c.id).where(tenant_table.c.id == tenant)
    # Rows that refer to the tenant may be written meanwhile; on SQLite one transaction writes.
    if connection.execute(held.with_for_update(key_share=True)).first() is None:
        raise not_here("tenant", tenant)


def create_principal(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    kind: Kind,
    name: str,
    roles: frozenset[Role],
    by: PrincipalId,
    ids: IdSource,
    now_us: int,
) -> PrincipalId:
    """Write a principal of a tenant, with its roles."""
    load_tenant(connection, tenant)
    made = PrincipalId(ids.new("prn"))
    connection.execute(
        principal_table.insert().values(
            id=made,
            tenant_id=tenant,
            kind=kind,
            name=checked_name(name, attempted=f"create a {kind}"),
            created_us=now_us,
        )
    )
    for role in sorted(roles):
        _bind(connection, tenant, made, role, now_us=now_us)
    said: Json = {"by": by, "kind": kind, "name": name, "roles": sorted(roles)}
    tell(connection, "principal.created", made, said, tenant=tenant, now_us=now_us)
    return made


def list_principals(connection: sa.Connection, *, tenant: TenantId) -> tuple[Principal, ...]:
    """Return a tenant's principals, oldest first."""
    return _principals(connection, tenant)


def load_principal(connection: sa.Connection, *, tenant: TenantId, which: PrincipalId) -> Principal:
    """Return a principal; raise `Unavailable` if the tenant has none by this id."""
    found = _principals(connection, tenant, principal_table.c.id == which)
    if not found:
        raise not_here("principal", which)
    return found[0]


def give_role(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    to: PrincipalId,
    role: Role,
    by: PrincipalId,
    now_us: int,
) -> None:
    """Give a role to a principal of the tenant; one that it has already is left as it is."""
    hold_tenant(connection, tenant)
    if role in load_principal(connection, tenant=tenant, which=to).roles:
        return
    _bind(connection, tenant, to, role, now_us=now_us)
    tell(connection, "role.given", to, {"by": by, "role": role}, tenant=tenant, now_us=now_us)


def take_role(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    of: PrincipalId,
    role: Role,
    by: PrincipalId,
    now_us: int,
) -> None:
    """Take a role from a principal; raise `RequestInvalid` where the tenant would have no owner."""
    hold_tenant(connection, tenant)
    if role not in load_principal(connection, tenant=tenant, which=of).roles:
        return
    if role is Role.OWNER and owners_of(connection, tenant=tenant) == {of}:
        raise RequestInvalid(
            attempted=f"take the role {role} from {of}",
            field="role",
            found="it is the tenant's only owner",
            remedy="Make somebody else an owner first.",
        )
    connection.execute(
        role_binding.delete().where(
            role_binding.c.tenant_id == tenant,
            role_binding.c.principal_id == of,
            role_binding.c.role == role,
        )
    )
    tell(connection, "role.taken", of, {"by": by, "role": role}, tenant=tenant, now_us=now_us)


def owners_of(connection: sa.Connection, *, tenant: TenantId) -> frozenset[PrincipalId]:
    """Return the owners of a tenant; none before its owner link was used."""
    found = connection.execute(
        sa.select(role_binding.c.principal_id).where(
            role_binding.c.tenant_id == tenant, role_binding.c.role == Role.OWNER
        )
    )
    return frozenset(PrincipalId(each) for each in found.scalars())


def tell(
    connection: sa.Connection,
    kind: str,
    subject: str,
    said: Json,
    *,
    tenant: TenantId,
    now_us: int,
) -> None:
    """Leave an audit leaf of what an administrator did, in the transaction that does it."""
    record_leaf(
        connection,
        AuditLeaf(kind=kind, subject=subject, body=said),
        tenant=tenant,
        now_us=now_us,
    )


def checked_name(name: str, *, attempted: str) -> str:
    """Return a name as it is kept; raise `RequestInvalid` if it is empty, long or not printable."""
    name = name.strip()
    if not 0 < len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise RequestInvalid(
            attempted=attempted,
            field="name",
            found=f"{name[:40]!r}, {len(name)} characters",
            remedy=f"Give it 1 to {NAME_LENGTH_MAX} printable characters.",
        )
    return name


def not_here(noun: str, which: str) -> Unavailable:
    """Return the error for what is not there, or is another tenant's: both read alike."""
    return Unavailable(
        attempted=f"find the {noun} {which}",
        found="there is none by that id here",
        remedy="List what there is, and give one of those ids.",
    )


def _bind(
    connection: sa.Connection, tenant: TenantId, to: PrincipalId, role: Role, *, now_us: int
) -> None:
    connection.execute(
        role_binding.insert().values(
            tenant_id=tenant, principal_id=to, role=role, created_us=now_us
        )
    )


def _principals(
    connection: sa.Connection, tenant: TenantId, *which: sa.ColumnElement[bool]
) -> tuple[Principal, ...]:
    rows = connection.execute(
        sa.select(principal_table, role_binding.c.role)
        .outerjoin(role_binding, role_binding.c.principal_id == principal_table.c.id)
        .where(principal_table.c.tenant_id == tenant, *which)
        .order_by(principal_table.c.created_us, principal_table.c.id)
    ).all()
    roles: dict[str, set[Role]] = {}
    for row in rows:
        roles.setdefault(row.id, set()).update([] if row.role is None else [Role(row.role)])
    each_once = {row.id: row for row in rows}
    return tuple(
        Principal(
            id=PrincipalId(row.id),
            tenant=tenant,
            kind=Kind(row.kind),
            name=row.name,
            roles=frozenset(roles[row.id]),
            created_us=row.created_us,
        )
        for row in each_once.values()
    )

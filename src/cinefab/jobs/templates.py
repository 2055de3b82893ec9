"""Templates that a tenant keeps: by name and version, and under a version never another text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from cinefab.core.errors import RequestInvalid, Unavailable
from cinefab.core.ids import IdSource, PrincipalId, TenantId
from cinefab.jobs.once import Orderer
from cinefab.jobs.tables import template as template_table
from cinefab.store.facts import AuditLeaf, record_leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTemplate:
    """A template as it was stored, by whom and when."""

    id: str
    principal: PrincipalId
    name: str
    version: int
    text: str
    created_us: int


def store_template(
    connection: sa.Connection,
    who: Orderer,
    *,
    name: str,
    version: int,
    text: str,
    ids: IdSource,
    now_us: int,
) -> tuple[str, bool]:
    """Keep a template; return its id and whether it was there.

    Raises `RequestInvalid` where another text is kept under the same name and version.
    """
    known = _where(connection, who.tenant, name=name, version=version)
    if known is not None:
        if known.text != text:
            raise RequestInvalid(
                attempted=f"store the template {name}",
                field="template.version",
                found=f"version {version} of it is another text, {known.id}",
                remedy="Raise the version.",
            )
        return known.id, True
    made = ids.new("tpl")
    values = {
        "public_id": made,
        "tenant_id": who.tenant,
        "principal_id": who.principal,
        "name": name,
        "version": version,
        "text": text,
        "created_us": now_us,
    }
    try:
        with connection.begin_nested():
            connection.execute(template_table.insert().values(**values))
    except sa.exc.IntegrityError:
        # Somebody else stored that version at the same moment.
        return store_template(
            connection, who, name=name, version=version, text=text, ids=ids, now_us=now_us
        )
    leaf = AuditLeaf(
        kind="template.stored",
        subject=made,
        body={"by": who.principal, "name": name, "version": version},
    )
    record_leaf(connection, leaf, tenant=who.tenant, now_us=now_us)
    return made, False


def list_templates(connection: sa.Connection, *, tenant: TenantId) -> tuple[StoredTemplate, ...]:
    """Return a tenant's templates, newest first."""
    rows = connection.execute(
        sa.select(template_table)
        .where(template_table.c.tenant_id == tenant)
        .order_by(template_table.c.id.desc())
    )
    return tuple(_stored(row) for row in rows)


def load_template(connection: sa.Connection, *, tenant: TenantId, which: str) -> StoredTemplate:
    """Return a template; raise `Unavailable` if the tenant has none by this id."""
    row = connection.execute(
        sa.select(template_table).where(
            template_table.c.tenant_id == tenant, template_table.c.public_id == which
        )
    ).first()
    if row is None:
        raise Unavailable(
            attempted=f"find the template {which}",
            found="there is none by that id here",
            remedy="List what there is, and give one of those ids.",
        )
    return _stored(row)


def _where(
    connection: sa.Connection, tenant: TenantId, *, name: str, version: int
) -> StoredTemplate | None:
    row = connection.execute(
        sa.select(template_table).where(
            template_table.c.tenant_id == tenant,
            template_table.c.name == name,
            template_table.c.version == version,
        )
    ).first()
    return None if row is None else _stored(row)


def _stored(row: Any) -> StoredTemplate:
    return StoredTemplate(
        id=row.public_id,
        principal=PrincipalId(row.principal_id),
        name=row.name,
        version=row.version,
        text=row.text,
        created_us=row.created_us,
    )

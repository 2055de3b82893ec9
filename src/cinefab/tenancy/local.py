"""The one tenant of an embedded studio, and the person at its keyboard."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.core.ids import PrincipalId, TenantId
from cinefab.tenancy.tables import principal, tenant

LOCAL_TENANT: Final = TenantId("ten_local")
LOCAL_PRINCIPAL: Final = PrincipalId("prn_local")


def record_local_tenant(connection: sa.Connection, *, now_us: int) -> None:
    """Write the local tenant and its principal unless they are there."""
    known = sa.select(tenant.c.id).where(tenant.c.id == LOCAL_TENANT)
    if connection.execute(known).first() is not None:
        return
    connection.execute(tenant.insert().values(id=LOCAL_TENANT, name="local", created_us=now_us))
    connection.execute(
        principal.insert().values(
            id=LOCAL_PRINCIPAL,
            tenant_id=LOCAL_TENANT,
            kind="person",
            name="local",
            created_us=now_us,
        )
    )

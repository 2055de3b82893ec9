"""The service's application in this process: every route, and no films are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from cinefab.api.app import build_app
from cinefab.app.service import Service
from cinefab.app.settings import Settings
from cinefab.core.ids import PrincipalId, TenantId
from cinefab.store.schema import log_leaf
from cinefab.tenancy.caller import Kind
from cinefab.tenancy.keys import create_key
from cinefab.tenancy.principals import create_principal, create_tenant
from cinefab.tenancy.roles import Action, Role

OPERATOR = PrincipalId("prn_operator")


@dataclass
class Door:
    """A service whose jobs nobody works on, and what asks it."""

    service: Service
    app: Any

    def client(self, secret: str | None = None, **headers: str) -> TestClient:
        """Return a client of its own, with a key if one is given."""
        client = TestClient(
            self.app, base_url="http://127.0.0.1", raise_server_exceptions=False, headers=headers
        )
        if secret is not None:
            client.headers["authorization"] = f"Bearer {secret}"
        return client

    def tenant(self, name: str) -> TenantId:
        """Make a tenant."""
        with self.service.db.write() as connection:
            return create_tenant(
                connection,
                name=name,
                by=OPERATOR,
                ids=self.service.ids,
                now_us=self.service.clock.now_us(),
            )

    def person(self, tenant: TenantId, *roles: Role, name: str = "Somebody") -> PrincipalId:
        """Make somebody who acts for a tenant."""
        with self.service.db.write() as connection:
            return create_principal(
                connection,
                tenant=tenant,
                kind=Kind.PERSON,
                name=name,
                roles=frozenset(roles),
                by=OPERATOR,
                ids=self.service.ids,
                now_us=self.service.clock.now_us(),
            )

    def key(
        self,
        tenant: TenantId,
        *roles: Role,
        scopes: frozenset[Action] | None = None,
        lasts_us: int | None = None,
    ) -> str:
        """Make somebody with a key, and return its secret."""
        who = self.person(tenant, *roles)
        now_us = self.service.clock.now_us()
        with self.service.db.write() as connection:
            return create_key(
                connection,
                tenant=tenant,
                principal=who,
                name="a key",
                by=OPERATOR,
                ids=self.service.ids,
                now_us=now_us,
                scopes=scopes,
                expires_us=None if lasts_us is None else now_us + lasts_us,
            ).secret

    def leaves(self, tenant: str) -> list[str]:
        """Return the kinds of a tenant's audit leaves, oldest first."""
        with self.service.db.read() as connection:
            rows = connection.execute(
                log_leaf.select().where(log_leaf.c.tenant_id == tenant).order_by(log_leaf.c.id)
            )
            return [row.kind for row in rows]


@contextmanager
def opened(home: Path, *, loopback: bool = True, **settings: Any) -> Iterator[Door]:
    """Open a service in a home of its own until the block is left."""
    home.mkdir(parents=True, exist_ok=True)
    values = {"home": home, "out": home / "out", "workers": 1, **settings}
    service = Service(Settings(**values))
    try:
        yield Door(service, build_app(service, loopback=loopback))
    finally:
        service.close()

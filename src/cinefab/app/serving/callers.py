"""Who asks a running studio: found by a key, or the person at this machine while there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from cinefab.core.clock import Clock
from cinefab.core.ids import IdSource
from cinefab.store.database import Database
from cinefab.tenancy.caller import Caller, Kind
from cinefab.tenancy.keys import authenticate, create_key, is_worth_noting, note_use
from cinefab.tenancy.local import LOCAL_PRINCIPAL, LOCAL_TENANT
from cinefab.tenancy.owner_links import needs_owner
from cinefab.tenancy.principals import create_principal
from cinefab.tenancy.roles import Role
from cinefab.tenancy.tables import api_key

LOCAL_OWNER: Final = Caller(
    tenant=LOCAL_TENANT,
    principal=LOCAL_PRINCIPAL,
    kind=Kind.PERSON,
    roles=frozenset({Role.OWNER}),
)
"""Who asks on this machine while the studio has no key: the person at its keyboard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Finds who asks; any thread may call."""

    db: Database
    clock: Clock
    ids: IdSource

    def is_open(self) -> bool:
        """Say whether there is neither a key nor an owner, so that whoever is here is the owner."""
        with self.db.read() as connection:
            if connection.execute(sa.select(api_key.c.id).limit(1)).first() is not None:
                return False
            return needs_owner(connection, tenant=LOCAL_TENANT)

    def find(self, secret: str) -> Caller:
        """Return who has this key; raise `NotAuthenticated`."""
        now_us = self.clock.now_us()
        with self.db.read() as connection:
            caller = authenticate(connection, secret, now_us=now_us)
        if is_worth_noting(caller, now_us=now_us):
            with self.db.write() as connection:
                note_use(connection, caller, now_us=now_us)
        return caller

    def create_owner_key(self) -> str:
        """Make an owner of the local tenant with a key, and return the key, this once."""
        now_us = self.clock.now_us()
        with self.db.write() as connection:
            owner = create_principal(
                connection,
                tenant=LOCAL_TENANT,
                kind=Kind.PERSON,
                name="owner",
                roles=frozenset({Role.OWNER}),
                by=LOCAL_PRINCIPAL,
                ids=self.ids,
                now_us=now_us,
            )
            made = create_key(
                connection,
                tenant=LOCAL_TENANT,
                principal=owner,
                name="first start",
                by=LOCAL_PRINCIPAL,
                ids=self.ids,
                now_us=now_us,
            )
        return made.secret

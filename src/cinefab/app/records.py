"""The records alone: the database and the authority, for commands that need no studio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cinefab.app.settings import Settings
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.ids import IdSource, PrincipalId, RandomIds, TenantId
from cinefab.provenance.authority import Authority, open_authority
from cinefab.store.database import Database
from cinefab.store.migrate import migrate
from cinefab.tenancy.local import LOCAL_PRINCIPAL, LOCAL_TENANT, record_local_tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What was recorded, whose signatures count, and what is needed to add to it."""

    tenant: TenantId
    principal: PrincipalId
    db: Database
    authority: Authority
    clock: Clock
    ids: IdSource


@contextmanager
def open_records(settings: Settings) -> Iterator[Records]:
    """Open the database, migrated to this release, and the authority; close them at the end."""
    clock = SystemClock()
    db = Database(settings.db_url, durability=settings.durability)
    try:
        migrate(db)
        with db.write() as connection:
            record_local_tenant(connection, now_us=clock.now_us())
        yield Records(
            tenant=LOCAL_TENANT,
            principal=LOCAL_PRINCIPAL,
            db=db,
            authority=open_authority(settings.home / "authority", clock=clock),
            clock=clock,
            ids=RandomIds(clock),
        )
    finally:
        db.close()

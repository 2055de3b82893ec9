"""The records alone: the database and the authority, for commands that only ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cinefab.app.settings import Settings
from cinefab.core.clock import SystemClock
from cinefab.core.ids import TenantId
from cinefab.provenance.authority import Authority, open_authority
from cinefab.store.database import Database
from cinefab.store.migrate import migrate
from cinefab.tenancy.local import LOCAL_TENANT, record_local_tenant


@dataclass(frozen=True, slots=True)
class Records:
    """What was recorded, and whose signatures count."""

    tenant: TenantId
    db: Database
    authority: Authority


@contextmanager
def open_records(settings: Settings) -> Iterator[Records]:
    """Open the database, migrated to this release, and the authority; close them at the end."""
    clock = SystemClock()
    db = Database(settings.db_url, durability=settings.durability)
    try:
        migrate(db)
        with db.write() as connection:
            record_local_tenant(connection, now_us=clock.now_us())
        yield Records(LOCAL_TENANT, db, open_authority(settings.home / "authority", clock=clock))
    finally:
        db.close()

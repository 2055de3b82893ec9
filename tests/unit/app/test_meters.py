"""The studio's figures are of all tenants, so they are for the studio's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cinefab.app.events import EventHub
from cinefab.app.serving.callers import LOCAL_OWNER
from cinefab.app.serving.desk import Desk
from cinefab.app.serving.meters import Meters
from cinefab.core.clock import SystemClock
from cinefab.core.errors import Forbidden
from cinefab.core.ids import RandomIds, TenantId
from cinefab.store.database import Database
from cinefab.store.migrate import migrate
from cinefab.tenancy.policy import load_policy
from cinefab.tenancy.roles import Role


def test_only_who_may_read_the_books_of_the_studios_own_tenant_gets_them(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'cinefab.db'}")
    migrate(db)
    clock = SystemClock()
    policy = load_policy(tmp_path / "policies")
    meters = Meters(Desk(db=db, clock=clock, ids=RandomIds(clock), policy=policy), EventHub(db))

    with pytest.raises(Forbidden):
        meters.page(replace(LOCAL_OWNER, tenant=TenantId("ten_other")))
    with pytest.raises(Forbidden):
        meters.page(replace(LOCAL_OWNER, roles=frozenset({Role.PRODUCER})))
    assert b"cinefab_jobs" in meters.page(replace(LOCAL_OWNER, roles=frozenset({Role.FINANCE})))
    db.close()

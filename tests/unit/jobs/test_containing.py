"""What fails of one version of a model is no word on another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cinefab.core.clock import SystemClock
from cinefab.generate.models.procedural import Procedural
from cinefab.jobs.containing import _ask
from cinefab.jobs.workshop import Model
from cinefab.schedule.breakers import Breaker, State, store_breaker
from cinefab.store.database import Database
from cinefab.store.migrate import migrate
from cinefab.tenancy.local import LOCAL_TENANT


def test_a_version_that_rests_leaves_the_others_of_its_name_to_their_work(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'cinefab.db'}")
    migrate(db)
    clock = SystemClock()
    shop: Any = SimpleNamespace(recorder=SimpleNamespace(db=db, clock=clock), tenant=LOCAL_TENANT)
    live, canary = (
        Model(card=replace(Procedural().card, version=version), entry="a:b")
        for version in ("1.0.0", "2.0.0")
    )
    before = Breaker(model=canary.card.ref)
    rests = replace(before, state=State.OPEN, until_us=clock.now_us() + 10**9, why="it crashed")
    with db.write() as connection:
        store_breaker(connection, before, rests, tenant=LOCAL_TENANT, now_us=1)

    assert _ask(shop, live) is None
    assert _ask(shop, canary) == rests
    db.close()

"""Kill a film that is shown first, anywhere: nobody is asked twice, nothing is charged twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import opener
import pytest
import sqlalchemy as sa
from done_once import assert_done_once
from strangers import install
from studio_runs import SMALL_BRIEF, Studio

from cinefab.deliver.tables import release
from cinefab.economics.tables import lease
from cinefab.review.tables import decision, review_item
from cinefab.store.database import Database
from cinefab.store.schema import outbox

pytestmark = pytest.mark.long

WANTED = SMALL_BRIEF + "model: opener\npreview_first: {ask: true}\n"


def test_a_film_killed_around_its_preview_and_its_yes_asks_once_and_charges_once(
    tmp_path: Path,
) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}")
    source = Path(opener.__file__).read_text()
    install(studio, module="opener", source=source, points={"models": {"opener": "opener:Opener"}})
    brief = studio.brief(WANTED)
    make = ("make", brief, "--out", studio.folder / "out")
    for stage in ("preview:plan", "preview:generate:1", "preview:assemble", "preview:deliver"):
        begun = lease.c.stage == stage
        _kill_when(studio, lambda begun=begun: _rows(studio, lease, begun) > 0, *make)
    _kill_when(studio, lambda: _rows(studio, review_item) == 1, *make)

    waits = studio.make(brief, expect=5)

    assert _rows(studio, review_item) == 1
    assert _rows(studio, outbox, outbox.c.kind == "preview.ready") == 1
    assert _rows(studio, release) == 0
    shown = waits["preview_first"]

    answer = ("review", "approve", waits["job"])
    _kill_when(studio, lambda: _rows(studio, decision) == 1, *answer)
    for stage in ("start:1", "plan", "generate:0", "deliver"):
        begun = lease.c.stage == stage
        _kill_when(studio, lambda begun=begun: _rows(studio, lease, begun) > 0, *make)
    film = studio.make(brief)

    assert film["job"] == waits["job"]
    assert film["status"] == "delivered"
    assert film["preview_first"]["cost_uusd"] == shown["cost_uusd"]
    assert film["preview_first"]["sha256"] == shown["sha256"]
    assert len(film["preview_first"]["begins_with"]) == 3
    assert _rows(studio, review_item) == _rows(studio, decision) == 1
    assert _rows(studio, outbox, outbox.c.kind == "preview.ready") == 1
    assert film["cost_uusd"] == sum(stage["cost_uusd"] for stage in film["stages"])
    assert_done_once(studio, film["job"], jobs=1)
    studio.check_books()


def _kill_when(studio: Studio, is_so: Callable[[], bool], *words: str | Path) -> None:
    process = studio.start(*words)
    try:
        until = time.monotonic() + 180
        while not is_so() and process.poll() is None:
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.02)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _rows(studio: Studio, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    db = Database(studio.db)
    try:
        with db.read() as connection:
            if not sa.inspect(connection).has_table(table.name):
                return 0
            query = sa.select(sa.func.count()).select_from(table).where(*conditions)
            return int(connection.execute(query).scalar_one())
    finally:
        db.close()

"""A backup of a studio that works holds nothing as done that its records do not have."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cinefab.app import backups
from cinefab.app.settings import Settings
from cinefab.core.clock import SystemClock
from cinefab.store.database import Database
from cinefab.store.migrate import migrate


def test_what_is_done_while_it_is_taken_is_never_in_the_engines_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path / "home")
    db = Database(settings.db_url)
    migrate(db)
    db.close()
    files = [tmp_path / "home" / name for name in ("cinefab.db", "cinefab.durable.db")]
    dump = backups.dump_sqlite

    def worked_on(source: Path, target: Path) -> None:
        dump(source, target)
        # As a stage does: its row first, then what the engine keeps of it.
        for file in files:
            with closing(sqlite3.connect(file)) as database:
                database.execute("CREATE TABLE IF NOT EXISTS done (id INTEGER PRIMARY KEY)")
                database.execute("INSERT INTO done DEFAULT VALUES")
                database.commit()

    files[1].touch()
    monkeypatch.setattr(backups, "dump_sqlite", worked_on)

    backups.back_up(settings, tmp_path / "kept", clock=SystemClock())

    (snapshot,) = (tmp_path / "kept").glob("database-*")
    ours, engines = (_done(snapshot / file.name) for file in files)
    assert engines <= ours
    assert ours


def _done(file: Path) -> set[int]:
    with closing(sqlite3.connect(file)) as database:
        named = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'done'").fetchone()
        return {row[0] for row in database.execute("SELECT id FROM done")} if named else set()

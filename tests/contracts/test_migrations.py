"""A migrated database is exactly what the code's tables say."""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

import cinefab
from cinefab.core.errors import StorageUnavailable
from cinefab.store import migrate as migrating
from cinefab.store.database import Database
from cinefab.store.migrate import FRESH, HEAD, migrate
from cinefab.store.schema import METADATA

SCRIPTS = Path(cinefab.__file__).parent / "store" / "migrations" / "versions"


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    yield db
    db.close()


def test_migrating_an_empty_database_gives_exactly_the_tables_of_the_code(db: Database) -> None:
    for module in pkgutil.walk_packages(cinefab.__path__, "cinefab."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)

    migrate(db)

    with db.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_the_newest_script_is_the_revision_that_the_code_works_on() -> None:
    newest = max(path.name for path in SCRIPTS.glob("[0-9]*.py"))

    assert newest.startswith(HEAD)


def test_an_empty_sqlite_file_gets_the_same_tables_without_alembic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Database(f"sqlite:///{tmp_path / 'quick.db'}")
    migrate(quick)
    stale = tmp_path / "stale.sql"
    stale.write_text("-- revision 0000\n")
    monkeypatch.setattr(migrating, "FRESH", stale)
    slow = Database(f"sqlite:///{tmp_path / 'slow.db'}")
    migrate(slow)

    found = [_contents(db) for db in (quick, slow)]

    quick.close()
    slow.close()
    assert FRESH.read_text().startswith(f"-- revision {HEAD}\n"), "tools/new-migration --fresh"
    assert found[0] == found[1]


def test_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    failures: list[Exception] = []

    def start() -> None:
        db = Database(database_url)
        try:
            migrate(db)
        except Exception as error:  # noqa: BLE001 - whatever happens in a thread must be seen
            failures.append(error)
        finally:
            db.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []


def test_a_database_of_a_newer_release_is_refused_and_left_alone(db: Database) -> None:
    migrate(db)
    with db.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(StorageUnavailable, match="newer release"):
        migrate(db)


def _contents(db: Database) -> tuple[list[tuple[object, ...]], list[str]]:
    with db.read() as connection:
        made = connection.exec_driver_sql(
            "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
        ).all()
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars()
        return [tuple(row) for row in made], list(revision)


def test_a_script_leaves_all_that_older_processes_read_and_write(db: Database) -> None:
    steps = sorted(path.name[:4] for path in SCRIPTS.glob("[0-9]*.py"))
    before: dict[str, dict[str, Any]] = {}
    for revision in steps:
        _upgrade(db, revision)
        after = _columns(db)
        for table, columns in before.items():
            assert table in after, f"{revision} takes {table} away"
            for name, column in columns.items():
                found = after[table].get(name)
                assert found is not None, f"{revision} takes {table}.{name} away"
                assert str(found["type"]) == str(column["type"]), f"{revision}: {table}.{name}"
                assert found["nullable"] >= column["nullable"], f"{revision}: {table}.{name}"
            for name in after[table].keys() - columns.keys():
                new = after[table][name]
                fills_itself = new["nullable"] or new["default"] is not None
                assert fills_itself, f"{revision}: {table}.{name} must be given"
        before = after


def _upgrade(db: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS.parent))
    with db.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _columns(db: Database) -> dict[str, dict[str, Any]]:
    with db.read() as connection:
        inspector = sa.inspect(connection)
        return {
            table: {column["name"]: dict(column) for column in inspector.get_columns(table)}
            for table in inspector.get_table_names()
        }

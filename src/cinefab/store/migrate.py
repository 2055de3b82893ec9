"""Bring a database up to this release: create it, or migrate it, or find that it is current."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

from cinefab.core.errors import StorageUnavailable
from cinefab.store.database import Database

HEAD: Final = "0023"
"""The revision that this release works on; a test holds it against the scripts."""

_LOCK: Final = 0x63696E65  # "cine": two processes that start at once migrate one after the other
_SCRIPTS: Final = Path(__file__).parent / "migrations"


FRESH: Final = _SCRIPTS / "fresh-sqlite.sql"
"""What the scripts make of an empty SQLite file, statement by statement; a test holds it to that.
The first line names its revision."""


def migrate(db: Database) -> None:
    """Migrate to `HEAD` in one transaction; raise `StorageUnavailable` if the database is newer."""
    revision = _revision(db)
    if revision == HEAD:
        return
    # Whoever makes the first film in a new home waits for its first picture: an empty file needs
    # no Alembic, which takes twenty times as long as the tables do.
    if revision is None and db.is_sqlite and _create(db):
        return
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above
    from alembic.util import CommandError  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    with db.write() as connection:
        if not db.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, HEAD)
        except CommandError as error:
            raise StorageUnavailable(
                attempted="migrate the database",
                found=f"{error}: it was written by a newer release",
                remedy="Run that release, or point --db at another database.",
            ) from error


def _create(db: Database) -> bool:
    """Give an empty SQLite file the tables of `HEAD`; False if it is not empty, or FRESH is old."""
    named, _, statements = FRESH.read_text(encoding="utf-8").partition("\n")
    if named != f"-- revision {HEAD}":
        return False
    with db.write() as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
        if found:
            return False
        for statement in statements.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    return True


def _revision(db: Database) -> str | None:
    with db.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        return None if row is None else str(row[0])

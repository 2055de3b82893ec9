"""How every connection to a SQLite file is set up, whoever opens it."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from cinefab.core.clock import SystemClock

BUSY_TIMEOUT_MS: Final = 30_000
"""How long a connection waits for a lock that another one holds."""

_WAL_PAUSE_S: Final = 0.02
_WAL_ATTEMPTS: Final = 500


def set_up_connection(connection: Any, *, strict: bool) -> None:
    """Set WAL mode, foreign keys and patience on a DB-API connection; `strict` syncs each commit.

    Raises `sqlite3.OperationalError` if the file cannot be used, or stays locked for 10 s.
    """
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    _enter_wal(cursor)
    cursor.execute(f"PRAGMA synchronous={'FULL' if strict else 'NORMAL'}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _enter_wal(cursor: Any) -> None:
    # A file enters WAL mode once in its life, and of two processes that create it at the same
    # time one is refused at once: the busy timeout does not hold for this change.
    for attempt in range(_WAL_ATTEMPTS):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or attempt == _WAL_ATTEMPTS - 1:
                raise
            SystemClock().sleep(_WAL_PAUSE_S)
        else:
            return

"""How a sweep and those who store things keep out of each other's way.

A blob is taken away in three moves: condemned in a transaction that holds the sweep's lock and
found nobody in need of it; deleted; and written down as gone. Whoever commits a result shares
that lock and looks here first: bytes that were condemned since they were stored may be gone, so
they are stored again before anything points to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from cinefab.core.canonical import Sha256
from cinefab.core.errors import StorageUnavailable
from cinefab.store.schema import swept_blob

_LOCK: Final = 0x73776570  # "swep"
_PER_QUERY: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Condemned:
    """A blob that is to go: its size, and what it was kept as."""

    digest: Sha256
    size_bytes: int
    kept_as: str


def hold_off_commits(connection: sa.Connection) -> None:
    """Wait for commits that are under way, and let no other begin until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def refuse_swept(
    connection: sa.Connection, digests: Iterable[Sha256], *, has: Callable[[Sha256], bool]
) -> None:
    """Raise `StorageUnavailable` if any of these blobs was taken away since it was stored.

    Call it in the transaction that makes a row point to them; `has` says whether a blob is there.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_LOCK)))
    for row in _rows_of(connection, sorted(set(digests))):
        if row.swept_us is None or not has(Sha256(row.digest)):
            raise StorageUnavailable(
                attempted=f"keep {row.digest}",
                found="a sweep took it away at the same moment",
                remedy="It is made again; if it stays so, a sweep broke off: run cinefab sweep.",
            )


def condemn(connection: sa.Connection, blobs: Sequence[Condemned], *, now_us: int) -> None:
    """Write down that blobs go, within the transaction that holds off commits."""
    if not blobs:
        return
    connection.execute(
        swept_blob.insert(),
        [
            {
                "digest": blob.digest,
                "size_bytes": blob.size_bytes,
                "kept_as": blob.kept_as,
                "condemned_us": now_us,
            }
            for blob in blobs
        ],
    )


def unfinished(connection: sa.Connection) -> tuple[Sha256, ...]:
    """Return the blobs that were condemned and, as far as is known, are still there."""
    rows = connection.execute(sa.select(swept_blob.c.digest).where(swept_blob.c.swept_us.is_(None)))
    return tuple(Sha256(digest) for digest in rows.scalars())


def record_gone(connection: sa.Connection, digests: Sequence[Sha256], *, now_us: int) -> None:
    """Write down that condemned blobs are gone."""
    for first in range(0, len(digests), _PER_QUERY):
        connection.execute(
            swept_blob.update()
            .where(
                swept_blob.c.digest.in_(digests[first : first + _PER_QUERY]),
                swept_blob.c.swept_us.is_(None),
            )
            .values(swept_us=now_us)
        )


def _rows_of(connection: sa.Connection, digests: Sequence[Sha256]) -> list[sa.Row[tuple[str, int]]]:
    found: list[sa.Row[tuple[str, int]]] = []
    for first in range(0, len(digests), _PER_QUERY):
        query = sa.select(swept_blob.c.digest, swept_blob.c.swept_us)
        here = swept_blob.c.digest.in_(digests[first : first + _PER_QUERY])
        found.extend(connection.execute(query.where(here)))
    return found

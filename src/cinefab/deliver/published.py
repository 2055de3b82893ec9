"""What caches were last told of: the files with plain names, by the place they are at."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from cinefab.core.canonical import Sha256
from cinefab.core.ids import JobId, TenantId
from cinefab.deliver.tables import published_entry


def known_entries(
    connection: sa.Connection, *, tenant: TenantId, place: str
) -> Mapping[str, Sha256]:
    """Return the digest of each entry of a place as caches know it, by path."""
    rows = connection.execute(
        sa.select(published_entry.c.path, published_entry.c.digest).where(
            published_entry.c.tenant_id == tenant, published_entry.c.place == place
        )
    )
    return {row.path: Sha256(row.digest) for row in rows}


def record_entries(
    connection: sa.Connection,
    entries: Mapping[str, Sha256],
    *,
    tenant: TenantId,
    place: str,
    job: JobId,
    now_us: int,
) -> None:
    """Write down what caches know now, within the caller's transaction."""
    for path, digest in entries.items():
        here = (
            published_entry.c.tenant_id == tenant,
            published_entry.c.place == place,
            published_entry.c.path == path,
        )
        facts = {"digest": digest, "job_id": job, "published_us": now_us}
        if connection.execute(published_entry.update().where(*here).values(**facts)).rowcount:
            continue
        insert = published_entry.insert().values(tenant_id=tenant, place=place, path=path, **facts)
        try:
            # Another job may publish to the same place at this moment; either digest is true.
            with connection.begin_nested():
                connection.execute(insert)
        except sa.exc.IntegrityError:
            continue

"""Where releases were sent, and what caches were last told: the files with plain names, by place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.ids import JobId, TenantId
from cinefab.deliver.tables import publication, published_entry


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A release at a place: what was sent, where it is found there, and which caches were told."""

    place: str
    facts: Mapping[str, Any]
    published_us: int


def record_publication(
    connection: sa.Connection,
    facts: Json,
    *,
    tenant: TenantId,
    place: str,
    job: JobId,
    now_us: int,
) -> None:
    """Write down what became of a publication, in place of what an earlier one came to."""
    here = (
        publication.c.tenant_id == tenant,
        publication.c.job_id == job,
        publication.c.place == place,
    )
    values = {"facts": canonical_json(facts).decode(), "published_us": now_us}
    if connection.execute(publication.update().where(*here).values(**values)).rowcount:
        return
    connection.execute(
        publication.insert().values(tenant_id=tenant, job_id=job, place=place, **values)
    )


def publications_of(
    connection: sa.Connection, *, tenant: TenantId, job: JobId
) -> tuple[Publication, ...]:
    """Return where a job's release was sent, whichever came first."""
    rows = connection.execute(
        sa.select(publication)
        .where(publication.c.tenant_id == tenant, publication.c.job_id == job)
        .order_by(publication.c.id)
    )
    return tuple(
        Publication(place=row.place, facts=json.loads(row.facts), published_us=row.published_us)
        for row in rows
    )

"""The two rows that every change leaves behind: a leaf of the audit log and an event for outside."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from cinefab.core.canonical import Json, canonical_json
from cinefab.core.ids import TenantId
from cinefab.store.schema import log_leaf, outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLeaf:
    """What the audit log says of a change: its kind, what it is about, and the facts."""

    kind: str
    subject: str
    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEvent:
    """What the world is told of a change: its kind, what it is about, and the facts."""

    kind: str
    subject: str
    body: Json


def record_leaf(
    connection: sa.Connection, leaf: AuditLeaf, *, tenant: TenantId, now_us: int
) -> None:
    """Append a leaf to the audit log within the caller's transaction."""
    body = canonical_json(
        {"at_us": now_us, "kind": leaf.kind, "subject": leaf.subject, "facts": leaf.body}
    )
    connection.execute(
        log_leaf.insert().values(
            tenant_id=tenant,
            kind=leaf.kind,
            subject=leaf.subject,
            body=body.decode(),
            leaf_hash=leaf_hash(body),
            created_us=now_us,
        )
    )


def record_event(
    connection: sa.Connection, event: OutboxEvent, *, tenant: TenantId, now_us: int
) -> None:
    """Put an event into the outbox within the caller's transaction."""
    connection.execute(
        outbox.insert().values(
            tenant_id=tenant,
            kind=event.kind,
            subject=event.subject,
            body=canonical_json(event.body).decode(),
            created_us=now_us,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLeaf:
    """A leaf as it stands in the log: `body` is what was hashed, and `facts` are in it."""

    id: int
    kind: str
    subject: str
    body: str
    facts: Json
    hash: str
    at_us: int


def leaves_of(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    kind: str | None,
    subject: str | None,
    since_us: int | None,
    until_us: int | None,
    before: int | None,
    limit: int,
) -> tuple[StoredLeaf, ...]:
    """Return a tenant's leaves, newest first: those asked for that are older than one of them."""
    asked = (
        None if kind is None else log_leaf.c.kind == kind,
        None if subject is None else log_leaf.c.subject == subject,
        None if since_us is None else log_leaf.c.created_us >= since_us,
        None if until_us is None else log_leaf.c.created_us < until_us,
        None if before is None else log_leaf.c.id < before,
    )
    rows = connection.execute(
        sa.select(log_leaf)
        .where(log_leaf.c.tenant_id == tenant, *(each for each in asked if each is not None))
        .order_by(log_leaf.c.id.desc())
        .limit(limit)
    )
    return tuple(
        StoredLeaf(
            id=row.id,
            kind=row.kind,
            subject=row.subject,
            body=row.body,
            facts=json.loads(row.body)["facts"],
            hash=row.leaf_hash,
            at_us=row.created_us,
        )
        for row in rows
    )


def leaf_hash(body: bytes) -> str:
    """Return RFC 6962's hash of a leaf: SHA-256 over a zero byte and the body."""
    return hashlib.sha256(b"\x00" + body).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """An event as it stands in the outbox; ids rise in the order of being written."""

    id: int
    tenant: TenantId
    kind: str
    subject: str
    body: Json
    at_us: int


def events_of(
    connection: sa.Connection, *, tenant: TenantId, subject: str, after: int = 0, limit: int = 1000
) -> tuple[ToldEvent, ...]:
    """Return the events about one thing that come after another one, oldest first."""
    rows = connection.execute(
        sa.select(outbox)
        .where(outbox.c.tenant_id == tenant, outbox.c.subject == subject, outbox.c.id > after)
        .order_by(outbox.c.id)
        .limit(limit)
    )
    return tuple(_told(row) for row in rows)


def events_after(connection: sa.Connection, after: int, *, limit: int) -> tuple[ToldEvent, ...]:
    """Return the events of all tenants after one, oldest first: for those who pass them on."""
    rows = connection.execute(
        sa.select(outbox).where(outbox.c.id > after).order_by(outbox.c.id).limit(limit)
    )
    return tuple(_told(row) for row in rows)


def newest_event(connection: sa.Connection) -> int:
    """Return the id of the event that was written last, 0 if there is none."""
    return int(connection.execute(sa.select(sa.func.max(outbox.c.id))).scalar() or 0)


def _told(row: Any) -> ToldEvent:
    return ToldEvent(
        id=row.id,
        tenant=TenantId(row.tenant_id),
        kind=row.kind,
        subject=row.subject,
        body=json.loads(row.body),
        at_us=row.created_us,
    )

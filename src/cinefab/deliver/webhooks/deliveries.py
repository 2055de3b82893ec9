"""What webhooks are owed: written from the outbox once for each event, claimed, paid, shown, replayed.

An event is marked in the outbox in the transaction that writes its deliveries, so none is lost or
written twice, whenever a sender dies. One that is claimed and never paid is claimed again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, canonical_json
from cinefab.core.clock import iso_utc
from cinefab.core.ids import IdSource, PrincipalId, TenantId
from cinefab.deliver.webhooks.endpoints import (
    Webhook,
    add_secret,
    all_told,
    checked_events,
    checked_url,
    end_waiting,
    load_webhook,
)
from cinefab.deliver.webhooks.retries import Again, Attempt, Dead, Delivered, outcome_of
from cinefab.deliver.webhooks.tables import webhook, webhook_delivery, webhook_secret
from cinefab.store.facts import AuditLeaf, OutboxEvent, record_event, record_leaf
from cinefab.store.schema import outbox
from cinefab.tenancy.principals import hold_tenant, not_here, tell
from cinefab.tenancy.sealed import Seal

PING: Final = "webhook.ping"
"""The event that a webhook is tried with."""

REPLAYED_MAX: Final = 1_000
"""The most events that one call replays."""

_FANNED_OUT: Final = 500
_PER_QUERY: Final = 400
_LOG_KEPT: Final = 12
_LOCK: Final = 0x686F6F6B  # "hook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one webhook, and what became of it; `log` has an entry for each attempt."""

    id: str
    webhook: str
    event: str
    kind: str
    subject: str
    state: str
    attempts: int
    log: tuple[Mapping[str, Json], ...]
    due_us: int
    created_us: int
    ended_us: int | None
    replay_of: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A message on its way: where to, what it says, and the secrets that sign it."""

    row: int
    delivery: str
    webhook: str
    url: str
    message: str
    body: bytes
    media_type: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the webhook of one thing is told: in which dialect, of which door, until which events."""

    dialect: str
    base: str
    ends_with: tuple[str, ...]


Writer = Callable[[sa.Connection, TenantId, str, Form], bytes]
"""Writes what a dialect says of a tenant's subject now."""

MEDIA_TYPE: Final = "application/cloudevents+json"


def message_id(event: int) -> str:
    """Return the id that receivers know an event by, however often it is sent to them."""
    return f"evt_{event}"


def fan_out(
    connection: sa.Connection, *, ids: IdSource, now_us: int, at_most: int = _FANNED_OUT
) -> int:
    """Write what is owed for the oldest events of which nobody was told yet; return how many.

    Nothing is done while nobody wants to be told of anything.
    """
    _lock(connection)
    wanting: dict[str, list[Webhook]] = {}
    for found in all_told(connection):
        wanting.setdefault(found.tenant, []).append(found)
    if not wanting:
        return 0
    events = connection.execute(
        sa.select(outbox.c.id, outbox.c.tenant_id, outbox.c.kind, outbox.c.subject)
        .where(outbox.c.published_us.is_(None))
        .order_by(outbox.c.id)
        .limit(at_most)
    ).all()
    owed = [
        _row(each.id, event.id, event.kind, event.subject, each.tenant, ids=ids, now_us=now_us)
        for event in events
        for each in wanting.get(event.tenant_id, ())
        if event.id > each.from_event and each.wants(event.kind, event.subject)
    ]
    if owed:
        connection.execute(webhook_delivery.insert(), owed)
    over = [
        each.id
        for event in events
        for each in wanting.get(event.tenant_id, ())
        if each.only_subject == event.subject and event.kind in each.ends_with
    ]
    _end(connection, over, now_us=now_us)
    _mark_told(connection, [event.id for event in events], now_us=now_us)
    return len(events)


def tell_about(
    connection: sa.Connection,
    seal: Seal,
    *,
    tenant: TenantId,
    subject: str,
    url: str,
    events: Sequence[str],
    form: Form,
    secret: str,
    ids: IdSource,
    now_us: int,
) -> None:
    """Have what becomes of one thing told to a URL, from its beginning until it is over.

    However often it is asked of one thing and URL, it is told once. `url` was checked by whoever
    posts there. Raises `RequestInvalid`.
    """
    _lock(connection)
    hold_tenant(connection, tenant)
    known = connection.execute(
        sa.select(webhook.c.id).where(
            webhook.c.tenant_id == tenant,
            webhook.c.only_subject == subject,
            webhook.c.url == url,
        )
    ).first()
    if known is not None:
        return
    made = ids.new("whk")
    connection.execute(
        webhook.insert().values(
            id=made,
            tenant_id=tenant,
            url=checked_url(url),
            events=json.dumps(checked_events(events)),
            description="",
            from_event=0,
            created_us=now_us,
            only_subject=subject,
            form=canonical_json(
                {"dialect": form.dialect, "base": form.base, "ends_with": list(form.ends_with)}
            ).decode(),
        )
    )
    add_secret(connection, seal, tenant=tenant, which=made, now_us=now_us, secret=secret)
    # What others were told of already, this one was not; the rest is told in its turn.
    told = connection.execute(
        sa.select(outbox.c.id, outbox.c.kind)
        .where(
            outbox.c.tenant_id == tenant,
            outbox.c.subject == subject,
            outbox.c.published_us.is_not(None),
        )
        .order_by(outbox.c.id)
    ).all()
    hook = next(each for each in all_told(connection) if each.id == made)
    owed = [
        _row(made, event.id, event.kind, subject, tenant, ids=ids, now_us=now_us)
        for event in told
        if hook.wants(event.kind, subject)
    ]
    if owed:
        connection.execute(webhook_delivery.insert(), owed)
    if any(event.kind in form.ends_with for event in told):
        _end(connection, [made], now_us=now_us)


def claim(
    connection: sa.Connection,
    seal: Seal,
    *,
    now_us: int,
    until_us: int,
    at_most: int,
    per_webhook: int,
    write: Writer | None = None,
) -> tuple[Claimed, ...]:
    """Take what is to be sent now, the oldest of each subject, for nobody else to send until then.

    A webhook that did not answer last time, or never did, gets one message at a time. One whose
    secrets are sealed under another key is left to whoever has that key. What is not sent as an
    event has its body from `write`.
    """
    _lock(connection)
    busy = Counter(
        _line(row)
        for row in connection.execute(
            sa.select(
                webhook_delivery.c.webhook_id,
                webhook.c.tenant_id,
                webhook.c.url,
                webhook.c.only_subject,
            )
            .join(webhook, webhook.c.id == webhook_delivery.c.webhook_id)
            .where(
                webhook_delivery.c.state == "waiting",
                webhook_delivery.c.claimed_until_us > now_us,
            )
        )
    )
    chosen: list[Any] = []
    for row in _due(connection, seal, now_us=now_us):
        trusted = row.failures == 0 and row.succeeded_us is not None
        line = _line(row)
        if len(chosen) < at_most and busy[line] < (per_webhook if trusted else 1):
            busy[line] += 1
            chosen.append(row)
    if not chosen:
        return ()
    connection.execute(
        webhook_delivery.update()
        .where(webhook_delivery.c.id.in_([row.id for row in chosen]))
        .values(claimed_until_us=until_us)
    )
    events = _events(connection, [row.event_id for row in chosen])
    secrets = _secrets(connection, seal, {row.webhook_id for row in chosen}, now_us=now_us)
    return tuple(
        Claimed(
            row=row.id,
            delivery=row.public_id,
            webhook=row.webhook_id,
            url=row.url,
            message=message_id(row.event_id),
            body=_cloud_event(events[row.event_id])
            if row.form is None or write is None
            else write(connection, TenantId(row.tenant_id), row.only_subject, _form(row.form)),
            media_type=MEDIA_TYPE if row.form is None else "application/json",
            secrets=secrets[row.webhook_id],
        )
        for row in chosen
    )


def is_anything_due(connection: sa.Connection, seal: Seal, *, now_us: int) -> bool:
    """Say whether there may be something to claim, or to fan out; it only reads."""
    if connection.execute(_due_query(seal, now_us).limit(1)).first() is not None:
        return True
    if not is_anybody_told(connection):
        return False
    untold = sa.select(outbox.c.id).where(outbox.c.published_us.is_(None)).limit(1)
    return connection.execute(untold).first() is not None


def is_anybody_told(connection: sa.Connection) -> bool:
    """Say whether any tenant has a webhook at all."""
    found = connection.execute(
        sa.select(webhook.c.id)
        .where(
            webhook.c.disabled_us.is_(None),
            webhook.c.removed_us.is_(None),
            webhook.c.over_us.is_(None),
        )
        .limit(1)
    ).first()
    return found is not None


def is_anybody_owed(connection: sa.Connection) -> bool:
    """Say whether somebody is still to be told of something that happened."""
    waiting = sa.select(webhook_delivery.c.id).where(webhook_delivery.c.state == "waiting")
    return connection.execute(waiting.limit(1)).first() is not None


def settle(
    connection: sa.Connection, sent: Claimed, attempt: Attempt, *, took_us: int, now_us: int
) -> None:
    """Write down what an attempt came to; of a delivery that was ended meanwhile nothing changes."""
    row = connection.execute(
        sa.select(webhook_delivery, webhook.c.failures, webhook.c.hold_until_us)
        .join(webhook, webhook.c.id == webhook_delivery.c.webhook_id)
        .where(webhook_delivery.c.id == sent.row, webhook_delivery.c.state == "waiting")
        .with_for_update()
    ).first()
    if row is None:
        return
    outcome = outcome_of(
        attempt,
        delivery=row.public_id,
        attempts=row.attempts + 1,
        failures=row.failures,
        created_us=row.created_us,
        now_us=now_us,
    )
    entry: Json = {
        "at": iso_utc(now_us),
        "status": attempt.status,
        "said": attempt.said,
        "took_ms": took_us // 1000,
    }
    values: dict[str, Any] = {
        "attempts": row.attempts + 1,
        "log": canonical_json([*json.loads(row.log), entry][-_LOG_KEPT:]).decode(),
        "claimed_until_us": 0,
    }
    match outcome:
        case Delivered():
            values |= {"state": "delivered", "ended_us": now_us}
        case Again(due_us=due_us):
            values |= {"due_us": due_us}
        case Dead():
            values |= {"state": "dead", "ended_us": now_us}
    connection.execute(
        webhook_delivery.update().where(webhook_delivery.c.id == sent.row).values(**values)
    )
    _settle_webhook(connection, row, attempt, outcome, now_us=now_us)


def ping(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    which: str,
    by: PrincipalId,
    ids: IdSource,
    now_us: int,
) -> Delivery:
    """Have a message sent that says nothing but that it arrived; raise `Unavailable`."""
    found = load_webhook(connection, tenant=tenant, which=which, now_us=now_us)
    event = OutboxEvent(kind=PING, subject=which, body={"by": by})
    record_event(connection, event, tenant=tenant, now_us=now_us)
    written = connection.execute(
        sa.select(sa.func.max(outbox.c.id)).where(
            outbox.c.tenant_id == tenant, outbox.c.subject == which
        )
    ).scalar_one()
    # It is for this webhook alone, whatever others want.
    _mark_told(connection, [written], now_us=now_us)
    row = _row(found.id, written, PING, which, tenant, ids=ids, now_us=now_us)
    connection.execute(webhook_delivery.insert(), [row])
    return load_delivery(connection, tenant=tenant, which=which, delivery=row["public_id"])


def list_deliveries(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    which: str,
    state: str | None,
    after: str | None,
    limit: int,
) -> tuple[Delivery, ...]:
    """Return a page of a webhook's deliveries, newest first; raise `Unavailable`."""
    table = webhook_delivery
    query = sa.select(table).where(table.c.tenant_id == tenant, table.c.webhook_id == which)
    if state is not None:
        query = query.where(table.c.state == state)
    if after is not None:
        place = connection.execute(
            sa.select(table.c.id).where(
                table.c.tenant_id == tenant,
                table.c.webhook_id == which,
                table.c.public_id == after,
            )
        ).scalar()
        if place is None:
            raise not_here("delivery", after)
        query = query.where(table.c.id < place)
    return tuple(
        _delivery(row) for row in connection.execute(query.order_by(table.c.id.desc()).limit(limit))
    )


def load_delivery(
    connection: sa.Connection, *, tenant: TenantId, which: str, delivery: str
) -> Delivery:
    """Return a delivery; raise `Unavailable` if the webhook has none by this id."""
    return _delivery(_load(connection, tenant, which, delivery))


def replay_one(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    which: str,
    delivery: str,
    by: PrincipalId,
    ids: IdSource,
    now_us: int,
) -> Delivery:
    """Have a message sent again, under its own id; one that still waits is sent at once instead."""
    row = _load(connection, tenant, which, delivery)
    if row.state == "waiting":
        connection.execute(
            webhook_delivery.update()
            .where(webhook_delivery.c.tenant_id == tenant, webhook_delivery.c.id == row.id)
            .values(due_us=now_us)
        )
        return load_delivery(connection, tenant=tenant, which=which, delivery=delivery)
    again = _row(which, row.event_id, row.kind, row.subject, tenant, ids=ids, now_us=now_us)
    connection.execute(webhook_delivery.insert(), [{**again, "replay_of": delivery}])
    said: Json = {"by": by, "delivery": delivery}
    tell(connection, "webhook.replayed", which, said, tenant=tenant, now_us=now_us)
    return load_delivery(connection, tenant=tenant, which=which, delivery=again["public_id"])


def replay_range(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    which: str,
    since_us: int,
    until_us: int,
    after: int,
    by: PrincipalId,
    ids: IdSource,
    now_us: int,
) -> tuple[int, int | None]:
    """Have everything sent again that the webhook wants and that became true within a time.

    In its order, whether it was sent before or not, `REPLAYED_MAX` at most: returns how many, and
    the event to go on `after`, None where that is all. Raises `Unavailable`.
    """
    found = load_webhook(connection, tenant=tenant, which=which, now_us=now_us)
    events = connection.execute(
        sa.select(outbox.c.id, outbox.c.kind, outbox.c.subject)
        .where(
            outbox.c.tenant_id == tenant,
            outbox.c.created_us >= since_us,
            outbox.c.created_us < until_us,
            outbox.c.id > after,
            # What nobody was told of yet will be told in its turn.
            outbox.c.published_us.is_not(None),
            outbox.c.kind != PING,
        )
        .order_by(outbox.c.id)
        .limit(REPLAYED_MAX + 1)
    ).all()
    shown = events[:REPLAYED_MAX]
    owed = [
        _row(which, event.id, event.kind, event.subject, tenant, ids=ids, now_us=now_us)
        for event in shown
        if found.wants(event.kind, event.subject)
    ]
    if owed:
        connection.execute(webhook_delivery.insert(), owed)
    said: Json = {"by": by, "since_us": since_us, "until_us": until_us, "events": len(owed)}
    tell(connection, "webhook.replayed", which, said, tenant=tenant, now_us=now_us)
    return len(owed), shown[-1].id if len(events) > len(shown) else None


def _settle_webhook(
    connection: sa.Connection, row: Any, attempt: Attempt, outcome: Any, *, now_us: int
) -> None:
    here = webhook.update().where(webhook.c.id == row.webhook_id)
    if isinstance(outcome, Delivered):
        connection.execute(here.values(succeeded_us=now_us, failures=0, hold_until_us=0))
        if row.failures:
            # It is back: what waited for that need not wait any longer.
            connection.execute(
                webhook_delivery.update()
                .where(
                    webhook_delivery.c.webhook_id == row.webhook_id,
                    webhook_delivery.c.state == "waiting",
                    webhook_delivery.c.due_us > now_us,
                )
                .values(due_us=now_us)
            )
        return
    if isinstance(outcome, Dead) and outcome.disables:
        connection.execute(
            here.where(webhook.c.disabled_us.is_(None)).values(
                disabled_us=now_us, disabled_why="its receiver answered 410"
            )
        )
        end_waiting(connection, row.webhook_id, now_us=now_us)
        leaf = AuditLeaf(
            kind="webhook.disabled", subject=row.webhook_id, body={"found": "it answered 410"}
        )
        record_leaf(connection, leaf, tenant=TenantId(row.tenant_id), now_us=now_us)
        return
    if outcome.hold_us > row.hold_until_us:
        # Several that were under way at once are one failure.
        first = attempt.status is None and row.hold_until_us <= now_us
        connection.execute(
            here.values(hold_until_us=outcome.hold_us, failures=row.failures + (1 if first else 0))
        )


def _due(connection: sa.Connection, seal: Seal, *, now_us: int) -> Sequence[Any]:
    return connection.execute(_due_query(seal, now_us).order_by(webhook_delivery.c.id)).all()


def _due_query(seal: Seal, now_us: int) -> sa.Select[Any]:
    """Return what may be sent now: the first of each subject that waits, of webhooks that are told."""
    waiting = webhook_delivery.alias("waiting")
    first = (
        sa.select(sa.func.min(waiting.c.id))
        .join(webhook, webhook.c.id == waiting.c.webhook_id)
        .where(
            waiting.c.state == "waiting",
            webhook.c.disabled_us.is_(None),
            webhook.c.removed_us.is_(None),
            webhook.c.hold_until_us <= now_us,
        )
        .group_by(waiting.c.webhook_id, waiting.c.subject)
    )
    ours = sa.exists().where(
        webhook_secret.c.webhook_id == webhook_delivery.c.webhook_id,
        webhook_secret.c.seal_id == seal.id,
        webhook_secret.c.expires_us.is_(None),
    )
    return (
        sa.select(
            webhook_delivery.c.id,
            webhook_delivery.c.public_id,
            webhook_delivery.c.webhook_id,
            webhook_delivery.c.event_id,
            webhook.c.tenant_id,
            webhook.c.url,
            webhook.c.only_subject,
            webhook.c.form,
            webhook.c.failures,
            webhook.c.succeeded_us,
        )
        .join(webhook, webhook.c.id == webhook_delivery.c.webhook_id)
        .where(
            webhook_delivery.c.id.in_(first),
            webhook_delivery.c.due_us <= now_us,
            webhook_delivery.c.claimed_until_us <= now_us,
            ours,
        )
    )


def _secrets(
    connection: sa.Connection, seal: Seal, which: Collection[str], *, now_us: int
) -> Mapping[str, tuple[str, ...]]:
    """Return what signs for each webhook, the newest first."""
    found: dict[str, tuple[str, ...]] = {}
    for row in connection.execute(
        sa.select(webhook_secret)
        .where(
            webhook_secret.c.webhook_id.in_(which),
            webhook_secret.c.seal_id == seal.id,
            sa.or_(webhook_secret.c.expires_us.is_(None), webhook_secret.c.expires_us > now_us),
        )
        .order_by(webhook_secret.c.id.desc())
    ):
        opened = seal.open(row.sealed, of=row.webhook_id)
        found[row.webhook_id] = (*found.get(row.webhook_id, ()), opened)
    return found


def _events(connection: sa.Connection, which: Collection[int]) -> Mapping[int, Any]:
    rows = connection.execute(sa.select(outbox).where(outbox.c.id.in_(which)))
    return {row.id: row for row in rows}


def _cloud_event(event: Any) -> bytes:
    """Return an event as CloudEvents 1.0 has it, in JSON; equal for each time that it is sent."""
    said: Json = {
        "specversion": "1.0",
        "id": message_id(event.id),
        "source": f"urn:cinefab:{event.tenant_id}",
        "type": event.kind,
        "subject": event.subject,
        "time": iso_utc(event.created_us),
        "datacontenttype": "application/json",
        "sequence": f"{event.id:020d}",
        "data": json.loads(event.body),
    }
    return canonical_json(said)


def _line(row: Any) -> str:
    """Return what messages wait for each other in: a webhook, or where a tenant's single ones go."""
    # So that a receiver that is dead holds up one message, however many things were ordered.
    alone = row.only_subject is None
    return str(row.webhook_id) if alone else f"{row.tenant_id} {row.url}"


def _form(written: str) -> Form:
    said = json.loads(written)
    return Form(dialect=said["dialect"], base=said["base"], ends_with=tuple(said["ends_with"]))


def _end(connection: sa.Connection, over: Sequence[str], *, now_us: int) -> None:
    if over:
        connection.execute(webhook.update().where(webhook.c.id.in_(over)).values(over_us=now_us))


def _mark_told(connection: sa.Connection, events: Sequence[int], *, now_us: int) -> None:
    # By their ids: one that is committed a moment later, with a smaller id, is still to be told.
    for first in range(0, len(events), _PER_QUERY):
        some = events[first : first + _PER_QUERY]
        connection.execute(outbox.update().where(outbox.c.id.in_(some)).values(published_us=now_us))


def _row(
    which: str,
    event: int,
    kind: str,
    subject: str,
    tenant: TenantId,
    *,
    ids: IdSource,
    now_us: int,
) -> dict[str, Any]:
    return {
        "public_id": ids.new("dlv"),
        "tenant_id": tenant,
        "webhook_id": which,
        "event_id": event,
        "kind": kind,
        "subject": subject,
        "state": "waiting",
        "due_us": now_us,
        "created_us": now_us,
    }


def _load(connection: sa.Connection, tenant: TenantId, which: str, delivery: str) -> Any:
    row = connection.execute(
        sa.select(webhook_delivery)
        .join(webhook, webhook.c.id == webhook_delivery.c.webhook_id)
        .where(
            webhook_delivery.c.tenant_id == tenant,
            webhook_delivery.c.webhook_id == which,
            webhook_delivery.c.public_id == delivery,
            webhook.c.removed_us.is_(None),
        )
    ).first()
    if row is None:
        raise not_here("delivery", delivery)
    return row


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row.public_id,
        webhook=row.webhook_id,
        event=message_id(row.event_id),
        kind=row.kind,
        subject=row.subject,
        state=row.state,
        attempts=row.attempts,
        log=tuple(json.loads(row.log)),
        due_us=row.due_us,
        created_us=row.created_us,
        ended_us=row.ended_us,
        replay_of=row.replay_of,
    )


def _lock(connection: sa.Connection) -> None:
    # Senders of several processes take turns; on SQLite whoever writes is alone anyway.
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))

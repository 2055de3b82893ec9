"""What waits for a person, and what persons decided: each question once, each answer once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.brief import Queue
from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.ids import JobId, PrincipalId, TenantId
from cinefab.review.gate import Choice, Question
from cinefab.review.tables import decision as decision_table
from cinefab.review.tables import review_item

ITEM: Final = "rev"
"""The prefix of an item's public id."""

DECISION: Final = "dec"
"""The prefix of a decision's public id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A film that waits, or waited, for a person; `shown_frame` of its cut is kept as a picture.

    `round` counts the runs of the job's workflow that asked; the answer belongs to the next one.
    """

    id: str
    job: JobId
    round: int
    queue: Queue
    title: str
    question: Question
    cut: Sha256
    still: Sha256
    shown_frame: int
    opened_us: int
    due_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about an item, by whom (None: by nobody, its time was over), when and why.

    `changes` is what was sent back to be made otherwise; `brief` is the row of the brief that this
    led to, and `written` that brief as a person writes it.
    """

    id: str
    item: str
    choice: Choice
    principal: PrincipalId | None
    reason: str
    decided_us: int
    changes: tuple[str, ...] = ()
    brief: int | None = None
    written: str | None = None


def record_item(connection: sa.Connection, item: Item, *, tenant: TenantId) -> None:
    """Write that a film waits; a job asks once a round."""
    connection.execute(
        review_item.insert().values(
            public_id=item.id,
            tenant_id=tenant,
            job_id=item.job,
            round=item.round,
            queue=item.queue,
            title=item.title,
            asked_by=item.question.check,
            question=item.question.text,
            frame=item.question.frame,
            cut_digest=item.cut,
            still_digest=item.still,
            shown_frame=item.shown_frame,
            opened_us=item.opened_us,
            due_us=item.due_us,
        )
    )


def record_decision(
    connection: sa.Connection, made: Decision, *, tenant: TenantId, before_us: int | None
) -> bool:
    """Decide an item, once; False, having written nothing, if somebody did before.

    With `before_us`, an item whose time is over by then is not decided either.
    """
    still_open = sa.and_(
        review_item.c.tenant_id == tenant,
        review_item.c.public_id == made.item,
        review_item.c.decided_us.is_(None),
    )
    if before_us is not None:
        still_open = sa.and_(still_open, review_item.c.due_us > before_us)
    # Of two at once the second waits for the first's row, and then no longer finds it open.
    closed = connection.execute(
        review_item.update().where(still_open).values(decided_us=made.decided_us)
    )
    if closed.rowcount == 0:
        return False
    connection.execute(
        decision_table.insert().values(
            public_id=made.id,
            tenant_id=tenant,
            item_id=made.item,
            choice=made.choice,
            principal_id=made.principal,
            reason=made.reason,
            changes=canonical_json(list(made.changes)).decode(),
            brief_id=made.brief,
            written=made.written,
            decided_us=made.decided_us,
        )
    )
    return True


def find_item(
    connection: sa.Connection, *, tenant: TenantId, job: JobId, round_number: int
) -> Item | None:
    """Return what a job asked in this round, decided or not, or None."""
    found = _items(
        connection,
        tenant,
        review_item.c.job_id == job,
        review_item.c.round == round_number,
    )
    return found[0] if found else None


def find_latest_item(connection: sa.Connection, *, tenant: TenantId, subject: str) -> Item | None:
    """Return the item with this id, or the newest one of the job with it; None if there is none."""
    about = sa.or_(review_item.c.public_id == subject, review_item.c.job_id == subject)
    found = _items(connection, tenant, about)
    return found[-1] if found else None


def open_items(
    connection: sa.Connection, *, tenant: TenantId, due_by_us: int | None = None
) -> tuple[Item, ...]:
    """Return what nobody has decided, the soonest due first; with `due_by_us`, what is overdue."""
    conditions: list[sa.ColumnElement[bool]] = [review_item.c.decided_us.is_(None)]
    if due_by_us is not None:
        conditions.append(review_item.c.due_us <= due_by_us)
    return tuple(sorted(_items(connection, tenant, *conditions), key=lambda each: each.due_us))


def tenants_overdue(connection: sa.Connection, *, due_by_us: int) -> tuple[TenantId, ...]:
    """Return the tenants that have something which nobody decided in time."""
    found = connection.execute(
        sa.select(review_item.c.tenant_id)
        .where(review_item.c.decided_us.is_(None), review_item.c.due_us <= due_by_us)
        .distinct()
        .order_by(review_item.c.tenant_id)
    )
    return tuple(TenantId(tenant) for tenant in found.scalars())


def decisions_of(
    connection: sa.Connection, *, tenant: TenantId, job: JobId
) -> tuple[tuple[Item, Decision], ...]:
    """Return what was decided about a job, in the order of its rounds, each with what was asked."""
    rows = connection.execute(
        sa.select(decision_table, review_item.c.round)
        .join(review_item, review_item.c.public_id == decision_table.c.item_id)
        .where(decision_table.c.tenant_id == tenant, review_item.c.job_id == job)
        .order_by(review_item.c.round)
    ).all()
    items = {each.id: each for each in _items(connection, tenant, review_item.c.job_id == job)}
    return tuple((items[row.item_id], _decision(row)) for row in rows)


def item_document(item: Item) -> dict[str, Json]:
    """Return an item as audit leaves, events and reports tell it."""
    return {
        "item": item.id,
        "job": item.job,
        "queue": item.queue,
        "asked_by": item.question.check,
        "question": item.question.text,
        "frame": item.question.frame,
        "cut": item.cut,
        "still": item.still,
        "due_us": item.due_us,
    }


def decision_document(made: Decision) -> dict[str, Json]:
    """Return a decision as audit leaves, events and reports tell it."""
    return {
        "decision": made.id,
        "item": made.item,
        "choice": made.choice,
        "principal": made.principal,
        "reason": made.reason,
        "changes": list(made.changes),
    }


def _items(
    connection: sa.Connection, tenant: TenantId, *conditions: sa.ColumnElement[bool]
) -> Sequence[Item]:
    rows = connection.execute(
        sa.select(review_item)
        .where(review_item.c.tenant_id == tenant, *conditions)
        .order_by(review_item.c.id)
    )
    return [
        Item(
            id=row.public_id,
            job=JobId(row.job_id),
            round=row.round,
            queue=Queue(row.queue),
            title=row.title,
            question=Question(check=row.asked_by, text=row.question, frame=row.frame),
            cut=Sha256(row.cut_digest),
            still=Sha256(row.still_digest),
            shown_frame=row.shown_frame,
            opened_us=row.opened_us,
            due_us=row.due_us,
        )
        for row in rows
    ]


def _decision(row: Any) -> Decision:
    return Decision(
        id=row.public_id,
        item=row.item_id,
        choice=Choice(row.choice),
        principal=None if row.principal_id is None else PrincipalId(row.principal_id),
        reason=row.reason,
        decided_us=row.decided_us,
        changes=tuple(json.loads(row.changes)),
        brief=row.brief_id,
        written=row.written,
    )

"""The gate of a job: a film leaves when nobody needs to be asked, or when a person said yes.

To ask is a stage: a picture of the cut is kept for who is asked, and in the commit's own
transaction the question is written and the job begins to wait, its reservation kept. The workflow
is over then. To decide is one transaction too: the answer, its audit leaf and its event, and the
job's move. Nothing stays awake in between, and an answer that nobody gave in time is a no.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.brief import Brief
from cinefab.core.canonical import Json, Sha256
from cinefab.core.clock import iso_utc
from cinefab.core.errors import Cancelled, NothingToDecide
from cinefab.core.ids import AssetId, JobId, PrincipalId
from cinefab.core.plan import Plan
from cinefab.core.stage import Content, Lineage, Relation
from cinefab.jobs.estimating import estimate_order
from cinefab.jobs.listing import load_listed
from cinefab.jobs.pieces import edges_by_weight
from cinefab.jobs.report import verdict_from_document
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.status import JobStatus, find_status, move_job
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import NewAsset
from cinefab.review.gate import (
    BY_PREVIEW,
    PUBLISH,
    Choice,
    Question,
    lacks_reason,
    question_of,
)
from cinefab.review.items import (
    DECISION,
    ITEM,
    Decision,
    Item,
    decision_document,
    decisions_of,
    find_item,
    find_latest_item,
    item_document,
    open_items,
    record_decision,
    record_item,
)
from cinefab.store.facts import AuditLeaf, OutboxEvent, record_event, record_leaf

_SHOW_TASK: Final = "cinefab.review.show_frame:show_frame"
_LIMIT_FIXED_S: Final = 60.0
_LIMIT_PER_MEDIA_SECOND: Final = 5
_MADE_BY: Final = "cinefab.review@1"


async def may_leave(shop: Workshop, order: Order, plan: Plan, cut: Json, verdict: Json) -> bool:
    """Say whether a cut may be delivered; if a person must be asked first, ask, and say no.

    Raises `Cancelled` where the job has ended meanwhile, or has gone on without this round.
    """
    asked = PUBLISH if order.film is None else _of_preview(shop, order.film)
    question = question_of(order.brief.review, verdict_from_document(verdict), else_asked=asked)
    if question is None:
        return True
    if await asyncio.to_thread(_is_approved, shop, order, cut):
        return True
    if not await asyncio.to_thread(_was_asked, shop, order):

        async def body() -> StageOutput:
            return await _ask(shop, order, plan, cut, question)

        await run_stage(shop, order, f"gate:{order.round}" if order.round else "gate", body)
    return False


def decide(
    shop: Workshop,
    item: Item,
    choice: Choice,
    *,
    by: PrincipalId,
    reason: str,
    changes: tuple[str, ...] = (),
    brief: int | None = None,
    written: str | None = None,
) -> Decision:
    """Answer what was asked about a film, once: its job goes on, or ends as refused.

    Raises `NothingToDecide` where somebody answered before, the time is over, the job has ended,
    or the answer lacks a reason that its queue asks for; nothing has changed then.
    """
    assert choice is not Choice.EXPIRED, "that is nobody's choice"
    if lacks_reason(item.queue, choice, reason):
        raise NothingToDecide(
            attempted=f"answer {item.id} of {item.job}: {choice}",
            found="no reason is given",
            remedy=f"Say why with --reason: the queue {item.queue} asks for it.",
        )
    now_us = shop.recorder.clock.now_us()
    made = Decision(
        id=shop.recorder.ids.new(DECISION),
        item=item.id,
        choice=choice,
        principal=by,
        reason=reason.strip(),
        decided_us=now_us,
        changes=changes,
        brief=brief,
        written=written,
    )
    with shop.recorder.db.write() as connection:
        if not record_decision(connection, made, tenant=shop.tenant, before_us=now_us):
            raise _too_late(connection, shop, item, choice)
        if not _apply(connection, shop, item, made):
            # The item is open and its job is over: it was cancelled. What was written is undone.
            raise NothingToDecide(
                attempted=f"answer {item.id} of {item.job}: {choice}",
                found="the job has ended",
                remedy="Order it again if it is still wanted.",
            )
    return made


def expire_overdue(shop: Workshop) -> list[JobId]:
    """End what waited for a person in vain, unpublished; return the jobs. Twice is as once."""
    now_us = shop.recorder.clock.now_us()
    with shop.recorder.db.read() as connection:
        overdue = open_items(connection, tenant=shop.tenant, due_by_us=now_us)
    expired = []
    for item in overdue:
        made = Decision(
            id=shop.recorder.ids.new(DECISION),
            item=item.id,
            choice=Choice.EXPIRED,
            principal=None,
            reason=f"nobody decided before {iso_utc(item.due_us)}",
            decided_us=now_us,
        )
        with shop.recorder.db.write() as connection:
            decided = record_decision(connection, made, tenant=shop.tenant, before_us=None)
            if decided and _apply(connection, shop, item, made):
                expired.append(item.job)
    return expired


def find_waiting(shop: Workshop, subject: str) -> Item:
    """Return what waits for a person under this id, of an item or a job.

    Raises `NothingToDecide` if nobody was asked, or somebody decided it before, and `Unavailable`
    if the tenant has no such item or job.
    """
    with shop.recorder.db.read() as connection:
        item = find_latest_item(connection, tenant=shop.tenant, subject=subject)
        if item is None:
            load_listed(connection, tenant=shop.tenant, job=JobId(subject))
            raise NothingToDecide(
                attempted=f"find {subject} among what waits for a person",
                found="nobody was ever asked about it",
                remedy="See what waits with: cinefab review ls",
            )
        known = decisions_of(connection, tenant=shop.tenant, job=item.job)
        if item.id in {each.id for each, _ in known}:
            raise _too_late(connection, shop, item, None)
    return item


def waiting_items(shop: Workshop) -> tuple[Item, ...]:
    """Return what waits for a person, the soonest due first; nothing of a job that has ended."""
    with shop.recorder.db.read() as connection:
        return tuple(
            item
            for item in open_items(connection, tenant=shop.tenant)
            if find_status(connection, tenant=shop.tenant, job_id=item.job)
            is JobStatus.NEEDS_PERSON
        )


async def _ask(
    shop: Workshop, order: Order, plan: Plan, cut: Json, question: Question
) -> StageOutput:
    facts: Any = cut
    digest = Sha256(facts["digest"])
    # With no frame in question, the middle says more of a film than its first, dark one.
    shown = plan.frames // 2 if question.frame is None else min(question.frame, plan.frames - 1)
    path = shop.scratch / order.job / "still.jpg"
    argument: Json = {
        "path": str(await asyncio.to_thread(shop.blobs.local_path, digest)),
        "frame": shown,
        "still": str(path),
    }
    seconds = float(plan.frames / plan.fps)
    answer = await shop.compute.run(
        _SHOW_TASK, argument, timeout_s=_LIMIT_FIXED_S + _LIMIT_PER_MEDIA_SECOND * seconds
    )
    value: Any = answer.value
    still = await asyncio.to_thread(shop.blobs.put_file, path)
    path.unlink(missing_ok=True)
    picture = NewAsset(
        content=Content(
            digest=still,
            kind="still",
            media_type="image/jpeg",
            size_bytes=value["size_bytes"],
            facts={"frame": shown},
        ),
        lineage=Lineage(
            made_by=_MADE_BY,
            sources=edges_by_weight([(AssetId(facts["asset"]), Relation.PARENT_OF, 1)]),
            digital_source_type="algorithmicMedia",
            parameters={"frame": shown},
        ),
    )

    def also(connection: sa.Connection, _made: tuple[Asset, ...]) -> None:
        now_us = shop.recorder.clock.now_us()
        item = Item(
            id=shop.recorder.ids.new(ITEM),
            job=order.job,
            round=order.round,
            queue=order.brief.review.queue,
            title=plan.title,
            question=question,
            cut=digest,
            still=still,
            shown_frame=shown,
            opened_us=now_us,
            due_us=now_us + order.brief.review.within_us,
        )
        record_item(connection, item, tenant=shop.tenant)
        _tell(connection, shop, "review.asked", order.job, item_document(item), now_us=now_us)
        moved = move_job(
            connection,
            tenant=shop.tenant,
            job_id=order.job,
            to=JobStatus.NEEDS_PERSON,
            now_us=now_us,
            in_round=order.round,
        )
        if not moved:
            raise Cancelled(
                attempted=f"wait for a person to look at {order.job}",
                found="the job has ended, or has gone on without this round",
                remedy="Order it again if it is still wanted.",
            )

    return StageOutput(
        assets=(picture,),
        facts={"still": still, "frame": shown},
        also=also,
        load_us=answer.load_us,
        work_us=answer.worker_us - answer.load_us,
    )


def _of_preview(shop: Workshop, film: Brief) -> Question:
    price = estimate_order(shop, film).film_uusd
    cost = "at a cost that nobody knows" if price is None else f"for about ${price / 1_000_000:.6f}"
    text = f"May the film be made like this preview, on {film.model}, {cost}?"
    return Question(check=BY_PREVIEW, text=text, frame=None)


def _is_approved(shop: Workshop, order: Order, cut: Json) -> bool:
    facts: Any = cut
    with shop.recorder.db.read() as connection:
        return any(
            made.choice is Choice.APPROVED
            and item.round < order.round
            # Yes was said to these very bytes, and to no others.
            and item.cut == facts["digest"]
            for item, made in decisions_of(connection, tenant=shop.tenant, job=order.job)
        )


def _was_asked(shop: Workshop, order: Order) -> bool:
    with shop.recorder.db.read() as connection:
        found = find_item(connection, tenant=shop.tenant, job=order.job, round_number=order.round)
    return found is not None


def _apply(connection: sa.Connection, shop: Workshop, item: Item, made: Decision) -> bool:
    _tell(
        connection,
        shop,
        "review.decided",
        item.job,
        decision_document(made),
        now_us=made.decided_us,
    )
    goes_on = made.choice in (Choice.APPROVED, Choice.SENT_BACK)
    return move_job(
        connection,
        tenant=shop.tenant,
        job_id=item.job,
        to=JobStatus.WAITING if goes_on else JobStatus.REFUSED,
        failure=None if goes_on else _failure(item, made),
        now_us=made.decided_us,
        in_round=item.round,
    )


def _failure(item: Item, made: Decision) -> Json:
    who = "nobody looked at it in time" if made.principal is None else f"{made.principal} said no"
    return {
        "error": "RefusedByReview",
        "attempted": f"review {item.title!r}",
        "found": f"{who}: {made.reason}",
        "remedy": "Order it again, changed or with more time; good segments are reused.",
    }


def _too_late(
    connection: sa.Connection, shop: Workshop, item: Item, choice: Choice | None
) -> NothingToDecide:
    asked = f"answer {item.id} of {item.job}" + ("" if choice is None else f": {choice}")
    for known, made in decisions_of(connection, tenant=shop.tenant, job=item.job):
        if known.id == item.id:
            who = made.principal or "its deadline"
            return NothingToDecide(
                attempted=asked,
                found=f"it was {made.choice} by {who} at {iso_utc(made.decided_us)}",
                remedy="A film is decided once. Order it again if it is still wanted.",
            )
    return NothingToDecide(
        attempted=asked,
        found=f"its time was over at {iso_utc(item.due_us)}",
        remedy="What nobody approved in time is not published. Order it again, with more time.",
    )


def _tell(
    connection: sa.Connection,
    shop: Workshop,
    kind: str,
    subject: str,
    facts: Json,
    *,
    now_us: int,
) -> None:
    leaf = AuditLeaf(kind=kind, subject=subject, body=facts)
    event = OutboxEvent(kind=kind, subject=subject, body=facts)
    record_leaf(connection, leaf, tenant=shop.tenant, now_us=now_us)
    record_event(connection, event, tenant=shop.tenant, now_us=now_us)

"""A film that is sent back: its brief is changed, and what the changes affect is made again.

The job stays the same, with its reservation; its next round is a revision, whose stages are its
own. What the changes leave alone keeps its keys, and is reused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cinefab.core.brief import Brief
from cinefab.core.errors import BudgetTooSmall, NothingToDecide
from cinefab.core.ids import JobId, PrincipalId
from cinefab.economics.reservations import reservations_of
from cinefab.jobs.door import record_brief, revise_brief
from cinefab.jobs.estimating import estimate_changes
from cinefab.jobs.gating import decide
from cinefab.jobs.pins import (
    Chosen,
    Pins,
    choose_models,
    pins_from_text,
    pins_text,
    record_first_sight,
)
from cinefab.jobs.rounds import brief_as_of, load_order
from cinefab.jobs.stages import stage_ref
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop
from cinefab.record.commit import find_stage
from cinefab.review.gate import Choice
from cinefab.review.items import Decision, Item, decisions_of


def send_back(
    shop: Workshop,
    item: Item,
    *,
    by: PrincipalId,
    reason: str,
    changes: Sequence[str],
    shots: Sequence[int],
) -> Decision:
    """Have a film that waits made again with `changes` (`path=value`), or with new seeds in `shots`.

    Raises `NothingToDecide` where there is nothing to change or to answer, `BriefInvalid` for a
    change that cannot be made, and `BudgetTooSmall` where what is left does not cover it.
    """
    if not changes and not shots:
        raise NothingToDecide(
            attempted=f"send {item.job} back",
            found="it would come out the same: nothing is changed",
            remedy="Change a field with --set, or give a shot another seed with --shot.",
        )
    with shop.recorder.db.read() as connection:
        kept, _ = brief_as_of(connection, tenant=shop.tenant, job=item.job, round_number=item.round)
        folder, text = _written(connection, shop, item)
        left = sum(
            each.left
            for each in reservations_of(connection, tenant=shop.tenant, job=item.job)
            if each.is_open
        )
    reseed = {index: _other_seed(item, index) for index in shots}
    begun = _pins_of(shop, item)
    revised, written = revise_brief(
        shop, kept, text=text, folder=folder, changes=changes, reseed=reseed, pins=begun
    )
    pins, chosen = _pins(shop, begun, revised)
    price = estimate_changes(
        shop, kept, revised, is_film_made=_is_film_made(shop, item), pins=pins, job=item.job
    )
    if revised.budget_uusd is not None and price is not None and price > left:
        raise BudgetTooSmall(
            attempted=f"send {item.job} back",
            found=f"an estimate of ${price / 1_000_000:.6f}, with ${left / 1_000_000:.6f} left",
            remedy="Change less of it, or reject it and order it anew with a larger budget.",
        )
    with shop.recorder.db.write() as connection:
        row = record_brief(connection, shop, revised)
        if chosen:
            record_first_sight(connection, chosen, now_us=shop.recorder.clock.now_us())
            _record_pins(connection, shop, item.job, pins)
    said = (*changes, *(f"shots[{index}].seed={seed}" for index, seed in reseed.items()))
    return decide(
        shop,
        item,
        Choice.SENT_BACK,
        by=by,
        reason=reason,
        changes=said,
        brief=row,
        written=written,
    )


def _is_film_made(shop: Workshop, item: Item) -> bool:
    """Say whether the question was about the film itself, and not about its preview."""
    order = load_order(shop, item.job, item.round)
    return find_stage(shop.recorder.db, stage_ref(shop, order, "plan")) is not None


def _pins_of(shop: Workshop, item: Item) -> tuple[Pins, ...]:
    with shop.recorder.db.read() as connection:
        text = connection.execute(
            sa.select(job_table.c.models).where(
                job_table.c.tenant_id == shop.tenant, job_table.c.public_id == item.job
            )
        ).scalar_one()
    return pins_from_text(text)


def _pins(
    shop: Workshop, begun: tuple[Pins, ...], revised: Brief
) -> tuple[tuple[Pins, ...], tuple[Chosen, ...]]:
    """Return a job's pins, with those that are chosen now for what its brief did not ask for."""
    if not begun:
        return begun, ()
    chosen = choose_models(shop, revised, but={each.asked for each in begun})
    return (*begun, *(each.pins for each in chosen)), chosen


def _record_pins(
    connection: sa.Connection, shop: Workshop, job: JobId, pins: tuple[Pins, ...]
) -> None:
    connection.execute(
        job_table.update()
        .where(job_table.c.tenant_id == shop.tenant, job_table.c.public_id == job)
        .values(models=pins_text(pins))
    )


def _written(connection: sa.Connection, shop: Workshop, item: Item) -> tuple[Path, str | None]:
    row = connection.execute(
        sa.select(job_table.c.written).where(
            job_table.c.tenant_id == shop.tenant, job_table.c.public_id == item.job
        )
    ).scalar_one()
    if row is None:
        return Path(), None
    ordered: Any = json.loads(row)
    texts = [
        made.written
        for _, made in decisions_of(connection, tenant=shop.tenant, job=item.job)
        if made.written is not None
    ]
    return Path(ordered["folder"]), texts[-1] if texts else str(ordered["text"])


def _other_seed(item: Item, index: int) -> int:
    # Another one each time that it is sent back, and the same however often that is tried.
    digest = hashlib.sha256(f"{item.id}:{index}".encode()).digest()
    return int.from_bytes(digest[:6], "big")

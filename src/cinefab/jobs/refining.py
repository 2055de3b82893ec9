"""The refine stage of a job: shots whose takes were refused are planned again, within the budget.

A refused take keeps its row and its asset, but not its key: nothing finds it for reuse. The shot
gets another seed and what the failed check advises, and with that other keys; the film's plan is
made anew, so that what is made next is named by exactly what determines its pixels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from cinefab.core.brief import Camera
from cinefab.core.canonical import Json
from cinefab.core.plan import Plan, PlannedShot
from cinefab.core.units import Uusd
from cinefab.core.verdict import Advice
from cinefab.economics.reservations import reservations_of
from cinefab.generate.refine import refined
from cinefab.jobs import planning
from cinefab.jobs.asked_models import find_model
from cinefab.jobs.estimating import estimate_order, estimate_whole
from cinefab.jobs.stages import Order, stage_ref
from cinefab.jobs.workshop import Workshop
from cinefab.record.commit import find_stage
from cinefab.review.advice import advice_of

REFUSED: Final = "refused"
"""What a shot's takes say where a check refused them: by which check, why, and from where on."""


REMEMBERED: Final = "remembered"
"""What an answer says that was not made: in which job it was refused, and with which seed."""


def remembered_shots(made: Mapping[int, Json], *, attempt: int) -> list[Json]:
    """Return what a report says of the shots that were refused by memory, in this attempt."""
    said: list[Json] = []
    for index, answer in sorted(made.items()):
        facts: Any = answer
        if REMEMBERED in facts:
            known = facts[REMEMBERED]
            said.append({"shot": index, "attempt": attempt, REFUSED: facts[REFUSED], **known})
    return said


def refused_shots(plan: Plan, made: Mapping[int, Json]) -> dict[int, str]:
    """Return, by index, the shots whose takes were refused and may come out otherwise, and by whom.

    A clip of a reference shows what it shows, whatever the seed.
    """
    found: dict[int, str] = {}
    for index, answer in made.items():
        facts: Any = answer
        if facts[REFUSED] is not None and not plan.shots[index].shows_clip:
            found[index] = str(facts[REFUSED]["check"])
    return found


async def refine(
    shop: Workshop,
    order: Order,
    plan: Plan,
    first: Plan,
    references: Sequence[Json],
    refused: Mapping[int, str],
    before: Json,
    attempt: int,
    spoken: Sequence[Json] = (),
    remembered: Sequence[Json] = (),
) -> Json:
    """Plan the refused shots anew as far as the budget goes; return the plan's digests and `tries`.

    `plan` is the one that was made just now, `first` the film's own, `before` what the last
    planning returned, `spoken` are the film's lines, `remembered` the refusals that were known. None where nothing can be paid for any more. Raises what planning
    raises.
    """
    stage = f"refine:{attempt}"
    known = await asyncio.to_thread(find_stage, shop.recorder.db, stage_ref(shop, order, stage))
    if known is not None:
        # What was affordable then is not to be asked again: money has been spent since.
        return known.facts
    affordable = await asyncio.to_thread(_affordable, shop, order, plan, refused)
    if not affordable:
        return None
    said = {check.name: check.advice for check in shop.checks}
    facts: Any = before
    tries: dict[str, Any] = dict(facts.get("tries", {}))
    for index in affordable:
        check = refused[index]
        advice = advice_of(check, said.get(check))
        tries[str(index)] = [*tries.get(str(index), ()), advice.value]
    again = as_tried(shop, order, first, tries)
    kept = {name: facts[name] for name in ("instead", "via", "fallbacks") if name in facts}
    if remembered:
        kept[REMEMBERED] = list(remembered)
    return await planning.plan(
        shop,
        again,
        references,
        spoken,
        stage=stage,
        said={"tries": tries, **kept},
        instead=planning.instead_of(before),
    )


def as_tried(shop: Workshop, order: Order, first: Plan, tries: Mapping[str, Any]) -> Order:
    """Return the order with its shots as they are to be made after so many refusals each."""
    brief = order.brief
    shots = refined(
        brief.shots,
        cameras=_cameras(first, order),
        tries={int(index): [Advice(each) for each in words] for index, words in tries.items()},
        seed=brief.seed,
        advised=find_model(shop, brief).card.advised,
    )
    return replace(order, brief=replace(brief, shots=shots))


def _affordable(shop: Workshop, order: Order, plan: Plan, refused: Mapping[int, str]) -> list[int]:
    """Return those of the refused shots that can be made again with what is left, in order."""
    left = left_to_spend(shop, order, plan)
    chosen = []
    for index in sorted(refused):
        price = price_of_shot(plan.shots[index])
        if left is not None and price is not None:
            if price > left:
                continue
            left = Uusd(left - price)
        chosen.append(index)
    return chosen


def left_to_spend(shop: Workshop, order: Order, plan: Plan) -> Uusd | None:
    """Return what a job with a budget may spend on making shots again; None of one without."""
    # Without a budget the job pays for what it needs; with one, what the rest will take is not
    # there for another attempt.
    whole = estimate_whole(shop, plan, find_model(shop, order.brief))
    if order.brief.budget_uusd is None or whole is None:
        return None
    rest = whole - sum(price_of_shot(shot) or 0 for shot in plan.shots)
    if order.film is not None:
        # Of a preview, the film itself is still to come.
        rest += estimate_order(shop, order.film).film_uusd or 0
    with shop.recorder.db.read() as connection:
        every = reservations_of(connection, tenant=shop.tenant, job=order.job)
    return Uusd(sum(each.left for each in every if each.is_open) - rest)


def price_of_shot(shot: PlannedShot) -> Uusd | None:
    """Return what a shot's takes are estimated at; None where their device has no price."""
    prices = [each.estimate_uusd for each in shot.segments]
    return None if None in prices else Uusd(sum(each or 0 for each in prices))


def _cameras(first: Plan, order: Order) -> list[Camera]:
    """Return each shot's move as it was planned first; a clip, which has none, as it was ordered."""
    cameras = []
    for planned, shot in zip(first.shots, order.brief.shots, strict=True):
        given: Any = planned.input
        cameras.append(Camera(given.get("camera", shot.camera)))
    return cameras

"""The fallback stage of a job: shots that their model cannot make are planned for the next one named.

Another model determines other pixels, so the film's plan is made anew: the shots' keys, prices,
effects and origin are those of the model that really makes them. What was made already stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cinefab.core.canonical import Json
from cinefab.core.errors import CinefabError
from cinefab.core.plan import Plan, PlannedShot
from cinefab.engine.wire import Fault, decode_error
from cinefab.jobs import planning, refining
from cinefab.jobs.asked_models import find_model
from cinefab.jobs.containing import GaveUp, end_for
from cinefab.jobs.models import model_of
from cinefab.jobs.stages import Order, stage_ref
from cinefab.jobs.workshop import Workshop
from cinefab.record.commit import find_stage
from cinefab.schedule.breakers import State, find_breaker

GAVE_UP: Final = "gave_up"
"""What a shot's takes say where its model cannot make it and another is named: of what, in the end."""


def is_named(shop: Workshop, order: Order, shot: PlannedShot) -> bool:
    """Say whether another model is named for a shot's: after one that is tried, the film's own."""
    return bool(_named(shop, order, shot))


def given_up(made: Mapping[int, Json]) -> dict[int, Json]:
    """Return, by index, what the shots failed of that their model cannot make."""
    answers: Mapping[int, Any] = made
    return {i: answer[GAVE_UP] for i, answer in answers.items() if answer.get(GAVE_UP)}


async def fall_back(
    shop: Workshop,
    order: Order,
    plan: Plan,
    first: Plan,
    references: Sequence[Json],
    given_up: Mapping[int, Json],
    before: Json,
    stage: str,
    spoken: Sequence[Json] = (),
) -> Json:
    """Plan the shots for the next models that can make them; return the plan's digests and which.

    `plan` is the one that was made just now, `first` the film's own, `before` what the last planning
    returned. Of the models named in `containment.fallbacks` one is passed over that is not here,
    rests, does not take what the shot asks for, or costs more than is left. Raises what the first
    shot failed of that nobody else can make, and what planning raises.
    """
    known = await asyncio.to_thread(find_stage, shop.recorder.db, stage_ref(shop, order, stage))
    if known is not None:
        return known.facts
    facts: Any = before
    tries: Mapping[str, Any] = facts.get("tries", {})
    again = refining.as_tried(shop, order, first, tries)
    instead = planning.instead_of(before)
    via: dict[str, int] = dict(facts.get("via", {}))
    steps: list[Json] = list(facts.get("fallbacks", ()))
    for index in sorted(given_up):
        told: Any = given_up[index]
        error = decode_error(told)
        chosen, skipped = await asyncio.to_thread(
            _next, shop, again, plan, references, spoken, instead, index
        )
        if chosen is None:
            raise _with_skipped(await end_for(shop, order, GaveUp(error)), skipped)
        steps.append(
            {
                "shot": index,
                "from": model_of(shop, order, plan.shots[index]).card.ref,
                "to": shop.models[chosen].card.ref,
                "because": _because(error),
                "skipped": skipped,
            }
        )
        instead[index] = chosen
        via[str(index)] = via.get(str(index), 0) + 1
    said: dict[str, Json] = {
        "instead": {str(index): name for index, name in instead.items()},
        "via": dict(via),
        "fallbacks": steps,
    }
    if tries:
        said["tries"] = dict(tries)
    return await planning.plan(
        shop, again, references, spoken, stage=stage, said=said, instead=instead
    )


def _named(shop: Workshop, order: Order, shot: PlannedShot) -> Sequence[str]:
    named = shop.containment.fallbacks.get(find_model(shop, order.brief).card.name, ())
    tried = None if order.pins is None else order.pins.canary
    if tried is None or shot.model != tried.ref:
        return named
    return (order.brief.model, *named)


def _next(
    shop: Workshop,
    order: Order,
    plan: Plan,
    references: Sequence[Json],
    spoken: Sequence[Json],
    instead: Mapping[int, str],
    index: int,
) -> tuple[str | None, list[Json]]:
    """Return the first model after the shot's own that can make it, and why others were passed over."""
    named = list(_named(shop, order, plan.shots[index]))
    now = instead.get(index)
    left = named[named.index(now) + 1 :] if now in named else named
    skipped: list[Json] = []
    for name in left:
        try:
            why = _unfit(shop, order, plan, references, spoken, {**instead, index: name}, index)
        except CinefabError as error:
            why = error.found
        if why is None:
            return name, skipped
        skipped.append({"model": name, "why": why})
    return None, skipped


def _unfit(
    shop: Workshop,
    order: Order,
    plan: Plan,
    references: Sequence[Json],
    spoken: Sequence[Json],
    instead: Mapping[int, str],
    index: int,
) -> str | None:
    """Return why a model cannot make a shot, or None; raise what planning it raises."""
    name = instead[index]
    model = shop.models.get(name)
    if model is None:
        return "it is not installed here"
    with shop.recorder.db.read() as connection:
        standing = find_breaker(connection, model.card.ref)
    if standing.state is State.OPEN and shop.recorder.clock.now_us() < standing.until_us:
        return f"it rests itself ({standing.why})"
    if shop.slots.count(model.device_class) == 0:
        return f"this worker has no device of class {model.device_class!r}"
    planned = planning.plan_now(shop, order, references, spoken, instead)
    if order.brief.budget_uusd is None:
        return None
    price = refining.price_of_shot(planned.shots[index])
    if price is None:
        return f"its device class {model.device_class!r} has no price, and the brief has a budget"
    left = refining.left_to_spend(shop, order, plan)
    if left is not None and price > left:
        return f"${price / 1_000_000:.6f} is more than what is left of the budget"
    return None


def _because(error: CinefabError | Fault) -> Json:
    if isinstance(error, Fault):
        return {"error": error.kind, "found": error.message}
    return {"error": type(error).__name__, "found": error.found}


def _with_skipped(error: CinefabError | Fault, skipped: Sequence[Json]) -> CinefabError | Fault:
    """Return an error that also says why nobody else was asked."""
    if isinstance(error, Fault) or not skipped:
        return error
    passed: Sequence[Any] = skipped
    others = "; ".join(f"{each['model']}: {each['why']}" for each in passed)
    error.found = f"{error.found}; and nobody named instead can make it ({others})"
    error.args = (f"{error.attempted}: {error.found}. {error.remedy}",)
    return error


def fallbacks_of(planned: Json) -> dict[str, Any]:
    """Return the report's `fallbacks` of a film's plan; nothing where its own model made it all."""
    facts: Any = planned
    steps: list[Any] = facts.get("fallbacks", [])
    return {"fallbacks": [dict(replaced) for replaced in steps]} if steps else {}

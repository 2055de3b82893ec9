"""What a job is expected to cost, before it is written down: rough plans, priced by the book."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.brief import Brief, Reference
from cinefab.core.canonical import Json, sha256_of
from cinefab.core.errors import BriefInvalid, BudgetTooSmall, ContractMismatch
from cinefab.core.ids import JobId
from cinefab.core.plan import MediaKind, Plan, PreparedReference
from cinefab.core.units import DeviceUs, Uusd, price_of
from cinefab.economics.budgets import budgets_over
from cinefab.generate.backend import ModelCard
from cinefab.generate.loads import expected_load
from cinefab.generate.plan import Instead, estimate_uusd, make_plan
from cinefab.generate.preview_film import preview_brief, starts_wanted, with_starts
from cinefab.jobs.asked_models import clips_card, find_model, versions_of
from cinefab.jobs.effects import chain_of
from cinefab.jobs.pins import (
    Pins,
    exact,
    pinned,
)
from cinefab.jobs.stages import CPU
from cinefab.jobs.workshop import Model, Workshop

_HEADROOM: Final = 3
"""What is reserved without a budget, in estimates: room for a slower machine, voided if unused."""


_UNREAD_FRAMES: Final = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a job may cost, in parts; None where a device has no price.

    `preview_uusd` is the part of a preview film, on `preview_model`, that is made first.
    """

    film_uusd: Uusd | None
    preview_model: str | None = None
    preview_uusd: Uusd | None = None

    @property
    def whole_uusd(self) -> Uusd | None:
        """All of it."""
        if self.preview_model is None:
            return self.film_uusd
        if self.film_uusd is None or self.preview_uusd is None:
            return None
        return Uusd(self.preview_uusd + self.film_uusd)

    def as_dict(self) -> dict[str, Json]:
        """Return it as events and reports tell it."""
        return {"preview_uusd": self.preview_uusd, "film_uusd": self.film_uusd}


def estimate_order(
    shop: Workshop, brief: Brief, instead: Mapping[int, Instead] = MappingProxyType({})
) -> Estimate:
    """Return what a job may cost, its preview apart; raise `BriefInvalid` for what cannot be made.

    A brief that wants a preview names its model (`with_preview_model`).
    """
    model = find_model(shop, brief)
    plan = _rough_plan(shop, _film(brief, model.card), model, instead)
    film_uusd = estimate_whole(shop, plan, model)
    if brief.preview_first is None:
        return Estimate(film_uusd=film_uusd)
    plan, made_by = _rough_preview(shop, brief)
    return Estimate(
        film_uusd=film_uusd,
        preview_model=made_by.card.ref,
        preview_uusd=estimate_whole(shop, plan, made_by),
    )


def trial_of(
    shop: Workshop,
    brief: Brief,
    pins: Pins | None,
    job: JobId,
    *,
    cues: Sequence[Mapping[str, Any]] | None = None,
) -> dict[int, Instead]:
    """Return the shots of a job that a canary makes, by index: none where no version is one.

    `cues` are the captions that effects show, as `chain_of` takes them.
    """
    if pins is None or pins.canary is None:
        return {}
    trial = pins.canary
    chosen = [index for index in range(len(brief.shots)) if trial.gets(job, index)]
    if not chosen:
        return {}
    model = exact(shop, trial.ref)
    if model is None:
        raise ContractMismatch(
            attempted=f"make {job} as it was begun",
            found=f"{trial.ref} is not installed here",
            remedy="Order it again: it is planned anew here; what was made is reused.",
        )
    tried = replace(instead_by(shop, brief, model, cues=cues), is_tried=True)
    return dict.fromkeys(chosen, tried)


def instead_by(
    shop: Workshop,
    brief: Brief,
    model: Model,
    *,
    cues: Sequence[Mapping[str, Any]] | None = None,
) -> Instead:
    """Return what is planned with where another model than the film's own makes a shot."""
    burn = brief.captions is not None and brief.captions.burn
    draws = model.card.capabilities
    return Instead(
        card=model.card,
        nusd_per_s=price_ahead(shop, model),
        chain_of=chain_of(shop, brief, draws=draws, cues=cues, burn=burn, of_model=model.chain),
    )


def estimate_changes(
    shop: Workshop,
    kept: Brief,
    revised: Brief,
    *,
    is_film_made: bool,
    pins: Sequence[Pins],
    job: JobId,
) -> Uusd | None:
    """Return what the takes are estimated at that a revised brief needs and the kept one did not.

    None where the device has no price. `is_film_made` says that there was more than a preview.
    """
    before = _rough_plans(shop, kept, pins, job)
    plans = before if is_film_made else before[:-1]
    made = {each.key for plan in plans for shot in plan.shots for each in shot.segments}
    prices = [
        segment.estimate_uusd
        for plan in _rough_plans(shop, revised, pins, job)
        for shot in plan.shots
        for segment in shot.segments
        if segment.key not in made
    ]
    return None if None in prices else Uusd(sum(each or 0 for each in prices))


def _rough_plans(shop: Workshop, brief: Brief, pins: Sequence[Pins], job: JobId) -> list[Plan]:
    """Return what a brief is planned as: its preview, if it wants one, and the film."""
    exactly, film_pins = pinned(brief, pins)
    model = find_model(shop, exactly)
    trial = trial_of(shop, exactly, film_pins, job)
    film = _rough_plan(shop, _film(exactly, model.card), model, trial)
    if brief.preview_first is None:
        return [film]
    return [_rough_preview(shop, exactly)[0], film]


def _film(brief: Brief, card: ModelCard) -> Brief:
    """Return the brief of the film itself, with pictures that its preview will bring."""
    if brief.preview_first is None:
        return brief
    return with_starts(brief, card, starts_wanted(brief, card))


def _rough_preview(shop: Workshop, brief: Brief) -> tuple[Plan, Model]:
    wanted = preview_brief(brief)
    try:
        model = find_model(shop, wanted)
        return _rough_plan(shop, wanted, model), model
    except BriefInvalid as error:
        is_name = error.field == "model"
        found = error.found.removeprefix(f"{error.field}: ")
        raise BriefInvalid(
            attempted="plan the preview",
            field="preview_first.model" if is_name else "preview_first",
            found=found if is_name else f"{wanted.model} cannot make it: {error.field}: {found}",
            remedy=error.remedy
            if is_name
            else "Name another model in preview_first.model, or mend that field.",
        ) from error


def _rough_plan(
    shop: Workshop,
    brief: Brief,
    model: Model,
    instead: Mapping[int, Instead] = MappingProxyType({}),
) -> Plan:
    return make_plan(
        brief,
        references=[_stand_in(reference, brief) for reference in brief.references],
        card=model.card,
        versions=versions_of(shop, model),
        tenant=shop.tenant,
        files={},
        nusd_per_s=price_ahead(shop, model),
        chain_of=chain_of(
            shop,
            brief,
            draws=model.card.capabilities,
            burn=brief.captions is not None and brief.captions.burn,
            of_model=model.chain,
        ),
        clips=clips_card(shop),
        instead=instead,
    )


def price_ahead(shop: Workshop, model: Model) -> int | None:
    """Return what estimates take for a second of a model's devices, of all that it needs at once."""
    price = shop.prices.find_ahead(model.device_class)
    return None if price is None else price * model.devices


def estimate_whole(shop: Workshop, plan: Plan, model: Model) -> Uusd | None:
    """Return what a whole job may cost: its takes where their model runs, the rest on our own.

    What is expected for loading models is part of it, but for those that are kept warm.
    """
    if model.device_class == CPU:
        without = estimate_uusd(plan)
    else:
        others = shop.prices.find(CPU)
        without = None if others is None else estimate_uusd(plan, others_nusd_per_s=others)
    music = _music_uusd(shop, plan)
    if without is None or music is None:
        return None
    return Uusd(without + music + _loading_uusd(shop, plan, model))


def _music_uusd(shop: Workshop, plan: Plan) -> Uusd | None:
    """Return what the music is estimated at that a model makes: its time, and what is asked for it."""
    music = None if plan.sound is None else plan.sound.music
    if music is None or music.model is None:
        return Uusd(0)
    model = exact(shop, music.model)
    assert model is not None, "the door has found it"
    card, seconds = model.card, math.ceil(plan.frames / plan.fps)
    asked = (card.price_uusd_per_run or 0) + seconds * (card.price_uusd_per_second or 0)
    price = price_ahead(shop, model)
    if price is None:
        return Uusd(asked) if asked else None
    us = card.cost_us_fixed + seconds * card.cost_us_per_megapixel
    return Uusd(asked + price_of(DeviceUs(us), nusd_per_s=price))


def _loading_uusd(shop: Workshop, plan: Plan, model: Model) -> Uusd:
    """Return what loading is expected to cost for a film: each model, on every process that may."""
    shots = Counter(shot.model or model.card.ref for shot in plan.shots)
    music = None if plan.sound is None else plan.sound.music
    if music is not None and music.model is not None:
        shots[music.model] += 1
    total = 0
    with shop.recorder.db.read() as connection:
        for ref, count in shots.items():
            each = model if ref == model.card.ref else exact(shop, ref)
            if each is None or shop.seats.is_kept_warm(each):
                continue
            once_us = expected_load(connection, each.card, device_class=each.device_class)
            at_once = max(1, shop.slots.count(each.device_class) // each.devices)
            lasts = DeviceUs(once_us * min(count, at_once))
            total += price_of(lasts, nusd_per_s=price_ahead(shop, each) or 0)
    return Uusd(total)


def amount_to_reserve(brief: Brief, model: Model, estimate: Estimate) -> Uusd | None:
    """Return what is set aside for a job: its budget, or room above the estimate; None: unknown.

    Raises `BudgetTooSmall` where the estimate is more than the budget, or unknown beside one.
    """
    whole = estimate.whole_uusd
    if whole is None and brief.budget_uusd is not None:
        device = model.device_class
        raise BudgetTooSmall(
            attempted=f"make {brief.title!r} within ${brief.budget_uusd / 1_000_000:.6f}",
            found=f"no price is set for the device class {device!r}, so its cost is unknown",
            remedy=f"Set prices.{device} in the settings, or leave the budget out.",
        )
    if whole is None:
        return None
    if brief.budget_uusd is None:
        return Uusd(whole * _HEADROOM)
    if whole > brief.budget_uusd:
        raise BudgetTooSmall(
            attempted=f"make {brief.title!r} within ${brief.budget_uusd / 1_000_000:.6f}",
            found=f"an estimate of ${whole / 1_000_000:.6f}{_in_parts(brief, estimate)}",
            remedy="Raise the budget, or ask for fewer seconds, a smaller size or a preview.",
        )
    return brief.budget_uusd


def _in_parts(brief: Brief, estimate: Estimate) -> str:
    if estimate.preview_uusd is None or estimate.film_uusd is None:
        return ""
    return (
        f": ${estimate.preview_uusd / 1_000_000:.6f} for the preview on {estimate.preview_model} "
        f"and ${estimate.film_uusd / 1_000_000:.6f} for the film on {brief.model}"
    )


def refuse_unpriced(
    connection: sa.Connection, shop: Workshop, job: JobId, brief: Brief, *, now_us: int
) -> None:
    """Raise `BudgetTooSmall` where a job whose cost nobody knows comes under a budget."""
    over = budgets_over(connection, tenant=shop.tenant, job=job, now_us=now_us)
    if over:
        raise BudgetTooSmall(
            attempted=f"make {brief.title!r} within {over[0]}",
            found=f"no price is set for the device class {CPU!r}, so its cost is unknown",
            remedy=f"Set prices.{CPU} in the settings, or lift that budget.",
        )


def _stand_in(reference: Reference, brief: Brief) -> PreparedReference:
    # An estimate depends on no pixel, so it can be had before the reference is read. What is shown
    # as a clip is taken to be a video, as long as it is asked to be.
    nothing = sha256_of(reference.location.encode())
    is_clip = any(shot.clip and shot.clip.reference == reference.name for shot in brief.shots)
    return PreparedReference(
        name=reference.name,
        role=reference.role,
        original=nothing,
        picture=nothing,
        mask=None,
        confidence_bp=0,
        width=1,
        height=1,
        kind=MediaKind.VIDEO if is_clip else MediaKind.PICTURE,
        frames=_UNREAD_FRAMES if is_clip else 0,
        fps=brief.output.fps if is_clip else None,
    )

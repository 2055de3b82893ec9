"""The door of the durable tier: a brief becomes a job with its budget reserved, or an error.

Everything is checked before anything is written. Files that the brief names are read here, once,
and become blobs, so that any worker can go on with the job; then the job's row, its reservation,
its audit leaf and its event become true together.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.brief import ASSET, UPLOAD, Brief, Reference, Tier
from cinefab.core.canonical import Json, Sha256, canonical_json, sha256_of
from cinefab.core.errors import BriefInvalid, BudgetTooSmall, ContractMismatch
from cinefab.core.ids import JobId
from cinefab.core.plan import MediaKind, Plan, PreparedReference, Versions
from cinefab.core.sound import Sound
from cinefab.core.units import DeviceUs, Uusd, price_of
from cinefab.deliver.places import Place, PlaceRefused
from cinefab.economics.budgets import NOBODY_ELSE, Spenders, budgets_over, record_spenders
from cinefab.economics.journal import take_gate
from cinefab.economics.ledger import reserve
from cinefab.generate.backend import ModelCard
from cinefab.generate.contract import InputContract
from cinefab.generate.loads import expected_load
from cinefab.generate.plan import CLIPS, Instead, estimate_uusd, make_plan
from cinefab.generate.preview_film import preview_brief, starts_wanted, with_starts
from cinefab.generate.storyboard import expand
from cinefab.ingest.brief import (
    WrittenBrief,
    brief_document,
    brief_from_document,
    rewrite,
)
from cinefab.jobs.clips import check_clips
from cinefab.jobs.effects import BLOB, chain_of, check_files, with_effect_files
from cinefab.jobs.keeping import kept_as_blob
from cinefab.jobs.lines import check_lines_allowed
from cinefab.jobs.once import Once, find_alike, find_by_key, lock_key, record_key
from cinefab.jobs.pins import (
    Pins,
    choose,
    choose_models,
    exact,
    pinned,
    pins_text,
    record_first_sight,
)
from cinefab.jobs.stages import CPU
from cinefab.jobs.status import ENDED, JobStatus
from cinefab.jobs.tables import brief as brief_table
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Model, Workshop
from cinefab.store.facts import AuditLeaf, OutboxEvent, record_event, record_leaf
from cinefab.store.sweeping import refuse_swept
from cinefab.tenancy.quotas import check_jobs, find_quota

__all__ = ["BLOB", "Opened", "clips_card", "find_model", "open_job", "versions_of"]

_SOUND: Final = "text-to-audio"
_BLOB_NAME: Final = re.compile(r"blob:([0-9a-f]{64})/")

_HEADROOM: Final = 3
"""What is reserved without a budget, in estimates: room for a slower machine, voided if unused."""


_UNREAD_FRAMES: Final = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A job at the door; `resumed` says that an unfinished one was found for the same brief.

    `out` is the job's own folder: of one that was found, where the film was ordered first.
    `estimate` is what a new one may cost.
    """

    job: JobId
    resumed: bool
    out: Path
    estimate: Estimate | None = None


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


def open_job(
    shop: Workshop,
    brief: Brief,
    *,
    base: Path,
    out: Path,
    requested_us: int,
    written: WrittenBrief | None = None,
    spenders: Spenders = NOBODY_ELSE,
    once: Once | None = None,
) -> Opened:
    """Check the brief, reserve its budget and write its job; or find the unfinished one.

    `base` is the folder that the brief's files are relative to, `out` where films are put;
    `written` is what the brief was read from, for changes later, and its template. With `once`,
    only what was sent before is found, finished or not, and not just any job for the same brief.
    `spenders` are who pays beside the tenant: their budgets hold, too.
    Raises `BriefInvalid`, `ReferenceRefused`, `BudgetTooSmall`, `QuotaExceeded`,
    `IdempotencyKeyReused` or
    `StorageUnavailable`; none of them leaves a job, a reservation or an asset behind.
    """
    brief = with_preview_model(shop, brief)
    chosen = choose_models(shop, brief)
    brief = with_music_model(shop, _with_bed(brief, chosen[0].model))
    chosen += choose_models(shop, brief, but={each.pins.asked for each in chosen})
    pins = tuple(each.pins for each in chosen)
    job = JobId(shop.recorder.ids.new("job"))
    _check_places(shop, brief)
    check_lines_allowed(shop, brief)
    if written is not None:
        _check_checks(shop, written.checks)
    wanted = expand(brief)
    if any(shot.voice for shot in wanted.shots):
        from cinefab.jobs.speaking import check_lines  # noqa: PLC0415 - most films say nothing

        check_lines(shop, wanted)
    exactly, film_pins = pinned(wanted, pins)
    model = find_model(shop, exactly)
    _require_warm(shop, exactly)
    estimate = estimate_order(shop, exactly, trial_of(shop, exactly, film_pins, job))
    amount = _amount_to_reserve(wanted, model, estimate)
    # A deadline such as "10m" is another moment each time; it belongs to the job, not the brief.
    portable = replace(_with_files_as_blobs(shop, wanted, base), deadline_us=None)
    _check_files(shop, pinned(portable, pins)[0])
    check_clips(shop, portable)
    document = canonical_json(brief_document(portable)).decode()
    digest = sha256_of(document.encode())
    with shop.recorder.db.write() as connection:
        if once is not None:
            lock_key(connection, shop, once)
        _lock_brief(connection, shop, digest)
        refuse_swept(connection, blobs_in(document), has=shop.blobs.has)
        brief_id = _brief_row(connection, shop, digest, document)
        before = _find_before(connection, shop, brief_id, once)
        if before is not None:
            return before
        _check_quota(connection, shop)
        _insert_job(
            connection,
            shop,
            job,
            brief_id,
            wanted,
            out=out,
            requested_us=requested_us,
            written=written,
            pins=pins,
        )
        if once is not None:
            record_key(connection, shop, once, job, now_us=shop.recorder.clock.now_us())
        now_us = shop.recorder.clock.now_us()
        record_first_sight(connection, chosen, now_us=now_us)
        record_spenders(connection, tenant=shop.tenant, job=job, spenders=spenders)
        if amount is None:
            _refuse_unpriced(connection, shop, job, wanted, now_us=now_us)
        else:
            reserve(connection, tenant=shop.tenant, job=job, amount=amount, key=job, now_us=now_us)
        said: Json = {
            "brief": digest,
            "title": wanted.title,
            "reserved_uusd": amount,
            **({} if estimate.preview_model is None else {"estimate": estimate.as_dict()}),
            "models": [each.model for each in pins],
            **(
                {}
                if written is None or written.template is None
                else {"template": written.template}
            ),
        }
        leaf = AuditLeaf(kind="job.created", subject=job, body=said)
        event = OutboxEvent(kind="job.created", subject=job, body=said)
        record_leaf(connection, leaf, tenant=shop.tenant, now_us=now_us)
        record_event(connection, event, tenant=shop.tenant, now_us=now_us)
    return Opened(job=job, resumed=False, out=out.absolute() / job, estimate=estimate)


def revise_brief(
    shop: Workshop,
    kept: Brief,
    *,
    text: str | None,
    folder: Path,
    changes: Sequence[str],
    reseed: Mapping[int, int],
    pins: Sequence[Pins] = (),
) -> tuple[Brief, str | None]:
    """Return a job's brief with changes, and its text: `path=value` as `--set` takes them.

    `reseed` gives shots another seed. What the changes leave alone stays as it was kept, files
    included: only those that a change names are read again, from `folder` where they are relative.
    `pins` are what the job stays with, none where another one is to be ordered.
    Raises `BriefInvalid` and `ReferenceRefused`.
    """
    revised, written = kept, text
    if changes:
        if text is None:
            raise BriefInvalid(
                attempted="change the brief",
                field=changes[0].partition("=")[0],
                found="the job was not ordered by a document",
                remedy="Give shots another seed, or order it anew.",
            )
        now_us = shop.recorder.clock.now_us()
        before = rewrite(text, folder=folder, now_us=now_us)
        after = rewrite(text, folder=folder, now_us=now_us, overrides=changes)
        merged = _merged(
            brief_document(kept),
            brief_document(expand(before.brief)),
            brief_document(expand(after.brief)),
        )
        revised = _with_files_as_blobs(shop, brief_from_document(merged), folder)
        revised = with_preview_model(shop, replace(revised, deadline_us=None))
        revised = with_music_model(shop, revised)
        written = after.text
    for index in reseed:
        if index >= len(revised.shots):
            raise BriefInvalid(
                attempted="change the brief",
                field=f"shots[{index}]",
                found=f"the film has {len(revised.shots)} shots",
                remedy="Count them from 0.",
            )
    shots = tuple(
        replace(shot, seed=reseed[i]) if i in reseed else shot
        for i, shot in enumerate(revised.shots)
    )
    revised = replace(revised, shots=shots)
    check_lines_allowed(shop, revised)
    _check_files(shop, pinned(revised, pins)[0])
    check_clips(shop, revised)
    return revised, written


def record_brief(connection: sa.Connection, shop: Workshop, brief: Brief) -> int:
    """Write a brief whose files are blobs, unless it is known; return its row's id."""
    document = canonical_json(brief_document(brief)).decode()
    digest = sha256_of(document.encode())
    _lock_brief(connection, shop, digest)
    return _brief_row(connection, shop, digest, document)


def _merged(kept: Json, before: Json, after: Json) -> Json:
    # What was kept differs from what was written: its files are blobs. So only what differs between
    # the two ways of writing it is taken from the newer one.
    if before == after:
        return kept
    if isinstance(kept, Mapping) and isinstance(before, Mapping) and isinstance(after, Mapping):
        return {
            name: _merged(kept.get(name), before.get(name), each) for name, each in after.items()
        }
    if isinstance(kept, list) and isinstance(before, list) and isinstance(after, list):
        if len(kept) == len(before) == len(after):
            return [_merged(*each) for each in zip(kept, before, after, strict=True)]
        return after
    return after


def _check_checks(shop: Workshop, wanted: Sequence[str]) -> None:
    missing = sorted(set(wanted) - {check.name for check in shop.checks})
    if missing:
        raise BriefInvalid(
            attempted="fill the template",
            field="template.guardrails.checks",
            found=f"the check {missing[0]!r} is not installed",
            remedy="Install its plug-in: the template lets nothing pass without it.",
        )


def _check_files(shop: Workshop, brief: Brief) -> None:
    # A preview's model may leave to effects what the film's draws itself.
    drawn = [brief] if brief.preview_first is None else [brief, preview_brief(brief)]
    for each in drawn:
        check_files(shop, each, draws=find_model(shop, each).card.capabilities)


def _check_places(shop: Workshop, brief: Brief) -> None:
    for position, url in enumerate(brief.deliver):
        find_place(shop, url, position)


def find_place(shop: Workshop, url: str, position: int) -> Place:
    """Return the place that a brief names there; raise `BriefInvalid` with the field's path."""
    try:
        return shop.places.find(url)
    except PlaceRefused as error:
        raise BriefInvalid(
            field=f"deliver[{position}]", found=error.found, remedy=error.remedy
        ) from error


def blobs_in(document: str) -> frozenset[Sha256]:
    """Return the digests of the files that a stored brief names."""
    return frozenset(Sha256(digest) for digest in _BLOB_NAME.findall(document))


def find_model(shop: Workshop, brief: Brief) -> Model:
    """Return the model that the brief names, or raise with those that are installed.

    An order names the very version that its job was pinned to, which may be retired by now.
    """
    if "@" in brief.model:
        model = exact(shop, brief.model)
        if model is not None:
            return model
    return choose(shop, brief.model).model


def with_preview_model(shop: Workshop, brief: Brief) -> Brief:
    """Return `brief` with the model of its preview named, if it wants one: what is kept says which."""
    first = brief.preview_first
    if first is None or first.model is not None:
        return brief
    return replace(brief, preview_first=replace(first, model=shop.preview_model))


def with_music_model(shop: Workshop, brief: Brief) -> Brief:
    """Return `brief` with the exact model that makes its music, if one is to.

    Raises `BriefInvalid` for a model that there is not, or that does not make sound of the prompt.
    """
    music = None if brief.sound is None else brief.sound.music
    if brief.sound is None or music is None or (music.model is None and not music.prompt):
        return brief
    if music.model is None:
        raise _music_refused("model", "a prompt is for a model", "Name one that makes sound.")
    name, _, version = music.model.partition("@")
    model = exact(shop, music.model) if version else shop.models.get(name)
    if model is None:
        raise _music_refused(
            "model",
            f"{music.model!r} is not installed",
            f"Choose one of: {', '.join(_sound_models(shop)) or 'none is installed'}.",
        )
    if model.card.task != _SOUND:
        raise _music_refused(
            "model",
            f"{model.card.ref} makes no sound but {model.card.task}",
            f"Choose one of: {', '.join(_sound_models(shop)) or 'none is installed'}.",
        )
    try:
        InputContract(model.card).check({"prompt": music.prompt, "references": []}, index=0)
    except BriefInvalid as error:
        raise _music_refused("prompt", error.found, "Say what is to be heard.") from error
    pinned = replace(music, model=model.card.ref)
    return replace(brief, sound=replace(brief.sound, music=pinned))


def _with_bed(brief: Brief, model: Model) -> Brief:
    """Return `brief` with the music that a pipeline brings, unless it asks for other or for none."""
    sound = Sound(effects=False) if brief.sound is None else brief.sound
    music = sound.music
    if model.bed_by is None or music is None or music.model is not None or music.prompt:
        return brief
    pace = "" if music.tempo_bpm is None else f", {music.tempo_bpm} beats a minute"
    prompt = f"{music.mood.value} instrumental music{pace}, under a film called: {brief.title}"
    bed = replace(music, model=model.bed_by, prompt=prompt)
    return replace(brief, sound=replace(sound, music=bed))


def _sound_models(shop: Workshop) -> list[str]:
    return sorted(name for name in shop.models if shop.models[name].card.task == _SOUND)


def _music_refused(field: str, found: str, remedy: str) -> BriefInvalid:
    return BriefInvalid(
        attempted="order a film", field=f"sound.music.{field}", found=found, remedy=remedy
    )


def clips_card(shop: Workshop) -> ModelCard | None:
    """Return the card of the model that shows clips, if one is installed."""
    cards = (shop.models[name].card for name in shop.models)
    return next((card for card in cards if CLIPS in card.capabilities), None)


def versions_of(shop: Workshop, model: Model) -> Versions:
    """Return what, beside the brief, makes the pixels on this worker."""
    return Versions(model=model.card.ref, machine=shop.machine, encoder=shop.encoder, contract=1)


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


def _require_warm(shop: Workshop, brief: Brief) -> None:
    """Raise `NotWarm` for interactive work that one of its models would have to be loaded for."""
    if brief.tier is not Tier.INTERACTIVE:
        return
    wanted = [find_model(shop, brief)]
    if brief.preview_first is not None:
        wanted.append(find_model(shop, preview_brief(brief)))
    music = None if brief.sound is None else brief.sound.music
    if music is not None and music.model is not None:
        wanted.append(shop.models[music.model.partition("@")[0]])
    for model in wanted:
        shop.seats.require_warm(model, brief.tier)


def _amount_to_reserve(brief: Brief, model: Model, estimate: Estimate) -> Uusd | None:
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


def _check_quota(connection: sa.Connection, shop: Workshop) -> None:
    quota = find_quota(connection, tenant=shop.tenant, usual=shop.usual_quota)
    if quota.jobs_in_flight is None:
        return
    # Whoever else orders for this tenant waits here until this order is written or given up.
    take_gate(connection, tenant=shop.tenant)
    in_flight = connection.execute(
        sa.select(sa.func.count())
        .select_from(job_table)
        .where(
            job_table.c.tenant_id == shop.tenant,
            job_table.c.status.in_([JobStatus.WAITING, JobStatus.RUNNING]),
        )
    ).scalar_one()
    check_jobs(quota, tenant=shop.tenant, in_flight=in_flight)


def _refuse_unpriced(
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


def _with_files_as_blobs(shop: Workshop, brief: Brief, base: Path) -> Brief:
    references = tuple(
        replace(
            reference,
            location=_as_blob(
                shop, reference.location, base=base, field=f"references.{reference.name}"
            ),
        )
        for reference in brief.references
    )
    brand = brief.brand
    files: Mapping[str, str | None] = {"font": brand.font, "lut": brand.lut}
    kept = {
        name: None if place is None else _as_blob(shop, place, base=base, field=f"brand.{name}")
        for name, place in files.items()
    }
    return replace(
        with_effect_files(brief, lambda at, field: _as_blob(shop, at, base=base, field=field)),
        references=references,
        brand=replace(brand, font=kept["font"], lut=kept["lut"]),
    )


def _as_blob(shop: Workshop, location: str, *, base: Path, field: str) -> str:
    # What is behind a URL is fetched by the job, which can be stopped and tried again.
    if location.startswith((BLOB, "http://", "https://")):
        return location
    if location.startswith((ASSET, UPLOAD)):
        return kept_as_blob(shop, location, field=field)
    fetched = shop.fetcher.fetch(location, base=base, field=field)
    return f"{BLOB}{shop.blobs.put(fetched.data)}/{fetched.name}"


def _lock_brief(connection: sa.Connection, shop: Workshop, digest: Sha256) -> None:
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"{shop.tenant}:{digest}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def _brief_row(connection: sa.Connection, shop: Workshop, digest: Sha256, document: str) -> int:
    known = connection.execute(
        sa.select(brief_table.c.id).where(
            brief_table.c.tenant_id == shop.tenant, brief_table.c.digest == digest
        )
    ).scalar()
    if known is not None:
        return int(known)
    inserted = connection.execute(
        brief_table.insert().values(
            tenant_id=shop.tenant,
            digest=digest,
            document=document,
            created_us=shop.recorder.clock.now_us(),
        )
    )
    key = inserted.inserted_primary_key
    assert key is not None, "a row that was inserted has an id"
    return int(key[0])


def _find_before(
    connection: sa.Connection, shop: Workshop, brief_id: int, once: Once | None
) -> Opened | None:
    if once is None:
        return _find_unfinished(connection, shop, brief_id)
    sent = find_by_key(connection, shop, once) or find_alike(connection, shop, once, brief_id)
    if sent is None:
        return None
    out = sa.select(job_table.c.out).where(
        job_table.c.tenant_id == shop.tenant, job_table.c.public_id == sent
    )
    return Opened(job=JobId(sent), resumed=True, out=Path(connection.execute(out).scalar_one()))


def _find_unfinished(connection: sa.Connection, shop: Workshop, brief_id: int) -> Opened | None:
    row = connection.execute(
        sa.select(job_table.c.public_id, job_table.c.out)
        .where(
            job_table.c.tenant_id == shop.tenant,
            job_table.c.brief_id == brief_id,
            job_table.c.status.not_in(ENDED),
        )
        .order_by(job_table.c.id.desc())
    ).first()
    if row is None:
        return None
    return Opened(job=JobId(row.public_id), resumed=True, out=Path(row.out))


def _written_down(written: WrittenBrief) -> str:
    return json.dumps({"folder": str(written.folder), "text": written.text}, ensure_ascii=False)


def _insert_job(
    connection: sa.Connection,
    shop: Workshop,
    job: JobId,
    brief_id: int,
    wanted: Brief,
    *,
    out: Path,
    requested_us: int,
    written: WrittenBrief | None,
    pins: Sequence[Pins],
) -> None:
    connection.execute(
        job_table.insert().values(
            public_id=job,
            tenant_id=shop.tenant,
            principal_id=shop.principal,
            brief_id=brief_id,
            status=JobStatus.WAITING,
            out=str(out.absolute() / job),
            requested_us=requested_us,
            deadline_us=wanted.deadline_us,
            written=None if written is None else _written_down(written),
            template=None
            if written is None or written.template is None
            else canonical_json(written.template).decode(),
            created_us=shop.recorder.clock.now_us(),
            models=pins_text(pins),
        )
    )

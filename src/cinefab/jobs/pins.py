"""Which version of a model a job gets: chosen once, at the door, and what it stays with.

A name follows what is installed or what the settings say until a person registers or moves one of
its versions; from then on the registry says which is live. What a job was pinned to is kept with it:
a version that is promoted or retired meanwhile changes nothing of it, and whoever orders the same
again is pinned anew.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.brief import Brief
from cinefab.core.canonical import sha256_of
from cinefab.core.errors import BriefInvalid, ContractMismatch, FitsNowhere
from cinefab.core.ids import JobId
from cinefab.core.units import WHOLE_BP, BasisPoints
from cinefab.generate.registry import (
    STUDIO,
    Change,
    ModelState,
    RegisteredModel,
    find_version,
    follow,
    register,
    versions_named,
)
from cinefab.jobs.workshop import Model, Workshop

_ASKED: Final = "asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A version that is tried in a job, and the share of the job's shots that it gets."""

    ref: str
    share_bp: BasisPoints

    def gets(self, job: JobId, shot: int) -> bool:
        """Say whether a shot of a job is this trial's: the same whenever and wherever it is asked."""
        chance = int(sha256_of(f"{self.ref}:{job}:{shot}".encode())[:12], 16)
        return chance % WHOLE_BP < self.share_bp


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """The versions that a job began with, for what its brief `asked` for as its model."""

    asked: str
    model: str
    canary: Trial | None = None
    shadows: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What was chosen at the door; `is_new` says that the registry does not have it as it is used."""

    pins: Pins
    model: Model
    is_new: bool
    is_live: bool


def choose(shop: Workshop, asked: str) -> Chosen:
    """Return the version that a job gets which asks for `name` or `name@version` now.

    Raises `BriefInvalid` for what is not here, is not live, or is retired, naming what to ask for
    instead, and what making the model raises.
    """
    name, _, version = asked.partition("@")
    with shop.recorder.db.read() as connection:
        known = versions_named(connection, name)
    if version:
        return _exactly(shop, asked, known)
    live = next((each for each in known if each.state is ModelState.LIVE), None)
    if not _is_in_hand(shop, name, known, live):
        model = _installed(shop, asked)
        is_new = live is None or live.ref != model.card.ref
        pins = Pins(asked=asked, model=model.card.ref)
        return Chosen(pins=pins, model=model, is_new=is_new, is_live=True)
    if live is None:
        raise _none_is_live(name, known)
    trials = [each for each in known if each.share_bp is not None and _can_be_made(shop, each.ref)]
    canaries = [_trial(each) for each in trials if each.state is ModelState.CANARY]
    pins = Pins(
        asked=asked,
        model=live.ref,
        canary=canaries[0] if canaries else None,
        shadows=tuple(_trial(each) for each in trials if each.state is ModelState.SHADOW),
    )
    return Chosen(pins=pins, model=_made(shop, asked, live.ref), is_new=False, is_live=True)


def choose_models(shop: Workshop, brief: Brief, *, but: Collection[str] = ()) -> tuple[Chosen, ...]:
    """Return what is chosen for all that a brief asks for: its model, its preview's, its music's.

    What is in `but` is left out. Raises as `choose` does, with the field's path.
    """
    first = brief.preview_first
    asked = {brief.model: "model"}
    if first is not None and first.model is not None:
        asked.setdefault(first.model, "preview_first.model")
    music = None if brief.sound is None else brief.sound.music
    if music is not None and music.model is not None and "@" in music.model:
        # The door has named the very version; it is pinned as it stands in the brief.
        asked.setdefault(music.model, "sound.music.model")
    return tuple(_chosen_for(shop, name, field) for name, field in asked.items() if name not in but)


def record_first_sight(connection: sa.Connection, chosen: Iterable[Chosen], *, now_us: int) -> None:
    """Have the registry know what a job gets, if it does not: nobody has to register anything."""
    change = Change(by=STUDIO, reason=_ASKED, now_us=now_us)
    for each in chosen:
        if each.is_new and each.is_live:
            register_components(connection, each.model, now_us=now_us)
            follow(connection, each.model.card, each.model.made, change=change)
        elif each.is_new:
            register_components(connection, each.model, now_us=now_us)
            register(connection, each.model.card, each.model.made, change=change)


def register_components(connection: sa.Connection, model: Model, *, now_us: int) -> None:
    """Have the registry keep the versions that a pipeline is put together of, and take none in hand."""
    change = Change(by=STUDIO, reason=f"a part of {model.card.ref}", now_us=now_us)
    for each in model.components:
        if find_version(connection, each.card.ref) is None:
            register(connection, each.card, each.made, change=change)


def pins_text(pins: Sequence[Pins]) -> str:
    """Return pins as a job's row keeps them: one for each model that its briefs asked for."""
    return json.dumps([_document(each) for each in pins], ensure_ascii=False)


def pins_from_text(text: str | None) -> tuple[Pins, ...]:
    """Return what `pins_text` wrote; a job of before has none."""
    return tuple(_pins(each) for each in json.loads(text)) if text else ()


def pinned(brief: Brief, pins: Sequence[Pins]) -> tuple[Brief, Pins | None]:
    """Return a brief that asks for the very versions that its job was pinned to.

    With it comes what the film's own model was pinned to.
    """
    by_asked = {each.asked: each for each in pins}
    first, film = brief.preview_first, by_asked.get(brief.model)
    if first is not None and first.model in by_asked:
        model = by_asked[first.model].model
        brief = replace(brief, preview_first=replace(first, model=model))
    return (brief, None) if film is None else (replace(brief, model=film.model), film)


def _chosen_for(shop: Workshop, asked: str, field: str) -> Chosen:
    try:
        return choose(shop, asked)
    except BriefInvalid as error:
        if field == error.field:
            raise
        found = error.found.removeprefix(f"{error.field}: ")
        raise BriefInvalid(
            attempted="order a film" if field.startswith("sound") else "plan the preview",
            field=field,
            found=found,
            remedy=error.remedy,
        ) from error


def _exactly(shop: Workshop, asked: str, known: Sequence[RegisteredModel]) -> Chosen:
    version = next((each for each in known if each.ref == asked), None)
    if version is not None and version.state is ModelState.RETIRED:
        raise _retired(version)
    model = _made(shop, asked, asked)
    pins = Pins(asked=asked, model=asked)
    return Chosen(pins=pins, model=model, is_new=version is None, is_live=not known)


def _is_in_hand(
    shop: Workshop, name: str, known: Sequence[RegisteredModel], live: RegisteredModel | None
) -> bool:
    """Say whether the registry speaks for a name, and not what is installed or in the settings."""
    if not any(each.by_hand for each in known):
        return False
    if live is None or live.made.backend is not None:
        return True
    # A package was exchanged for a newer one: what is not there any more cannot be live.
    return _can_be_made(shop, live.ref) or name not in shop.models


def _installed(shop: Workshop, asked: str) -> Model:
    model = shop.models.get(asked)
    if model is None:
        raise BriefInvalid(
            field="model",
            found=f"{asked!r} is not installed",
            remedy=f"Choose one of: {', '.join(sorted(shop.models))}; or install its plug-in.",
        )
    return model


def _made(shop: Workshop, asked: str, ref: str) -> Model:
    """Return a very version; raise `BriefInvalid` where it cannot be made here."""
    model = exact(shop, ref)
    if model is not None:
        return model
    name = ref.partition("@")[0]
    here = _installed(shop, name) if name in shop.models else None
    if here is None:
        return _installed(shop, asked)
    raise BriefInvalid(
        field="model",
        found=f"{ref!r} is not installed, {here.card.ref} is",
        remedy=f"Write {name}, or install that version."
        if asked == ref
        else f"Install that version, or register what there is: cinefab models add {name}.",
    )


def exact(shop: Workshop, ref: str) -> Model | None:
    """Return a model in exactly this version, None where it cannot be had here."""
    model = shop.models.get(ref)
    if model is None:
        name = ref.partition("@")[0]
        model = shop.models.get(name)
    return model if model is not None and model.card.ref == ref else None


def _can_be_made(shop: Workshop, ref: str) -> bool:
    # A trial that cannot be had here is no reason to refuse a film.
    try:
        return exact(shop, ref) is not None
    except (ContractMismatch, FitsNowhere):
        return False


def _retired(version: RegisteredModel) -> BriefInvalid:
    remedy = "See which there are: cinefab models ls."
    if version.successor is not None:
        remedy = f"Its successor is {version.successor}: write that, or {version.card.name}."
    return BriefInvalid(field="model", found=f"{version.ref} is retired", remedy=remedy)


def _none_is_live(name: str, known: Sequence[RegisteredModel]) -> BriefInvalid:
    others = [each for each in known if each.state is not ModelState.RETIRED]
    if not others:
        follows = next((each.successor for each in reversed(known) if each.successor), None)
        remedy = "See which there are: cinefab models ls."
        if follows is not None:
            remedy = f"Its successor is {follows}: write that."
        return BriefInvalid(field="model", found=f"{name} is retired", remedy=remedy)
    newest = others[-1]
    return BriefInvalid(
        field="model",
        found=f"no version of {name} is live; {newest.ref} is {newest.state}",
        remedy=f"Make one live: cinefab models promote {newest.ref} --to live; or name it exactly.",
    )


def _trial(version: RegisteredModel) -> Trial:
    assert version.share_bp is not None, "a trial has a share"
    return Trial(ref=version.ref, share_bp=version.share_bp)


def _document(pins: Pins) -> dict[str, Any]:
    def trial(of: Trial) -> dict[str, Any]:
        return {"ref": of.ref, "share_bp": of.share_bp}

    return {
        "asked": pins.asked,
        "model": pins.model,
        "canary": None if pins.canary is None else trial(pins.canary),
        "shadows": [trial(each) for each in pins.shadows],
    }


def _pins(stored: dict[str, Any]) -> Pins:
    def trial(of: dict[str, Any]) -> Trial:
        return Trial(ref=of["ref"], share_bp=BasisPoints(of["share_bp"]))

    return Pins(
        asked=stored["asked"],
        model=stored["model"],
        canary=None if stored["canary"] is None else trial(stored["canary"]),
        shadows=tuple(trial(each) for each in stored["shadows"]),
    )

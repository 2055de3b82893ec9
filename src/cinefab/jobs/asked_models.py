"""Which models a job asks for: the film's, its preview's, the one that makes its music."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cinefab.core.brief import Brief
from cinefab.core.errors import BriefInvalid
from cinefab.core.plan import Versions
from cinefab.core.sound import Sound
from cinefab.generate.backend import ModelCard
from cinefab.generate.contract import InputContract
from cinefab.generate.plan import CLIPS
from cinefab.jobs.pins import (
    choose,
    exact,
)
from cinefab.jobs.workshop import Model, Workshop

_SOUND: Final = "text-to-audio"


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


def with_bed(brief: Brief, model: Model) -> Brief:
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

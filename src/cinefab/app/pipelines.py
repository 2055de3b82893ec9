"""Pipelines: models that are put together of components whose contracts are held against each other.

The first component makes pictures; effects follow, each given what the one before it gives; a model
of sound may come last. What is asked of each is found by following the effects' needs back from what
the whole is to make, so that parts which do not fit are refused when they are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

from cinefab.app.plugins import FoundOnDemand, load_plugin
from cinefab.app.settings import PIPELINE
from cinefab.assemble.effect import Effect, complete_settings
from cinefab.core.brief import EffectOrder, Size
from cinefab.core.canonical import Json, sha256_of
from cinefab.core.effect import EffectNeed, Stretch, is_file, settings_text, stretches
from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.generate.backend import AUDIO_HZ
from cinefab.generate.plan import CLIPS
from cinefab.generate.registry import Made
from cinefab.generate.windows import are_joined
from cinefab.jobs.workshop import Model

_STATED: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "size": {"type": "string", "pattern": "^[0-9]{2,5}x[0-9]{2,5}$"},
        "fps": {"type": ["string", "integer"]},
        "frames": {"type": "integer", "minimum": 1},
        "channels": {"type": "integer", "minimum": 1},
    },
}

SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["components", "makes"],
    "properties": {
        "components": {
            "description": "What it is put together of, in the order in which frames pass through",
            "type": "array",
            "minItems": 2,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$"},
                    "model": {"type": "string"},
                    "effect": {"type": "string"},
                    "settings": {"type": "object"},
                    "takes": _STATED,
                    "gives": _STATED,
                },
                "oneOf": [{"required": ["model"]}, {"required": ["effect"]}],
            },
        },
        "makes": {
            "description": "The most that it makes: size, fps, frames of a shot, and whether sound",
            **_STATED,
            "required": ["size", "fps", "frames"],
            "properties": {**_STATED["properties"], "sound": {"type": "boolean"}},
        },
    },
}

_PICTURE_CHANNELS: Final = 3
_SOUND_CHANNELS: Final = 2
_SOUND: Final = "text-to-audio"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Component:
    """A part of a pipeline: a model or an effect, and what is stated of it."""

    name: str
    model: Model | None = None
    effect: Effect | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    takes: Mapping[str, Any] = field(default_factory=dict)
    gives: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether it makes what is heard."""
        return self.model is not None and self.model.card.task == _SOUND

    @property
    def need(self) -> EffectNeed:
        """What an effect asks of the frames that it is given."""
        assert self.effect is not None, "a model asks for no frames"
        return self.effect.need(self.settings)


def put_together(
    name: str, settings: Mapping[str, Any], find: Callable[[str], Model | None]
) -> Model:
    """Return the model that a pipeline's settings make; `find` gives its components' models.

    Raises `ContractMismatch` for parts that are not here or do not fit: it names the two
    components and the field.
    """
    components = [_component(name, each, find) for each in settings["components"]]
    _check_order(name, components)
    pictures = [each for each in components if not each.is_sound]
    sounds = [each for each in components if each.is_sound]
    _check_pictures(name, pictures, settings["makes"])
    _check_sound(name, components, sounds, settings["makes"])
    base = pictures[0].model
    assert base is not None, "the first component is a model"
    resolved = _resolved(settings, components)
    versions = [each.effect.card.ref for each in components if each.effect is not None]
    text = settings_text({"components": resolved["components"], "effects": versions})
    version = sha256_of(text.encode())[:12]
    return Model(
        card=replace(base.card, name=name, version=version),
        entry=base.entry,
        configured=base.configured,
        cancels=base.cancels,
        made=Made(backend=PIPELINE, settings=resolved),
        chain=tuple(
            EffectOrder(name=each.effect.card.name, settings=settings_text(each.settings))
            for each in pictures
            if each.effect is not None
        ),
        components=tuple(each.model for each in components if each.model is not None),
    )


def _component(
    pipeline: str, table: Mapping[str, Any], find: Callable[[str], Model | None]
) -> _Component:
    name = table["name"]
    stated = {"takes": table.get("takes", {}), "gives": table.get("gives", {})}
    if "model" in table:
        model = find(table["model"])
        if model is None:
            raise _broken(pipeline, f"{name}: there is no model {table['model']!r}")
        if model.chain or CLIPS in model.card.capabilities:
            raise _broken(pipeline, f"{name}: {model.card.ref} is no model that stands alone")
        if table.get("settings"):
            said = f"{name}: the settings of {model.card.ref} are those of its own table"
            raise _broken(pipeline, said)
        return _Component(name=name, model=model, **stated)
    effects: Mapping[str, Effect] = FoundOnDemand("effects", load_plugin)
    effect = effects.get(table["effect"])
    if effect is None:
        known = ", ".join(sorted(effects))
        raise _broken(pipeline, f"{name}: there is no effect {table['effect']!r} among {known}")
    try:
        settings = complete_settings(
            effect.card, settings_text(table.get("settings", {})), field=name, known_references=()
        )
    except BriefInvalid as error:
        raise _broken(pipeline, error.found) from error
    if any(is_file(value) for value in settings.values()):
        raise _broken(pipeline, f"{name}: its settings name a file, which films bring themselves")
    return _Component(name=name, effect=effect, settings=settings, **stated)


def _check_order(pipeline: str, components: Sequence[_Component]) -> None:
    names = [each.name for each in components]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _broken(pipeline, f"two components are called {twice}")
    first = components[0]
    if first.model is None or first.is_sound:
        said = f"{first.name} comes first, and makes no pictures that the others could be given"
        raise _broken(pipeline, said)
    for before, after in pairwise(components):
        if after.model is not None and not after.is_sound:
            raise _mismatch(
                pipeline, before, after, "pictures", "pictures", "none: it makes its own"
            )
        if before.is_sound and not after.is_sound:
            raise _mismatch(pipeline, before, after, "pictures", "sound", "pictures")
        if before.is_sound and after.is_sound:
            raise _mismatch(pipeline, before, after, "sound", "sound", "none: it makes its own")


def _check_pictures(
    pipeline: str, components: Sequence[_Component], makes: Mapping[str, Any]
) -> None:
    """Follow what is wanted of the whole back to the model, and hold each pair against each other."""
    wanted = _wanted(pipeline, makes)
    passed = stretches([each.need for each in components[1:]], wanted)
    whole = _Component(
        name=f"the pipeline {pipeline}", takes={"channels": makes.get("channels", 3)}
    )
    asked = [*zip(components, [*components[1:], whole], passed, strict=True)]
    for before, after, stretch in asked:
        derived = {
            "size": str(stretch.size),
            "fps": stretch.fps,
            "frames": stretch.frames,
            "channels": _PICTURE_CHANNELS,
        }
        for name, value in derived.items():
            gives, takes = _said(before.gives, name, value), _said(after.takes, name, value)
            if gives != takes:
                raise _mismatch(pipeline, before, after, name, gives, takes)
            if gives != value:
                says = f"{takes}, where {value} is what the others make of it"
                raise _mismatch(pipeline, before, after, name, gives, says)
    model, next_one = components[0].model, [*components[1:], whole][0]
    assert model is not None, "the first component is a model"
    limits, first = model.card.limits, passed[0]
    if first.size.width > limits.width_max or first.size.height > limits.height_max:
        most = f"at most {limits.width_max}x{limits.height_max}"
        raise _mismatch(pipeline, components[0], next_one, "size", most, first.size)
    if first.frames > limits.frames_max and not are_joined(limits, first):
        most = f"at most {limits.frames_max} in one run"
        raise _mismatch(pipeline, components[0], next_one, "frames", most, first.frames)


def _check_sound(
    pipeline: str,
    components: Sequence[_Component],
    sounds: Sequence[_Component],
    makes: Mapping[str, Any],
) -> None:
    whole = _Component(name=f"the pipeline {pipeline}")
    if makes.get("sound", False) != bool(sounds):
        gives, takes = ("sound", "none") if sounds else ("none", "sound")
        raise _mismatch(pipeline, components[-1], whole, "sound", gives, takes)
    for each in sounds:
        channels = each.gives.get("channels", _SOUND_CHANNELS)
        if channels != _SOUND_CHANNELS:
            heard = f"{_SOUND_CHANNELS} at {AUDIO_HZ} Hz"
            raise _mismatch(pipeline, each, whole, "channels", channels, heard)


def _wanted(pipeline: str, makes: Mapping[str, Any]) -> Stretch:
    width, _, height = makes["size"].partition("x")
    try:
        fps = Fraction(str(makes["fps"]))
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if fps <= 0:
        raise _broken(pipeline, f"makes.fps: {makes['fps']!r} is no rate")
    frames = makes["frames"]
    return Stretch(
        size=Size(int(width), int(height)),
        fps=fps,
        first=0,
        frames=frames,
        extent_first=0,
        extent_end=frames,
        shot_frames=frames,
    )


def _said(stated: Mapping[str, Any], name: str, derived: Any) -> Any:
    if name not in stated:
        return derived
    return Fraction(str(stated[name])) if name == "fps" else stated[name]


def _resolved(settings: Mapping[str, Any], components: Sequence[_Component]) -> dict[str, Any]:
    """Return the settings with the very versions of their models: what the registry keeps."""
    tables: list[Json] = []
    for table, component in zip(settings["components"], components, strict=True):
        model = component.model
        tables.append(table if model is None else {**table, "model": model.card.ref})
    return {**settings, "components": tables}


def _mismatch(
    pipeline: str,
    before: _Component,
    after: _Component,
    field: str,
    gives: object,
    takes: object,
) -> ContractMismatch:
    return _broken(
        pipeline,
        f"{before.name} and {after.name} do not fit in {field}: {before.name} gives {gives}, and "
        f"{after.name} takes {takes}",
    )


def _broken(pipeline: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"put the pipeline {pipeline} together",
        found=found,
        remedy="Change one of its components, or what it is to make; see "
        "docs/how-to/run-a-registry.md.",
    )

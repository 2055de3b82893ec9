"""Effects as values: what a brief orders, what a plan holds, and which frames each step needs.

An effect works between a model's frames and the encoder. It may ask for smaller pictures than it
gives, for fewer frames, and for frames before and after those that it gives; `stretches` follows
these wishes from the film back to the model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from cinefab.core.brief import EffectOrder, Size
from cinefab.core.canonical import Json, Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectNeed:
    """What an effect asks of the frames that it is given, in whole numbers.

    They are `shrink` times smaller than those it gives, there are `thin` times fewer a second,
    and `before` and `after` of them are seen beside the one that lies at a frame's own time, as
    far as the shot has them. `cost_us_per_megapixel` is the device time of 10^6 pixels given.
    """

    shrink: int = 1
    thin: int = 1
    before: int = 0
    after: int = 0
    cost_us_per_megapixel: int = 0

    @property
    def looks_around(self) -> bool:
        """Whether a frame depends on where its shot begins and ends."""
        return self.before > 0 or self.after > 0 or self.thin > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEffect:
    """An effect on a shot, made exact: its version and everything that it is given.

    `settings` is JSON text, as `settings_text` spells it, without the files and references, which
    are pairs of a setting and a digest, and of a setting and a reference's name.
    """

    name: str
    version: str
    settings: str
    files: tuple[tuple[str, Sha256], ...]
    references: tuple[tuple[str, str], ...]
    need: EffectNeed

    @property
    def ref(self) -> str:
        """The exact thing that ran: `name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotSpan:
    """Where shot `index` lies in its film, in frames from the film's start, handles included.

    The shot is seen from `start` to `end`; under its transitions it reaches from `first` to `last`.
    """

    index: int
    start: int
    end: int
    first: int
    last: int
    fps: Fraction


ChainOf = Callable[[ShotSpan], tuple[PlannedEffect, ...]]
"""Tells a planner which effects lie on a shot, in the order in which they are applied."""


def no_effects(_span: ShotSpan) -> tuple[PlannedEffect, ...]:
    """Return nothing: the chain of films without effects."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Frames of one size and rate: `frames` from `first` on, counted from the shot's start.

    The shot has them from `extent_first` up to `extent_end`, its handles under transitions
    included, and is `shot_frames` long on the timeline.
    """

    size: Size
    fps: Fraction
    first: int
    frames: int
    extent_first: int
    extent_end: int
    shot_frames: int

    def __post_init__(self) -> None:
        assert self.frames > 0, "a stretch has frames"
        inside = self.extent_first <= self.first and self.first + self.frames <= self.extent_end
        assert inside, "a stretch lies within its shot"


def stretches(needs: Sequence[EffectNeed], wanted: Stretch) -> tuple[Stretch, ...]:
    """Return what the model makes, then what each effect gives; the last one is `wanted`."""
    found = [wanted]
    for need in reversed(needs):
        found.append(_asked_for(need, found[-1]))
    return tuple(reversed(found))


def asked_size(effects: Sequence[PlannedEffect], size: Size) -> Size:
    """Return the size of the pictures that a model makes for a film of `size`."""
    for effect in reversed(effects):
        size = Size(_smaller(size.width, effect.need), _smaller(size.height, effect.need))
    return size


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return the one spelling of an effect's settings; `ValueError` for numbers that are none."""
    return json.dumps(
        settings, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def with_files(order: EffectOrder, change: Callable[[str, str], str]) -> EffectOrder:
    """Return `order` with each file's place changed; `change` gets the setting and the place.

    Wherever an effect takes a file, its setting is written `{file: place}`.
    """
    settings: dict[str, Any] = json.loads(order.settings)
    changed = {
        name: {"file": change(name, value["file"])} if is_file(value) else value
        for name, value in settings.items()
    }
    return replace(order, settings=settings_text(changed))


def is_file(value: object) -> bool:
    """Say whether a setting is a file: an object of `file` alone."""
    return isinstance(value, dict) and list(value) == ["file"] and isinstance(value["file"], str)


def effect_document(effect: PlannedEffect) -> dict[str, Json]:
    """Return a planned effect as JSON values; `effect_from_document` undoes it exactly."""
    need = effect.need
    return {
        "name": effect.name,
        "version": effect.version,
        "settings": effect.settings,
        "files": [list(pair) for pair in effect.files],
        "references": [list(pair) for pair in effect.references],
        "need": {
            "shrink": need.shrink,
            "thin": need.thin,
            "before": need.before,
            "after": need.after,
            "cost_us_per_megapixel": need.cost_us_per_megapixel,
        },
    }


def effect_from_document(stored: Mapping[str, Any]) -> PlannedEffect:
    """Return the effect that `effect_document` wrote."""
    return PlannedEffect(
        name=stored["name"],
        version=stored["version"],
        settings=stored["settings"],
        files=tuple((setting, Sha256(digest)) for setting, digest in stored["files"]),
        references=tuple((setting, name) for setting, name in stored["references"]),
        need=EffectNeed(**stored["need"]),
    )


def _asked_for(need: EffectNeed, given: Stretch) -> Stretch:
    thin = need.thin
    extent_first = given.extent_first // thin
    extent_end = _up(given.extent_end - 1, thin) + 1
    first = max(extent_first, given.first // thin - need.before)
    end = min(extent_end, _up(given.first + given.frames - 1, thin) + 1 + need.after)
    return Stretch(
        size=Size(_smaller(given.size.width, need), _smaller(given.size.height, need)),
        fps=given.fps / thin,
        first=first,
        frames=end - first,
        extent_first=extent_first,
        extent_end=extent_end,
        shot_frames=_up(given.shot_frames, thin),
    )


def _smaller(side: int, need: EffectNeed) -> int:
    # Pictures have even sides; where the division leaves a rest, the smaller one is a bit larger.
    return side if need.shrink == 1 else _up(side, 2 * need.shrink) * 2


def _up(number: int, divisor: int) -> int:
    return -(-number // divisor)

"""Settings are held against an effect's own schema, and a row of effects is told apart in time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from cinefab.assemble.chain import Chain
from cinefab.assemble.effect import EffectCard, complete_settings
from cinefab.assemble.effects.overlay import CARD as OVERLAY
from cinefab.assemble.effects.sharpen import CARD as SHARPEN
from cinefab.core.brief import Size
from cinefab.core.clock import ManualClock
from cinefab.core.effect import Stretch
from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.media.frames import Frame

CLOCK = ManualClock()


def complete(card: EffectCard, settings: dict[str, Any]) -> dict[str, Any]:
    return complete_settings(
        card, json.dumps(settings), field="effects[2].x", known_references=["mark"]
    )


def test_what_is_left_out_has_the_schemas_default() -> None:
    assert complete(SHARPEN, {}) == {"amount": 0.5}
    assert complete(OVERLAY, {"logo": "mark", "width": 0.3}) == {
        "logo": "mark",
        "corner": "top-right",
        "width": 0.3,
        "opacity": 1,
        "plate": False,
    }


@pytest.mark.parametrize(
    ("card", "settings", "field", "found"),
    [
        (SHARPEN, {"amount": 4}, "effects[2].x.amount", "4 is greater than the maximum of 2"),
        (SHARPEN, {"amont": 1}, "effects[2].x.amont", "is no setting of sharpen"),
        (OVERLAY, {"logo": "mork"}, "effects[2].x.logo", "names 'mork', which is no reference"),
        (OVERLAY, {}, "effects[2].x", "'logo' is a required property"),
        (OVERLAY, {"logo": "mark", "corner": "left"}, "effects[2].x.corner", "'left' is not one"),
    ],
)
def test_what_the_schema_does_not_take_is_refused_by_its_path(
    card: EffectCard, settings: dict[str, Any], field: str, found: str
) -> None:
    with pytest.raises(BriefInvalid, match=found) as refusal:
        complete(card, settings)

    assert refusal.value.field == field


@pytest.mark.parametrize("schema", [{"type": 7}, {"$ref": "https://example.com/schema"}])
def test_a_schema_that_is_none_is_the_effects_fault(schema: dict[str, Any]) -> None:
    with pytest.raises(ContractMismatch, match=r"odd@1: its settings_schema cannot be used"):
        complete(EffectCard(name="odd", version="1", settings_schema=schema), {})


class Slow:
    """Takes a moment for each frame, by the clock of the test."""

    takes_us = 1000

    def apply(self, frames: Iterator[Frame], _work: Any, /) -> Iterator[Frame]:
        for frame in frames:
            CLOCK.sleep(self.takes_us / 1_000_000)
            yield frame


class Slower(Slow):
    takes_us = 7000


class Short(Slow):
    def apply(self, frames: Iterator[Frame], _work: Any, /) -> Iterator[Frame]:
        next(frames)
        yield from frames


def a_chain(*names: str) -> Chain:
    orders = [
        {"entry": f"{__name__}:{name}", "ref": f"{name}@1", "settings": "{}", "need": {}}
        | {"files": {}, "pictures": {}, "masks": {}}
        for name in names
    ]
    return Chain(orders, CLOCK)


WANTED = Stretch(
    size=Size(4, 4),
    fps=Fraction(24),
    first=0,
    frames=5,
    extent_first=0,
    extent_end=5,
    shot_frames=5,
)


def drawn() -> Iterator[Frame]:
    for _ in range(5):
        CLOCK.sleep(0.02)
        yield np.zeros((6, 4), np.uint8)


def test_each_effect_is_charged_its_own_time_and_not_that_of_those_before_it() -> None:
    chain = a_chain("Slow", "Slower")

    frames = list(chain.finish(drawn(), WANTED))

    assert len(frames) == 5
    assert chain.spent == [
        {"effect": "Slow@1", "device_us": 5 * 1000},
        {"effect": "Slower@1", "device_us": 5 * 7000},
    ]


def test_an_effect_that_loses_a_frame_is_named() -> None:
    with pytest.raises(ContractMismatch, match="effect Short@1: 4 frames where"):
        list(a_chain("Short").finish(drawn(), WANTED))

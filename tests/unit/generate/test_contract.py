"""Settings of a model's own, held against its card."""

from __future__ import annotations

from typing import Any

import pytest
from stepper import Stepper

from cinefab.core.errors import BriefInvalid
from cinefab.generate.contract import InputContract
from cinefab.generate.models.procedural import Procedural

GIVEN: dict[str, Any] = {"prompt": "A red room"}
CONTRACT = InputContract(Stepper("steps", {"colour": 1}, {}).card)


@pytest.mark.parametrize(
    ("settings", "own", "field"),
    [
        ({"steps": 20}, (), "model_settings.steps"),
        ({"steps": 0}, ("steps",), "shots[3].model_settings.steps"),
        ({"steps": 2, "speed": 2}, ("speed",), "shots[3].model_settings.speed"),
        ({"steps": 2, "speed": 2}, ("steps",), "model_settings.speed"),
        ({"steps": "two"}, (), "model_settings.steps"),
    ],
)
def test_what_a_model_does_not_take_is_refused_where_it_was_written(
    settings: dict[str, Any], own: tuple[str, ...], field: str
) -> None:
    with pytest.raises(BriefInvalid) as refused:
        CONTRACT.check(GIVEN | {"settings": settings}, index=3, shots_own=own)

    assert refused.value.field == field


def test_what_it_takes_passes_with_and_without_settings() -> None:
    CONTRACT.check(GIVEN, index=0)
    CONTRACT.check(GIVEN | {"settings": {"steps": 9}}, index=0)


def test_a_model_without_settings_takes_none() -> None:
    contract = InputContract(Procedural().card)

    with pytest.raises(BriefInvalid, match="no settings of its own") as refused:
        contract.check(GIVEN | {"settings": {"steps": 2}}, index=0)

    assert refused.value.field == "model_settings.steps"

"""Pipelines are held against the contracts of their parts when they are put together."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from cinefab.app.pipelines import put_together
from cinefab.core.errors import ContractMismatch
from cinefab.generate.backend import Limits
from cinefab.generate.models.procedural.card import CARD
from cinefab.jobs.workshop import Model

SMALL = replace(
    CARD,
    name="small",
    version="3",
    limits=Limits(width_max=960, height_max=540, frames_max=120),
)
TUNE = replace(CARD, name="tune", version="1", task="text-to-audio", capabilities=frozenset())
MODELS = {
    card.name: Model(card=card, entry="cinefab.nowhere:Model") for card in (SMALL, TUNE, CARD)
}
WHOLE: dict[str, Any] = {
    "components": [
        {"name": "motion", "model": "small"},
        {"name": "denoiser", "effect": "denoise"},
        {"name": "upsampler", "effect": "upsample", "settings": {"factor": 2}},
        {"name": "pace", "effect": "interpolate", "settings": {"factor": 2}},
        {"name": "music", "model": "tune"},
    ],
    "makes": {"size": "1920x1080", "fps": 24, "frames": 200, "sound": True},
}


def pipeline(**changes: Any) -> Model:
    """Put it together with changes, by the path of what is changed."""
    settings = deepcopy(WHOLE)
    for path, value in changes.items():
        at: Any = settings
        *steps, last = path.split("__")
        for step in steps:
            at = at[int(step)] if step.isdigit() else at[step]
        if value is None:
            del at[int(last)]
        elif isinstance(at, list):
            at[int(last)] = value
        else:
            at[last] = value
    return put_together("spot", settings, MODELS.get)


def test_parts_that_fit_are_one_model_with_a_version_of_its_own() -> None:
    made = pipeline()

    assert made.card.name == "spot"
    assert made.card.limits == SMALL.limits
    assert [order.name for order in made.chain] == ["denoise", "upsample", "interpolate"]
    assert [model.card.ref for model in made.components] == ["small@3", "tune@1"]
    assert made.made.settings is not None
    kept: Any = made.made.settings
    assert kept["components"][0]["model"] == "small@3"
    assert made.card.version == pipeline().card.version
    stronger = {"name": "denoiser", "effect": "denoise", "settings": {"strength": 1}}
    assert made.card.version != pipeline(components__1=stronger).card.version


@pytest.mark.parametrize(
    ("changes", "before", "after", "field"),
    [
        ({"makes__size": "1922x1080"}, "motion", "denoiser", "size"),
        ({"makes__frames": 300}, "motion", "denoiser", "frames"),
        ({"components__0__gives": {"fps": 24}}, "motion", "denoiser", "fps"),
        ({"components__0__gives": {"size": "640x360"}}, "motion", "denoiser", "size"),
        ({"components__2__takes": {"channels": 4}}, "denoiser", "upsampler", "channels"),
        ({"components__3__gives": {"fps": 30}}, "pace", "the pipeline spot", "fps"),
        ({"makes__sound": False}, "music", "the pipeline spot", "sound"),
        ({"components__4": None}, "pace", "the pipeline spot", "sound"),
        ({"components__4__gives": {"channels": 1}}, "music", "the pipeline spot", "channels"),
        (
            {"components__1": {"name": "again", "model": "procedural"}},
            "motion",
            "again",
            "pictures",
        ),
        ({"components__2": {"name": "early", "model": "tune"}}, "early", "pace", "pictures"),
    ],
)
def test_parts_that_do_not_fit_are_named_with_the_field(
    changes: dict[str, Any], before: str, after: str, field: str
) -> None:
    with pytest.raises(ContractMismatch) as refused:
        pipeline(**changes)

    assert refused.value.found.startswith(f"{before} and {after} do not fit in {field}: ")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {"components__0": {"name": "motion", "model": "none"}},
            "motion: there is no model 'none'",
        ),
        ({"components__1": {"name": "x", "effect": "none"}}, "x: there is no effect 'none'"),
        ({"components__1__settings": {"strenth": 1}}, "denoiser.strenth: is no setting"),
        ({"components__0": None}, "denoiser comes first"),
        ({"components__1__name": "motion"}, "two components are called motion"),
    ],
)
def test_what_is_not_there_is_said_by_the_component(changes: dict[str, Any], found: str) -> None:
    with pytest.raises(ContractMismatch) as refused:
        pipeline(**changes)

    assert found in refused.value.found

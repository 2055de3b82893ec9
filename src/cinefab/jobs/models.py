"""Which model makes which shot, and what a film of several of them is called by its origin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cinefab.core.errors import ContractMismatch
from cinefab.core.plan import Plan, PlannedShot
from cinefab.jobs.asked_models import find_model
from cinefab.jobs.pins import exact
from cinefab.jobs.stages import Order
from cinefab.jobs.workshop import Model, Workshop

_TRAINED: Final = "trainedAlgorithmicMedia"
_COMPOSITE: Final = "composite"
_WITH_TRAINED: Final = "compositeWithTrainedAlgorithmicMedia"


def model_of(shop: Workshop, order: Order, shot: PlannedShot) -> Model:
    """Return what makes a shot: the film's model, or the shot's own.

    Raises `ContractMismatch` if the shot's own is not what is installed here.
    """
    if shot.model is None:
        return find_model(shop, order.brief)
    model = exact(shop, shot.model)
    if model is not None:
        return model
    raise ContractMismatch(
        attempted=f"make shot {shot.index} as it was planned",
        found=f"{shot.model} is not installed here",
        remedy="Order it again: it is planned anew here; what was made is reused.",
    )


def source_type_of(shop: Workshop, order: Order, shots: Iterable[PlannedShot]) -> str:
    """Return the IPTC term for what is made of these shots: theirs, or that of a composite."""
    return together(model_of(shop, order, shot).card.digital_source_type for shot in shots)


def together(several: Iterable[str]) -> str:
    """Return the IPTC term for what is made of things of these kinds."""
    kinds = set(several)
    if len(kinds) == 1:
        return kinds.pop()
    return _WITH_TRAINED if _TRAINED in kinds else _COMPOSITE


def film_source_type(shop: Workshop, order: Order, plan: Plan) -> str:
    """Return the IPTC term for the whole film."""
    kinds = {model_of(shop, order, shot).card.digital_source_type for shot in plan.shots}
    if plan.sound is not None and (music := plan.sound.music) is not None and music.model:
        kinds.add(music_model(shop, music.model).card.digital_source_type)
    return together(kinds)


def music_model(shop: Workshop, ref: str) -> Model:
    """Return the model that makes a film's music; raise `ContractMismatch` if it is not installed."""
    model = exact(shop, ref)
    if model is not None:
        return model
    raise ContractMismatch(
        attempted="make the film's music as it was planned",
        found=f"{ref} is not installed here",
        remedy="Order it again: it is planned anew here; what was made is reused.",
    )

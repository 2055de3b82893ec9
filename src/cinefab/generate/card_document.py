"""A model's card as JSON values and back, for the registry and for whoever reads it there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from cinefab.core.canonical import Sha256, sha256_of
from cinefab.generate.backend import DeviceNeed, Limits, ModelCard, TrainingSet


def card_document(card: ModelCard) -> dict[str, Any]:
    """Return a card as JSON values; `card_from_document` undoes it exactly."""
    return {each.name: _plain(getattr(card, each.name)) for each in fields(card)}


def card_from_document(stored: Mapping[str, Any]) -> ModelCard:
    """Return the card that `card_document` wrote; what it did not know of yet has its default."""
    known = {each.name for each in fields(ModelCard)}
    plain = {name: value for name, value in stored.items() if name in known}
    return ModelCard(
        **plain
        | {
            "limits": Limits(**stored["limits"]),
            "capabilities": frozenset(stored["capabilities"]),
            "devices": tuple(DeviceNeed(**each) for each in stored["devices"]),
            "training_sets": tuple(TrainingSet(**each) for each in stored["training_sets"]),
        }
    )


def card_text(card: ModelCard) -> str:
    """Return the one spelling of a card; its schemas may hold broken numbers."""
    return json.dumps(card_document(card), ensure_ascii=False, sort_keys=True)


def card_digest(card: ModelCard) -> Sha256:
    """Return the digest of a card: a model that says otherwise of itself is told by it."""
    return sha256_of(card_text(card).encode())


def _plain(value: Any) -> Any:
    # Schemas may be read-only views and tuples; what is stored is what JSON has.
    if isinstance(value, DeviceNeed | Limits | TrainingSet):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(_plain(each) for each in value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value

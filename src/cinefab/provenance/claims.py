"""What a film's content credentials claim, as values, and as the definition that c2pa signs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from cinefab.core.canonical import Sha256
from cinefab.core.clock import iso_utc
from cinefab.core.errors import ContractMismatch
from cinefab.core.ids import JobId
from cinefab.core.stage import Relation

JOB_ASSERTION: Final = "cinefab.job"

_SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_MINING_ASSERTION: Final = "cawg.training-mining"
_MINING_USES: Final = (
    "cawg.ai_generative_training",
    "cawg.ai_inference",
    "cawg.ai_training",
    "cawg.data_mining",
)
_CREATED: Final = "c2pa.created"
_PLACED: Final = "c2pa.placed"


class Mining(StrEnum):
    """What the film says about training on it and mining it."""

    UNSTATED = "unstated"
    NOT_ALLOWED = "notAllowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """The name and version of a program or model."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """Something the film was made from; `path` holds its original bytes, as they came.

    `name` is how actions refer to it and is not shown. What is seen or heard in the film is
    `COMPONENT_OF`; what only steered a model is `INPUT_TO`.
    """

    name: str
    title: str
    media_type: str
    path: Path
    sha256: Sha256
    relation: Relation = Relation.COMPONENT_OF


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that was done, in C2PA's words (`c2pa.edited`), and to which ingredients."""

    action: str
    ingredients: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmClaims:
    """What a film's credentials say of it.

    `made_by` is the model that made the pixels and `agent` the program that signs.
    `digital_source_type` is the last part of an IPTC term, such as `algorithmicMedia`. `actions`
    follow the creation, which is always first, and the placing of those components that no action
    names. `created_us` counts UTC microseconds.
    """

    title: str
    made_by: Software
    digital_source_type: str
    agent: Software
    job: JobId
    created_us: int
    brief_digest: Sha256
    seed: int
    prompt_digest: Sha256 | None = None
    actions: tuple[Action, ...] = ()
    ingredients: tuple[Ingredient, ...] = ()
    mining: Mining = Mining.UNSTATED
    media_type: str = "video/mp4"


def build_definition(claims: FilmClaims, *, unreadable: Collection[str]) -> dict[str, Any]:
    """Return c2pa's definition of the film's manifest.

    `unreadable` names the ingredients whose format c2pa cannot read: they go in by digest. The
    others are left to be added with their bytes, under their `name`. Raises `ContractMismatch`
    for claims that no verifier would accept.
    """
    _check(claims)
    assertions: list[dict[str, Any]] = [
        {"label": "c2pa.actions.v2", "data": {"actions": _actions(claims)}},
        {"label": JOB_ASSERTION, "data": _job(claims)},
    ]
    if claims.mining is Mining.NOT_ALLOWED:
        entries = {use: {"use": claims.mining.value} for use in _MINING_USES}
        assertions.append({"label": _MINING_ASSERTION, "data": {"entries": entries}})
    return {
        "title": claims.title,
        "format": claims.media_type,
        "claim_generator_info": [{"name": claims.agent.name, "version": claims.agent.version}],
        # Without the flag the statements would count as gathered from somebody else.
        "assertions": [{**entry, "created": True} for entry in assertions],
        "ingredients": [
            {
                **ingredient_definition(ingredient),
                "format": ingredient.media_type,
                "instance_id": f"sha256:{ingredient.sha256}",
                "description": f"Recorded by its SHA-256 digest: {ingredient.sha256}",
            }
            for ingredient in claims.ingredients
            if ingredient.name in unreadable
        ],
    }


def ingredient_definition(ingredient: Ingredient) -> dict[str, Any]:
    """Return c2pa's definition of an ingredient."""
    return {
        "title": ingredient.title,
        "relationship": ingredient.relation.value,
        "label": ingredient.name,
    }


def _actions(claims: FilmClaims) -> list[dict[str, Any]]:
    inputs = [i.name for i in claims.ingredients if i.relation is Relation.INPUT_TO]
    created = {
        "action": _CREATED,
        "when": iso_utc(claims.created_us),
        "digitalSourceType": _SOURCE_TYPES + claims.digital_source_type,
        "softwareAgent": {"name": claims.made_by.name, "version": claims.made_by.version},
        **_parameters(inputs),
    }
    named = {name for action in claims.actions for name in action.ingredients}
    placed = [
        ingredient.name
        for ingredient in claims.ingredients
        if ingredient.relation is Relation.COMPONENT_OF and ingredient.name not in named
    ]
    actions = [created]
    if placed:
        actions.append({"action": _PLACED, **_parameters(placed)})
    for action in claims.actions:
        described = {"description": action.description} if action.description else {}
        actions.append({"action": action.action, **described, **_parameters(action.ingredients)})
    return actions


def _parameters(ingredients: Collection[str]) -> dict[str, Any]:
    return {"parameters": {"ingredientIds": list(ingredients)}} if ingredients else {}


def _job(claims: FilmClaims) -> dict[str, Any]:
    return {
        "job": claims.job,
        "brief_sha256": claims.brief_digest,
        "model": f"{claims.made_by.name}@{claims.made_by.version}",
        "seed": claims.seed,
        **({"prompt_sha256": claims.prompt_digest} if claims.prompt_digest else {}),
        "sources": [
            {"title": i.title, "media_type": i.media_type, "sha256": i.sha256}
            for i in claims.ingredients
        ],
    }


def _check(claims: FilmClaims) -> None:
    names = [ingredient.name for ingredient in claims.ingredients]
    unknown = {name for action in claims.actions for name in action.ingredients} - set(names)
    if len(set(names)) != len(names):
        found = f"ingredients that share a name: {sorted(names)}"
    elif unknown:
        found = f"actions on ingredients that are not listed: {sorted(unknown)}"
    elif any(i.relation is Relation.PARENT_OF for i in claims.ingredients):
        found = "an ingredient that is the film's parent, though the film is claimed as created"
    elif any(action.action in {_CREATED, "c2pa.opened"} for action in claims.actions):
        found = "a second creation or opening among the actions"
    else:
        return
    raise ContractMismatch(
        attempted=f"state the credentials of {claims.title!r}",
        found=found,
        remedy="Give each ingredient a name of its own, and only components and inputs.",
    )

"""What a model is given, held against what its card says it takes."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from jsonschema import SchemaError
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, validator_for

from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.generate.backend import ModelCard

# Where a part of the input comes from in the brief; what is not here stands in the shot.
_FROM_BRAND: Final = {"colours": "brand.colours", "logo": "brand.logo"}

# Every shot has the same fields of the same types, so these can only be the card's fault.
_SHAPE: Final = frozenset({"type", "required", "additionalProperties", "unevaluatedProperties"})


class InputContract:
    """What one model takes, ready to hold many shots against."""

    def __init__(self, card: ModelCard) -> None:
        """Read the card's schema; raise `ContractMismatch` where it is none."""
        self._card = card
        self._validator = _validator(card)

    def check(
        self, given: Mapping[str, Any], *, index: int, shots_own: Collection[str] = ()
    ) -> None:
        """Hold the input of shot `index` against the schema.

        `shots_own` are the model's settings that stand in the shot, not with the film.

        Raises `BriefInvalid`, with the path in the brief, where the shot asks for what the model
        does not take, and `ContractMismatch` where no shot could ever fit.
        """
        if given.get("settings") and "settings" not in self._card.input_schema.get(
            "properties", {}
        ):
            raise self._refused(
                _setting([], shots_own or given["settings"], index=index, shots_own=shots_own),
                "it has no settings of its own",
            )
        first = min(self._validator.iter_errors(dict(given)), key=_order, default=None)
        if first is None:
            return
        place = list(first.absolute_path)
        if place[:1] == ["settings"]:
            named = place[1:] or _unknown_names(first)
            found = _setting(place[1:], named, index=index, shots_own=shots_own)
            raise self._refused(found, first.message[:200])
        if first.validator in _SHAPE:
            raise ContractMismatch(
                attempted=f"hold a shot against the contract of {self._card.ref}",
                found=f"its input_schema refuses what every model is given: {first.message[:200]}",
                remedy="Mend the schema in the model's card, or use another model.",
            )
        raise self._refused(_field(place, index), first.message[:200])

    def _refused(self, field: str, why: str) -> BriefInvalid:
        return BriefInvalid(
            attempted="plan the film",
            field=field,
            found=f"{self._card.ref} does not take this: {why}",
            remedy="Change the field, or choose another model.",
        )


def _validator(card: ModelCard) -> Validator:
    schema = dict(card.input_schema)
    kind = validator_for(schema, default=Draft202012Validator)
    found = _wrong_in(json.dumps(schema, sort_keys=True, default=str))
    if found is not None:
        raise _no_schema(card, found)
    # A reference to elsewhere would be fetched over the network, in the middle of a pure function.
    for target in _references(schema):
        if not target.startswith("#"):
            raise _no_schema(card, f"it refers to {target[:100]}, outside of itself")
    return kind(schema)


@functools.lru_cache(maxsize=64)
def _wrong_in(schema_json: str) -> str | None:
    """Say why this is no JSON Schema, or None; kept, as each film is planned twice."""
    schema = json.loads(schema_json)
    try:
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        return error.message[:200]
    return None


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for name, value in schema.items():
            if name in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(schema, list | tuple):
        for item in schema:
            yield from _references(item)


def _no_schema(card: ModelCard, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"read the contract of {card.ref}",
        found=f"its input_schema cannot be used: {found}",
        remedy="Write a JSON Schema (2020-12) that stands on its own.",
    )


def _order(error: ValidationError) -> tuple[list[str], str]:
    return [str(step) for step in error.absolute_path], str(error.validator)


def _unknown_names(error: ValidationError) -> list[str | int]:
    """Return the first name that a closed object does not have, if that is what is wrong."""
    if error.validator != "additionalProperties":
        return []
    schema, given = error.schema, error.instance
    known = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
    return [name for name in given if name not in known][:1] if isinstance(given, Mapping) else []


def _setting(
    path: Sequence[str | int],
    names: Iterable[str | int],
    *,
    index: int,
    shots_own: Collection[str],
) -> str:
    """Return where a model's setting stands in the brief: in the shot, or with the film."""
    name = next(iter(path or names), None)
    rest = path or ([] if name is None else [name])
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest)
    return (f"shots[{index}]." if name in shots_own else "") + "model_settings" + steps


def _field(path: list[str | int], index: int) -> str:
    if not path:
        return f"shots[{index}]"
    first, *rest = path
    field = _FROM_BRAND.get(str(first), f"shots[{index}].{first}")
    return field + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest)

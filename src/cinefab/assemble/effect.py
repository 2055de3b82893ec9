"""The contract that every effect keeps, ours and a stranger's.

An effect is found through the entry-point group `cinefab.effects`; the entry point names a class
that is called without arguments. It works between a model's frames and the encoder, in the
process that makes the takes. Importing it is cheap: what is heavy loads when frames come.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from jsonschema import SchemaError
from jsonschema.validators import Draft202012Validator

from cinefab.core.effect import EffectNeed, ShotSpan, Stretch
from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.media.frames import Frame

REFERENCE: Final = "reference"
"""A setting of `"type": "string"` with this as its `format` names a reference of the brief."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectCard:
    """What an effect says of itself; `settings_schema` is a JSON Schema (2020-12) of its settings.

    Settings have defaults where the schema gives some at its top level. A file is an object of
    `file` alone, a reference a string whose `format` is `reference`; both stand at the top level.
    `neutral` are settings with which frames pass through unchanged, None where there are none.
    """

    name: str
    version: str
    settings_schema: Mapping[str, Any]
    neutral: Mapping[str, Any] | None = None

    @property
    def ref(self) -> str:
        """The exact thing that runs: `name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectWork:
    """What an effect is to do: which frames come, which are wanted, and everything it is given.

    `files` maps a setting to the file's path, `pictures` a setting to the path of the reference's
    normalised RGB PNG, `masks` to its grey mask PNG where it has one.
    """

    settings: Mapping[str, Any]
    comes: Stretch
    wanted: Stretch
    files: Mapping[str, Path]
    pictures: Mapping[str, Path]
    masks: Mapping[str, Path]


class Effect(Protocol):
    """Changes frames; one instance serves one process, one run at a time.

    An effect may also have `check(settings, files)`, which raises `BriefInvalid` for files that
    it cannot use, with the setting as the field, and `local(settings, span)`, which returns the
    settings as they concern one shot, or None where that shot is left alone: what the result
    leaves out is in no key, so that a change elsewhere in the film makes nothing again.
    """

    @property
    def card(self) -> EffectCard:
        """What this effect says of itself; cheap, and the same at every call."""
        ...

    def need(self, settings: Mapping[str, Any], /) -> EffectNeed:
        """Return what it asks of the frames that it is given."""
        ...

    def apply(self, frames: Iterator[Frame], work: EffectWork, /) -> Iterator[Frame]:
        """Yield exactly the wanted frames, in order, reading `frames` once and as it goes.

        A frame depends on the settings, its own number, and the frames within the need around its
        own time, and on nothing else: a shot that is made in parts has the frames of one made in
        one. Frames that come may be views of a buffer that is used again: what is kept is copied.
        The same work gives the same bytes on the same machine.
        """
        ...


@runtime_checkable
class ChecksFiles(Protocol):
    """An effect that looks at its files before there is a job."""

    def check(self, settings: Mapping[str, Any], files: Mapping[str, Path], /) -> None:
        """Raise `BriefInvalid`, the setting being the field, for a file that cannot be used."""
        ...


@runtime_checkable
class KnowsPlace(Protocol):
    """An effect whose settings speak of the whole film's time."""

    def local(self, settings: Mapping[str, Any], span: ShotSpan, /) -> Mapping[str, Any] | None:
        """Return the settings that concern one shot, None where none do."""
        ...


def around(
    frames: Iterator[Frame], work: EffectWork, *, before: int, after: int
) -> Iterator[tuple[Sequence[Frame], int]]:
    """Yield, for each wanted frame, its neighbours and its own place among them.

    For effects that neither thin nor shrink time. At the ends of the shot there are fewer
    neighbours. No more than `before + after + 1` frames are held, each of them a copy.
    """
    comes, wanted = work.comes, work.wanted
    held: deque[Frame] = deque()
    first = upto = comes.first
    for own in range(wanted.first, wanted.first + wanted.frames):
        low = max(comes.extent_first, own - before)
        high = min(comes.extent_end, own + after + 1)
        while upto < high:
            held.append(next(frames).copy())
            upto += 1
        while first < low:
            held.popleft()
            first += 1
        yield tuple(held), own - low


def complete_settings(
    card: EffectCard, text: str, *, field: str, known_references: Sequence[str]
) -> dict[str, Any]:
    """Return settings that were written as JSON text, checked, with the schema's defaults.

    Raises `BriefInvalid` with the path below `field`, and `ContractMismatch` where the card's
    schema is none.
    """
    settings: dict[str, Any] = json.loads(text)
    properties: Mapping[str, Any] = card.settings_schema.get("properties", {})
    for name in settings:
        if properties and name not in properties:
            near = get_close_matches(name, properties, n=1)
            hint = f"Did you mean '{near[0]}'? " if near else ""
            raise _invalid(
                f"{field}.{name}",
                f"is no setting of {card.name}",
                f"{hint}Its settings are: {', '.join(properties)}.",
            )
    errors = sorted(_validator(card).iter_errors(settings), key=lambda each: str(each.json_path))
    if errors:
        first = errors[0]
        path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first.absolute_path)
        raise _invalid(f"{field}{path}", first.message[:200], _remedy(first.schema, card))
    for name in reference_settings(card):
        wanted = settings.get(name)
        if wanted is not None and wanted not in known_references:
            known = ", ".join(sorted(known_references)) or "none"
            raise _invalid(
                f"{field}.{name}",
                f"names '{wanted}', which is no reference",
                f"There are: {known}.",
            )
    defaults = {name: each["default"] for name, each in properties.items() if "default" in each}
    return {**defaults, **settings}


def reference_settings(card: EffectCard) -> tuple[str, ...]:
    """Return the names of the settings that name references."""
    properties: Mapping[str, Any] = card.settings_schema.get("properties", {})
    return tuple(name for name, each in properties.items() if each.get("format") == REFERENCE)


def _invalid(field: str, found: str, remedy: str) -> BriefInvalid:
    return BriefInvalid(attempted="read the effects", field=field, found=found, remedy=remedy)


def _remedy(schema: Any, card: EffectCard) -> str:
    described = schema.get("description") if isinstance(schema, Mapping) else None
    return f"{described}." if described else f"See the settings of {card.ref}."


def _validator(card: EffectCard) -> Draft202012Validator:
    schema = dict(card.settings_schema)
    # What it refers to would be fetched over the network, in the middle of a pure function.
    if '"$ref"' in (text := json.dumps(schema)) or '"$dynamicRef"' in text:
        raise _no_schema(card, "it refers to other schemas")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise _no_schema(card, error.message[:200]) from error
    return Draft202012Validator(schema)


def _no_schema(card: EffectCard, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"read the contract of the effect {card.ref}",
        found=f"its settings_schema cannot be used: {found}",
        remedy="Write a JSON Schema (2020-12) that stands on its own.",
    )

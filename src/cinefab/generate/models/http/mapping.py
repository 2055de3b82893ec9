"""How a service is asked, as a file says it: paths, a body with holes, and where answers have what.

A hole is `{name}` in a text. A text that is one hole and nothing else becomes the value itself, a
number for instance, and is left out where there is none.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from jsonschema.validators import Draft202012Validator

from cinefab.core.errors import ContractMismatch

_HOLE: Final = re.compile(r"\{([a-z_]+)\}")
_NOTHING: Final = object()
_TEXT: Final = {"type": "string", "minLength": 1}
_PATH: Final = {"type": "string", "pattern": "^/"}
_WORDS: Final = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_PICKS: Final = {"anyOf": [_TEXT, _WORDS]}
_METHOD: Final = {"enum": ["GET", "POST", "PUT", "DELETE", "PATCH"]}

MAPPING_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["supplier", "base_url", "submit", "poll", "result"],
    "properties": {
        "supplier": _TEXT,
        "base_url": {"type": "string", "pattern": "^https?://"},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "submit": {
            "type": "object",
            "additionalProperties": False,
            "required": ["path", "body", "id"],
            "properties": {
                "method": _METHOD,
                "path": _PATH,
                "body": {"type": "object"},
                "id": _PICKS,
            },
        },
        "poll": {
            "type": "object",
            "additionalProperties": False,
            "required": ["path", "status", "waiting", "done", "failed"],
            "properties": {
                "path": _PATH,
                "status": _PICKS,
                "waiting": _WORDS,
                "done": _WORDS,
                "failed": _WORDS,
                "progress": _PICKS,
                "error": _PICKS,
            },
        },
        "result": {
            "type": "object",
            "additionalProperties": False,
            "required": ["url"],
            "properties": {"path": _PATH, "url": _PICKS},
        },
        "cancel": {
            "type": "object",
            "additionalProperties": False,
            "required": ["method", "path"],
            "properties": {"method": _METHOD, "path": _PATH},
        },
        "cost": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "dollars": _PICKS,
                "header": _TEXT,
                "units_header": _TEXT,
                "unit_uusd": {"type": "integer", "minimum": 1},
            },
        },
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A service's mapping, read and checked."""

    document: Mapping[str, Any]

    @property
    def supplier(self) -> str:
        """Who asks for money."""
        return str(self.document["supplier"])

    def text(self, section: str, name: str, values: Mapping[str, Any]) -> str:
        """Return a path with its holes filled."""
        return _filled_text(self.document[section][name], values)

    def body(self, values: Mapping[str, Any]) -> Any:
        """Return what is submitted, with its holes filled and without what has no value."""
        return _filled(self.document["submit"]["body"], values)

    def headers(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return the headers of every request."""
        return {n: _filled_text(v, values) for n, v in self.document.get("headers", {}).items()}

    def pick(self, section: str, name: str, answer: object) -> Any:
        """Return what stands at the first of the places that the answer has, or None."""
        places = self.document.get(section, {}).get(name, ())
        for place in [places] if isinstance(places, str) else places:
            found = _at(answer, place)
            if found is not None and not isinstance(found, Mapping | list):
                return found
        return None

    def holes(self) -> frozenset[str]:
        """Return the names of the body's holes."""
        return frozenset(_HOLE.findall(repr(self.document["submit"]["body"])))


def read_mapping(named: str, *, model: str) -> Mapped:
    """Return one of the mappings that come along, by its name, or the one in a TOML file.

    Raises `ContractMismatch` for what cannot be read or is no mapping.
    """
    try:
        if re.fullmatch(r"[a-z0-9-]+", named):
            text = (resources.files(__package__) / "mappings" / f"{named}.toml").read_text("utf-8")
        else:
            text = Path(named).expanduser().read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _unreadable(model, named, str(error)) from error
    errors = Draft202012Validator(dict(MAPPING_SCHEMA)).iter_errors(document)
    first = min(errors, key=lambda each: [str(step) for step in each.absolute_path], default=None)
    if first is not None:
        place = ".".join(str(step) for step in first.absolute_path) or "the file"
        raise _unreadable(model, named, f"{place}: {first.message[:200]}")
    return Mapped(document=document)


def _filled(what: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(what, Mapping):
        filled = {name: _filled(value, values) for name, value in what.items()}
        return {name: value for name, value in filled.items() if value is not _NOTHING}
    if isinstance(what, Sequence) and not isinstance(what, str):
        return [each for each in (_filled(item, values) for item in what) if each is not _NOTHING]
    if not isinstance(what, str):
        return what
    whole = _HOLE.fullmatch(what)
    if whole is not None:
        value = values.get(whole[1])
        return _NOTHING if value is None else value
    return _filled_text(what, values)


def _filled_text(text: str, values: Mapping[str, Any]) -> str:
    return _HOLE.sub(lambda hole: str(values.get(hole[1], "")), text)


def _at(answer: object, place: str) -> Any:
    at: Any = answer
    for step in place.split("."):
        if isinstance(at, Mapping):
            at = at.get(step)
        elif isinstance(at, list) and step.isdecimal():
            at = at[int(step)] if int(step) < len(at) else None
        else:
            return None
    return at


def _unreadable(model: str, named: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"read the mapping of the model {model!r}",
        found=f"{named}: {found}",
        remedy="Name one that comes along (fal, replicate, runway), or a TOML file like theirs.",
    )

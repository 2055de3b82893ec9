"""What one shot asks of this model: the parsed `TakeRequest.input`, and its JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cinefab.core.brief import Camera, Role
from cinefab.core.canonical import Json
from cinefab.core.errors import BriefInvalid
from cinefab.generate.backend import TakeRequest
from cinefab.generate.models.procedural.palette import Colour, parse_colour

_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")

INPUT_SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "One shot for the procedural model",
    "type": "object",
    "properties": {
        "prompt": {"type": "string"},
        "caption": {"type": "string", "maxLength": 200},
        "camera": {"enum": [camera.value for camera in Camera if camera is not Camera.AUTO]},
        "index": {"type": "integer", "minimum": 0},
        "references": {"type": "array", "items": {"type": "string"}},
        "roles": {
            "type": "object",
            "additionalProperties": {"enum": [role.value for role in Role]},
        },
        "colours": {
            "type": "array",
            "items": {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"},
        },
        "logo": {"type": ["string", "null"]},
    },
    "required": ["caption", "camera", "index"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotInput:
    """One shot's wishes; `product` and `background` are names of references, or None."""

    caption: str
    camera: Camera
    index: int
    product: str | None
    background: str | None
    logo: str | None
    colours: tuple[Colour, ...]


def read_shot(request: TakeRequest) -> ShotInput:
    """Parse the request's input; raise `BriefInvalid` naming the field that does not fit."""
    given = request.input
    if not isinstance(given, Mapping):
        raise _invalid("input", "is not an object", "Give an object as the card's schema says")
    references = _names(given.get("references", []))
    roles = given.get("roles") or {}
    if not isinstance(roles, Mapping):
        raise _invalid("roles", "is not an object", "Give a role for each reference's name")
    logo = given.get("logo")
    shown = [name for name in references if roles.get(name) != Role.LOGO and name != logo]
    for name in [*shown, *([logo] if isinstance(logo, str) else [])]:
        if name not in request.references:
            raise _invalid(
                f"references[{name}]", "no picture is given for it", "Hand its picture over"
            )
    backgrounds = [name for name in shown if roles.get(name) == Role.BACKGROUND]
    products = [name for name in shown if name not in backgrounds]
    products.sort(key=lambda name: roles.get(name) != Role.PRODUCT)  # stable: the order holds
    return ShotInput(
        caption=" ".join(_text(given.get("caption", ""), "caption").split()),
        camera=_camera(given.get("camera", Camera.DRIFT.value)),
        index=_index(given.get("index", 0)),
        product=products[0] if products else None,
        background=backgrounds[0] if backgrounds else None,
        logo=logo if isinstance(logo, str) else None,
        colours=tuple(_colours(given.get("colours", []))),
    )


def _names(value: Json) -> list[str]:
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise _invalid("references", "is not a list", "List the references' names in order")
    return [_text(name, "references") for name in value]


def _text(value: Json, field: str) -> str:
    if not isinstance(value, str):
        raise _invalid(field, f"{value!r} is not text", "Write it as text")
    return value


def _camera(value: Json) -> Camera:
    try:
        camera = Camera(_text(value, "camera"))
    except ValueError:
        camera = Camera.AUTO
    if camera is Camera.AUTO:
        known = ", ".join(INPUT_SCHEMA["properties"]["camera"]["enum"])
        raise _invalid("camera", f"{value!r} is no camera move", f"Choose one of {known}")
    return camera


def _index(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _invalid("index", f"{value!r} is no place", "Count the film's shots from 0")
    return value


def _colours(value: Json) -> list[Colour]:
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise _invalid("colours", "is not a list", "List colours as #rrggbb")
    for text in value:
        if not isinstance(text, str) or len(text) != 7 or not _HEX_DIGITS.issuperset(text[1:]):
            raise _invalid("colours", f"{text!r} is no colour", "Write colours as #rrggbb")
    return [parse_colour(str(text)) for text in value]


def _invalid(field: str, found: str, remedy: str) -> BriefInvalid:
    return BriefInvalid(attempted="draw a shot", field=field, found=found, remedy=remedy)

"""Colour grading: a colour decision list, a `.cube` table, or both, in that order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cinefab.assemble.effect import EffectCard, EffectWork
from cinefab.core.effect import EffectNeed
from cinefab.media.frames import Frame
from cinefab.media.lut import load_table

_THREE: Final = {"type": "array", "minItems": 3, "maxItems": 3}

CARD: Final = EffectCard(
    name="grade",
    version="1",
    settings_schema={
        "title": "Grade",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "slope": {
                **_THREE,
                "items": {"type": "number", "minimum": 0, "maximum": 10},
                "default": [1, 1, 1],
                "description": "Write red, green and blue, each from 0 to 10; 1 changes nothing",
            },
            "offset": {
                **_THREE,
                "items": {"type": "number", "minimum": -1, "maximum": 1},
                "default": [0, 0, 0],
                "description": "Write red, green and blue, each from -1 to 1; 0 changes nothing",
            },
            "power": {
                **_THREE,
                "items": {"type": "number", "minimum": 0.1, "maximum": 10},
                "default": [1, 1, 1],
                "description": "Write red, green and blue, each from 0.1 to 10; 1 changes nothing",
            },
            "saturation": {
                "type": "number",
                "minimum": 0,
                "maximum": 4,
                "default": 1,
                "description": "Write a number from 0, grey, to 4; 1 changes nothing",
            },
            "lut": {
                "type": "object",
                "additionalProperties": False,
                "required": ["file"],
                "properties": {"file": {"type": "string", "minLength": 1}},
                "description": "Write {file: name.cube}",
            },
        },
    },
    neutral={},
)


class Grade:
    """An ASC colour decision list (slope, offset, power, saturation), then a `.cube` table.

    Both work in float on the picture's BT.709 signal from 0 to 1. Saturation weighs the channels
    as Rec. 709 does; a cube is read between its samples by tetrahedra, which keep greys grey.
    """

    @property
    def card(self) -> EffectCard:
        """What this effect says of itself."""
        return CARD

    def need(self, settings: Mapping[str, Any], /) -> EffectNeed:
        """Return what it asks of its frames: nothing but themselves."""
        return EffectNeed(cost_us_per_megapixel=55_000 if settings.get("lut") else 18_000)

    def check(self, settings: Mapping[str, Any], files: Mapping[str, Path], /) -> None:
        """Raise `BriefInvalid` for a table that cannot be read, with the line."""
        for name, path in files.items():
            load_table(path, field=name)

    def apply(self, frames: Iterator[Frame], work: EffectWork, /) -> Iterator[Frame]:
        """Yield every frame graded; as they are where nothing would change."""
        table = load_table(work.files["lut"], field="lut") if "lut" in work.files else None
        if table is None and _is_neutral(work.settings):
            yield from frames
            return
        from cinefab.assemble.effects.grading import Grader

        grader = Grader(**_decision(work.settings), table=table)
        for frame in frames:
            yield grader.graded(frame)


def _decision(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "slope": settings.get("slope", [1, 1, 1]),
        "offset": settings.get("offset", [0, 0, 0]),
        "power": settings.get("power", [1, 1, 1]),
        "saturation": settings.get("saturation", 1),
    }


def _is_neutral(settings: Mapping[str, Any]) -> bool:
    neutral = {"slope": [1, 1, 1], "offset": [0, 0, 0], "power": [1, 1, 1], "saturation": 1}
    return _decision(settings) == neutral

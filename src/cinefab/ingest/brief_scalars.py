"""The scalars of a brief: lengths, rates, dollars, colours, names, exact and in whole units.

Numbers with a point arrive as `Decimal` and leave as integers or fractions; none is a float.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    StringConstraints,
    WithJsonSchema,
)

from cinefab.core.brief import SPEECH, STILLS, EffectOrder
from cinefab.core.effect import is_file, settings_text
from cinefab.core.units import US_PER_S, UUSD_PER_USD
from cinefab.ingest.brief_text import describe

SIDE_MIN: Final = 64
SIDE_MAX: Final = 1920
FORMATS: Final = ("mp4", "hls", "dash", *STILLS, *SPEECH)
CAPTION_FORMATS: Final = ("vtt", "srt")

_NTSC: Final = {
    Decimal("23.976"): Fraction(24000, 1001),
    Decimal("29.97"): Fraction(30000, 1001),
    Decimal("47.952"): Fraction(48000, 1001),
    Decimal("59.94"): Fraction(60000, 1001),
}
_FPS_MIN, _FPS_MAX = 1, 60
_UNIT_US: Final = {
    "s": US_PER_S,
    "m": 60 * US_PER_S,
    "h": 3600 * US_PER_S,
    "d": 86_400 * US_PER_S,
}


class FieldRefused(ValueError):
    """A field that this module's own rules refuse: what was found, and what to write."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.found = found
        self.remedy = remedy


def _number(value: object, example: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise FieldRefused(f"found {describe(value)}", f"Write a number, such as {example}.")
    return Decimal(value)


def _plain(number: Decimal) -> str:
    """Return `number` without an exponent, unless that would fill the screen."""
    return f"{number:f}" if abs(number.adjusted()) < 20 else str(number)


def _milliseconds(least: str, most: str) -> BeforeValidator:
    def parse(value: object) -> int:
        seconds = _number(value, "2.5")
        if not Decimal(least) <= seconds <= Decimal(most):
            raise FieldRefused(
                f"found {_plain(seconds)} seconds", f"Write between {least} and {most} seconds."
            )
        if seconds * 1000 % 1:
            raise FieldRefused(f"found {_plain(seconds)} seconds", "Write at most three decimals.")
        return int(seconds * 1000)

    return BeforeValidator(parse)


def _fps(value: object) -> Fraction:
    remedy = f"Write between {_FPS_MIN} and {_FPS_MAX}: 24, 25, 29.97 or '30000/1001'."
    text = value if isinstance(value, str) else f"{_number(value, '24')}"
    if not re.fullmatch(r"[0-9]{1,5}/[1-9][0-9]{0,3}|[0-9]{1,3}(\.[0-9]{1,3})?", text):
        raise FieldRefused(f"found {describe(value)}", remedy)
    rate = Fraction(text) if "/" in text else _NTSC.get(Decimal(text).normalize(), Fraction(text))
    if not _FPS_MIN <= rate <= _FPS_MAX:
        raise FieldRefused(f"found {describe(value)}", remedy)
    return rate


def _speed(value: object) -> Fraction:
    speed = _number(value, "2")
    if not Decimal("0.1") <= speed <= 10:
        raise FieldRefused(f"found {_plain(speed)}", "Write between 0.1 and 10.")
    if speed * 1000 % 1:
        raise FieldRefused(f"found {_plain(speed)}", "Write at most three decimals.")
    return Fraction(speed)


def _uusd(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", value):
        value = Decimal(value)
    usd = _number(value, "0.25")
    if not 0 <= usd <= 1_000_000:
        raise FieldRefused(
            f"found {_plain(usd)} US dollars", "Write between 0 and 1000000 US dollars."
        )
    if usd * UUSD_PER_USD % 1:
        raise FieldRefused(
            f"found {_plain(usd)} US dollars",
            "Write at most six decimals: a millionth is the least.",
        )
    return int(usd * UUSD_PER_USD)


def _length_us(least_us: int, most_us: int, written: str) -> BeforeValidator:
    def parse(value: object) -> int:
        remedy = f"Write a length between {written}, such as 30m, 24h or 1h30m."
        us = duration_us(value) if isinstance(value, str) else None
        if us is None or not least_us <= us <= most_us:
            raise FieldRefused(f"found {describe(value)}", remedy)
        return us

    return BeforeValidator(parse)


def duration_us(text: str) -> int | None:
    """Return a length such as `90s`, `1h30m` or `2d` in microseconds, or None for other text."""
    if not re.fullmatch(r"([0-9]{1,6}[smhd])+", text):
        return None
    parts = re.findall(r"([0-9]+)([smhd])", text)
    return sum(int(count) * _UNIT_US[unit] for count, unit in parts)


def _clu(value: object) -> int:
    loudness = _number(value, "-16")
    if not -31 <= loudness <= -9:
        raise FieldRefused(f"found {_plain(loudness)} LUFS", "Write between -31 and -9 LUFS.")
    if loudness * 10 % 1:
        raise FieldRefused(f"found {_plain(loudness)} LUFS", "Write at most one decimal.")
    return int(loudness * 100)


def _colour(value: object) -> str:
    if value is None:
        raise FieldRefused(
            "found nothing", "Put the colour in quotes: an unquoted # starts a comment."
        )
    if not isinstance(value, str) or not re.fullmatch("#[0-9a-fA-F]{6}", value):
        raise FieldRefused(
            f"found {describe(value)}", "Write '#' and six hexadecimal digits: '#6b1f12'."
        )
    return value.lower()


def _format(value: object) -> str:
    if value not in FORMATS:
        made = ", ".join(FORMATS)
        raise FieldRefused(f"found {describe(value)}", f"Write formats that are made here: {made}.")
    return str(value)


_EFFECT_NAME: Final = r"[A-Za-z][A-Za-z0-9_.-]{0,63}"


def _effect(value: object) -> EffectOrder:
    named = {value: None} if isinstance(value, str) else value
    remedy = "Write an effect's name and its settings: {sharpen: {amount: 0.4}}."
    if not isinstance(named, dict) or len(named) != 1:
        raise FieldRefused(f"found {describe(value)}", remedy)
    ((name, settings),) = named.items()
    if not isinstance(name, str) or not re.fullmatch(_EFFECT_NAME, name):
        raise FieldRefused(f"found the name {describe(name)}", remedy)
    if not isinstance(settings, dict | None):
        raise FieldRefused(f"found {describe(settings)} as settings of {name}", remedy)
    plain = _plain_settings(settings or {}, name)
    for setting in plain.values():
        if is_file(setting):
            _file(setting["file"])
    return EffectOrder(name=name, settings=settings_text(plain))


def _model_settings(value: object) -> str:
    if not isinstance(value, dict):
        raise FieldRefused(
            f"found {describe(value)}", "Write the model's settings by name: {steps: 20}."
        )
    return settings_text(_plain_settings(value, "model_settings"))


def _plain_settings(value: Any, name: str) -> Any:
    """Return settings with numbers as JSON has them; equal numbers are spelled in one way."""
    if isinstance(value, dict):
        return {str(key): _plain_settings(item, name) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_settings(item, name) for item in value]
    if not isinstance(value, Decimal):
        return value
    number = float(value)
    if not math.isfinite(number):
        raise FieldRefused(f"found {describe(value)} in {name}", "Write a number of usual size.")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _caption_format(value: object) -> str:
    if value not in CAPTION_FORMATS:
        raise FieldRefused(f"found {describe(value)}", "Write vtt, srt, or both.")
    return str(value)


def _file(value: str) -> str:
    # Other parts of the studio write schemes of their own here; a brief may not speak for them.
    if scheme := re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", value):
        remedy = f"Name a file; one whose name has a colon is ./{value[:40]}"
        raise FieldRefused(
            f"found {describe(value)}, which starts like a URL ({scheme[0]})", remedy + "."
        )
    return value


Seconds = Annotated[
    int,
    _milliseconds("0.25", "60"),
    WithJsonSchema({"type": "number", "minimum": 0.25, "maximum": 60}),
]
TransitionSeconds = Annotated[
    int,
    _milliseconds("0.04", "5"),
    WithJsonSchema({"type": "number", "minimum": 0.04, "maximum": 5}),
]
StartSeconds = Annotated[
    int,
    _milliseconds("0", "36000"),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 36_000}),
]
Speed = Annotated[
    InstanceOf[Fraction],
    BeforeValidator(_speed),
    WithJsonSchema({"type": "number", "minimum": 0.1, "maximum": 10}),
]
FramesPerSecond = Annotated[
    InstanceOf[Fraction],
    BeforeValidator(_fps),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": _FPS_MIN, "maximum": _FPS_MAX},
                {"type": "string", "pattern": r"^[0-9]+(/[1-9][0-9]*|\.[0-9]+)?$"},
            ]
        }
    ),
]
Dollars = Annotated[
    int,
    BeforeValidator(_uusd),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1_000_000},
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,6}0*)?$"},
            ]
        }
    ),
]
ReviewTime = Annotated[
    int,
    _length_us(US_PER_S, 30 * 86_400 * US_PER_S, "1s and 30d"),
    WithJsonSchema({"type": "string", "pattern": "^([0-9]{1,6}[smhd])+$"}),
]
Loudness = Annotated[
    int,
    BeforeValidator(_clu),
    WithJsonSchema({"type": "number", "minimum": -31, "maximum": -9}),
]
Colour = Annotated[
    str,
    BeforeValidator(_colour),
    WithJsonSchema({"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"}),
]
Format = Annotated[
    str, BeforeValidator(_format), WithJsonSchema({"type": "string", "enum": list(FORMATS)})
]
CaptionFormat = Annotated[
    str,
    BeforeValidator(_caption_format),
    WithJsonSchema({"type": "string", "enum": list(CAPTION_FORMATS)}),
]
Side = Annotated[int, Field(ge=SIDE_MIN, le=SIDE_MAX, multiple_of=2)]
Location = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
File = Annotated[Location, AfterValidator(_file)]
ReferenceName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)
]
Label = Annotated[str, StringConstraints(min_length=1, max_length=256)]
ModelSettings = Annotated[
    str, BeforeValidator(_model_settings), WithJsonSchema({"type": "object", "maxProperties": 64})
]
Effect = Annotated[
    InstanceOf[EffectOrder],
    BeforeValidator(_effect),
    WithJsonSchema(
        {
            "title": "Effect",
            "description": "An effect's name, and its settings: {sharpen: {amount: 0.4}}",
            "anyOf": [
                {"type": "string", "pattern": f"^{_EFFECT_NAME}$"},
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "propertyNames": {"pattern": f"^{_EFFECT_NAME}$"},
                    "additionalProperties": {"type": ["object", "null"]},
                },
            ],
        }
    ),
]


def deadline_us(text: str, *, now_us: int) -> int | None:
    """Return the deadline in UTC microseconds, or None where `text` says no time."""
    length_us = duration_us(text)
    if length_us is not None:
        return now_us + length_us
    try:
        due = datetime.fromisoformat(text)
        if due.utcoffset() is None:
            return None
        return int(due.timestamp()) * US_PER_S + due.microsecond
    except (ValueError, OverflowError):
        return None

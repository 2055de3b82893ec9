"""The text of a brief, YAML or JSON, as plain values: mappings, lists, text, numbers, booleans.

Stricter than YAML 1.1, so that a brief means what it looks like: numbers stay exact (`int` or
`Decimal`), dates and `yes`/`no` stay text, a key stands once, tags are refused, and aliases count
as often as they are used. Nothing here knows what a brief is.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import yaml

from cinefab.core.errors import BriefInvalid

Value = None | bool | int | Decimal | str | list["Value"] | dict[str, "Value"]
"""What a brief's text is made of; there are no floats, so nothing was rounded."""

TEXT_BYTES_MAX: Final = 1 << 20
NODES_MAX: Final = 10_000
DEPTH_MAX: Final = 32

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: Final[dict[str, bool | None]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_WHOLE: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_DECIMAL: Final = re.compile(r"[-+]?(?=\.?[0-9])[0-9]{0,18}(\.[0-9]{0,18})?([eE][-+]?[0-9]{1,3})?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def read_document(text: str, *, origin: str) -> dict[str, Value]:
    """Return the mapping that `text` holds; raise `BriefInvalid` with the line and column."""
    value = _tidy(_read(text, origin=origin), origin=origin)
    if not isinstance(value, dict):
        raise BriefInvalid(
            attempted=f"read the brief {origin}",
            field="the whole document",
            found=f"found {describe(value)} where fields were expected",
            remedy="Write fields such as 'title: …' and 'shots: […]'.",
        )
    return value


def read_value(text: str, *, origin: str) -> Value:
    """Return the one value that `text` holds, as it would stand behind a YAML key."""
    return _tidy(_read(text, origin=origin), origin=origin)


def write_value(value: Value) -> str:
    """Return `value` as JSON that is read back exactly: numbers keep all of their digits."""
    match value:
        case Decimal():
            return f"{value:f}" if abs(value.adjusted()) < 18 else str(value)
        case dict():
            fields = (
                f"{json.dumps(key, ensure_ascii=False)}:{write_value(each)}"
                for key, each in value.items()
            )
            return f"{{{','.join(fields)}}}"
        case list():
            return f"[{','.join(write_value(each) for each in value)}]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def describe(value: object) -> str:
    """Return what `value` is, in words for a person: `text 'abc'`, `an empty list`, `nothing`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return f"the number {str(value)[:40]}"
        case str():
            short = value if len(value) <= 40 else value[:39] + "…"
            return f"text '{short}'" if value else "empty text"
        case list():
            return f"a list of {len(value)}" if value else "an empty list"
        case dict():
            return f"a mapping of {len(value)}" if value else "an empty mapping"
        case _:
            return type(value).__name__


def _read(text: str, *, origin: str) -> Value:
    attempted = f"read the brief {origin}"
    text = text.removeprefix("\ufeff")
    if len(text) > TEXT_BYTES_MAX or len(text.encode(errors="replace")) > TEXT_BYTES_MAX:
        raise BriefInvalid(
            attempted=attempted,
            field="the whole document",
            found=f"it is larger than {TEXT_BYTES_MAX} bytes",
            remedy="Shorten it; pictures are named by file or URL, never embedded.",
        )
    if hidden := _CONTROL.search(text):
        raise BriefInvalid(
            attempted=attempted,
            field=_place(text, hidden.start()),
            found=f"found the control character U+{ord(hidden[0]):04X}",
            remedy="Remove it; the file may be damaged, or not text.",
        )
    if text.lstrip()[:1] in ("{", "["):
        try:
            return _read_json(text, attempted=attempted)
        except json.JSONDecodeError as error:
            if origin.endswith(".json"):
                raise _not_json(error, attempted) from error
            # YAML's flow style also starts with a bracket: let its reader judge.
    return _read_yaml(text, attempted=attempted)


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────


def _read_json(text: str, *, attempted: str) -> Value:
    def unique(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
        seen: dict[str, Value] = {}
        for key, value in pairs:
            if _nfc(key) in seen:
                raise _twice(key, place=f"'{key}'", attempted=attempted)
            seen[_nfc(key)] = value
        return seen

    def number(digits: str) -> int | Decimal:
        if _WHOLE.fullmatch(digits):
            return int(digits)
        if _DECIMAL.fullmatch(digits):
            return Decimal(digits)
        raise _bad_number(digits, attempted)

    def refuse(word: str) -> Value:
        raise _bad_number(word, attempted)

    try:
        value: Value = json.loads(
            text,
            parse_float=number,
            parse_int=number,
            parse_constant=refuse,
            object_pairs_hook=unique,
        )
    except RecursionError as error:
        raise _too_deep(attempted) from error
    return value


def _not_json(error: json.JSONDecodeError, attempted: str) -> BriefInvalid:
    return BriefInvalid(
        attempted=attempted,
        field=f"line {error.lineno}, column {error.colno}",
        found=f"not JSON: {error.msg}",
        remedy="Mend the JSON at this place.",
    )


def _bad_number(digits: str, attempted: str) -> BriefInvalid:
    return BriefInvalid(
        attempted=attempted,
        field="a number",
        found=f"found {digits[:40]}, which is no ordinary number",
        remedy="Write plain digits, such as 2.5.",
    )


# ── YAML ────────────────────────────────────────────────────────────────────────────────────────


def _read_yaml(text: str, *, attempted: str) -> Value:
    try:
        return _Composer(yaml.parse(text, Loader=_LOADER), attempted).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BriefInvalid(
            attempted=attempted,
            field=_at(mark) if mark else "the whole document",
            found=f"not YAML: {error.problem or error.context}",
            remedy="Mend the YAML at this place; text that holds ': ' or ' #' needs quotes.",
        ) from error
    except yaml.YAMLError as error:
        raise BriefInvalid(
            attempted=attempted,
            field="the whole document",
            found=f"not YAML: {error}",
            remedy="Write the brief as YAML or JSON, in UTF-8.",
        ) from error


class _Composer:
    """Builds values from YAML's events, counting every node as often as it is used."""

    def __init__(self, events: Iterator[yaml.Event], attempted: str) -> None:
        self._events = events
        self._attempted = attempted
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._nodes = 0

    def document(self) -> Value:
        """Return the only document's value, None for an empty one."""
        value: Value = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refused(event, "a second document starts here", "Write only one.")
                value = self._node(next(self._events), depth=0)
        return value

    def _node(self, event: yaml.Event, *, depth: int) -> Value:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._count(1)
        if depth > DEPTH_MAX:
            raise _too_deep(self._attempted)
        if tag := getattr(event, "tag", None):
            raise self._refused(event, f"found the tag {tag}", "Remove it; tags are not used.")
        before = self._nodes
        value: Value
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = [
                self._node(item, depth=depth + 1) for item in self._until(yaml.SequenceEndEvent)
            ]
        else:
            value = self._mapping(depth=depth)
        if anchor := getattr(event, "anchor", None):
            self._anchors[anchor] = (value, self._nodes - before + 1)
        return value

    def _mapping(self, *, depth: int) -> dict[str, Value]:
        fields: dict[str, Value] = {}
        for key in self._until(yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                raise self._refused(key, "found a key that is not text", "Write a plain name.")
            name = _nfc(key.value)
            if name in fields:
                raise _twice(name, place=_at(key.start_mark), attempted=self._attempted)
            fields[name] = self._node(next(self._events), depth=depth + 1)
        return fields

    def _alias(self, event: yaml.AliasEvent) -> Value:
        if event.anchor not in self._anchors:
            raise self._refused(
                event, f"*{event.anchor} is used before it is complete", "Write it out."
            )
        value, nodes = self._anchors[event.anchor]
        self._count(nodes)
        return value

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > NODES_MAX:
            raise BriefInvalid(
                attempted=self._attempted,
                field="the whole document",
                found=f"it holds more than {NODES_MAX} values, aliases counted as often as used",
                remedy="Shorten it, and use fewer aliases.",
            )

    def _refused(self, event: yaml.Event, found: str, remedy: str) -> BriefInvalid:
        return BriefInvalid(
            attempted=self._attempted, field=_at(event.start_mark), found=found, remedy=remedy
        )


def _scalar(event: yaml.ScalarEvent) -> Value:
    text: str = event.value
    if not event.implicit[0]:  # quoted, or a block: text, whatever it looks like
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return Decimal(text) if _DECIMAL.fullmatch(text) else text


# ── Both ────────────────────────────────────────────────────────────────────────────────────────


def _tidy(value: Value, *, origin: str, path: str = "", depth: int = 0) -> Value:
    """Return a copy that shares nothing, its text in NFC; refuse what a film cannot show."""
    attempted = f"read the brief {origin}"
    if depth > DEPTH_MAX:
        raise _too_deep(attempted)
    match value:
        case str():
            text = _nfc(value.replace("\r\n", "\n"))
            if hidden := _CONTROL.search(text.replace("\r", "\x00")):
                raise BriefInvalid(
                    attempted=attempted,
                    field=path or "the value",
                    found=f"found the control character U+{ord(hidden[0]):04X}",
                    remedy="Remove it.",
                )
            return text
        case list():
            return [
                _tidy(item, origin=origin, path=f"{path}[{i}]", depth=depth + 1)
                for i, item in enumerate(value)
            ]
        case dict():
            return {
                str(_tidy(key, origin=origin, path=path, depth=depth)): _tidy(
                    item, origin=origin, path=f"{path}.{key}".lstrip("."), depth=depth + 1
                )
                for key, item in value.items()
            }
        case _:
            return value


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _twice(key: str, *, place: str, attempted: str) -> BriefInvalid:
    return BriefInvalid(
        attempted=attempted,
        field=place,
        found=f"the field '{key}' stands here a second time",
        remedy="Keep one of the two.",
    )


def _too_deep(attempted: str) -> BriefInvalid:
    return BriefInvalid(
        attempted=attempted,
        field="the whole document",
        found=f"it is nested deeper than {DEPTH_MAX} levels",
        remedy="Write it flatter.",
    )


def _at(mark: Any) -> str:  # PyYAML has two unrelated Mark classes, one for each of its parsers
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _place(text: str, offset: int) -> str:
    before = text[:offset]
    return f"line {before.count(chr(10)) + 1}, column {offset - before.rfind(chr(10))}"

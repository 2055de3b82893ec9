"""Templates: a brief with typed gaps is filled on its parsed tree, never in its text.

A gap is a mapping with the one field `slot`, and for one of several values `item`. What stands in
a slot becomes that node's value and nothing else: words that look like YAML, paths or gaps stay
words. `{text: [...]}` joins words and gaps to one text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from cinefab.core.brief import Review
from cinefab.core.canonical import Json
from cinefab.core.errors import BriefInvalid
from cinefab.ingest.brief_problems import invalid, problems_of
from cinefab.ingest.brief_schema_review import ReviewDocument
from cinefab.ingest.brief_text import Value, describe, read_value
from cinefab.ingest.passage import passage
from cinefab.ingest.template_schema import (
    ChoiceSlot,
    ColourSlot,
    FileSlot,
    FilesSlot,
    GuardrailsDocument,
    NumberSlot,
    ScriptSlot,
    Slot,
    TemplateDocument,
    TemplateHead,
    TextSlot,
    template_schema,
)

__all__ = ["Filled", "fill", "is_template", "read_template", "template_schema"]

_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "image": ("png", "jpg", "jpeg", "webp", "avif"),
    "video": ("mp4", "mov", "webm"),
    "audio": ("wav", "flac", "mp3", "aac", "m4a"),
}
_ONE_OF: Final = {"images": "image", "videos": "video", "sounds": "audio"}
_SPOKEN: Final = frozenset({"title", "prompt", "caption", "voice"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A template with nothing open: the brief as fields, and what its job remembers of it."""

    brief: dict[str, Value]
    record: Json
    checks: tuple[str, ...]


def is_template(document: Mapping[str, Value]) -> bool:
    """Say whether a document is a template rather than a brief."""
    return "template" in document


def fill(
    document: Mapping[str, Value], values: Sequence[str], *, origin: str, folder: Path
) -> Filled:
    """Return the brief that a template gives with `values` (`slot=value`, read as YAML).

    Files that `values` name are found where the command runs, defaults in `folder`, the template's
    own. Raises `BriefInvalid` with the path of what is wrong: of a slot, `slots.NAME`.
    """
    written = _written(document, origin=origin)
    head = written.template
    given = _given(values, head.slots, origin=origin)
    filled = {
        name: _value(name, slot, given.get(name), folder=folder)
        for name, slot in head.slots.items()
    }
    used = {each.slot for each in head.guardrails.categories.values() if each.slot is not None}
    brief = _filled(written.brief, filled, used, path="brief")
    assert isinstance(brief, dict), "a mapping is filled into a mapping"
    if unused := sorted(set(head.slots) - used):
        raise _wrong(f"template.slots.{unused[0]}", "no gap uses it", "Use it, or remove it.")
    _check_model(brief, head.guardrails)
    choices = {
        name: str(given.get(name, slot.default))
        for name, slot in head.slots.items()
        if isinstance(slot, ChoiceSlot)
    }
    texts = [*_spoken(brief), *(each for value in filled.values() for each in _texts(value))]
    passes = passage(
        head.guardrails, texts=texts, choices=choices, review=_review(brief, origin=origin)
    )
    stated = brief.get("review")
    compare = stated.get("compare") if isinstance(stated, dict) else None
    brief["review"] = {
        **({} if compare is None else {"compare": compare}),
        "mode": passes.review.mode.value,
        "within": f"{passes.review.within_us // 1_000_000}s",
        "queue": passes.review.queue.value,
    }
    record: Json = {
        "name": head.name,
        "version": head.version,
        "slots": {name: _plain(value) for name, value in filled.items()},
        "categories": list(passes.categories),
        "reasons": list(passes.reasons),
    }
    return Filled(brief=brief, record=record, checks=tuple(head.guardrails.checks))


def read_template(document: Mapping[str, Value], *, origin: str) -> TemplateHead:
    """Return a template's name, version and slots; raise `BriefInvalid` for what is none."""
    return _written(document, origin=origin).template


def _written(document: Mapping[str, Value], *, origin: str) -> TemplateDocument:
    try:
        return TemplateDocument.model_validate(dict(document))
    except ValidationError as error:
        raise invalid(problems_of(error), origin=origin) from error


def _given(values: Sequence[str], slots: Mapping[str, Slot], *, origin: str) -> dict[str, Value]:
    given: dict[str, Value] = {}
    for each in values:
        name, equals, text = each.partition("=")
        name = name.strip()
        if not equals or name not in slots:
            raise BriefInvalid(
                attempted=f"apply --set {each[:80]}",
                field=f"slots.{name[:64]}",
                found="the template has no such slot",
                remedy=f"Fill one of: {', '.join(slots)}. Nothing else of a template can be set.",
            )
        # Words are taken as they are; only a list or a number has to be read.
        slot = slots[name]
        is_words = isinstance(slot, TextSlot | ChoiceSlot | ColourSlot | FileSlot)
        given[name] = text if is_words else read_value(text, origin=origin)
    return given


def _value(name: str, slot: Slot, given: Value, *, folder: Path) -> Any:
    path = f"slots.{name}"
    value: Any = slot.default if given is None else given
    if value is None:
        about = f": {slot.about}" if slot.about else ""
        raise _wrong(path, f"nobody filled it ({slot.type}{about})", f"Add --set {name}=…")
    base = folder if given is None else Path.cwd()
    match slot:
        case TextSlot():
            return _text(path, slot, value)
        case NumberSlot():
            return _number(path, slot, value)
        case ChoiceSlot():
            if value not in slot.of:
                raise _wrong(path, f"found {describe(value)}", f"Choose: {', '.join(slot.of)}.")
            return slot.of[value] if isinstance(slot.of, dict) else value
        case ColourSlot():
            if not isinstance(value, str) or not re.fullmatch("#[0-9a-fA-F]{6}", value):
                remedy = "Write '#' and six hexadecimal digits."
                raise _wrong(path, f"found {describe(value)}", remedy)
            return value
        case FileSlot():
            return _file(path, slot.type, value, base=base)
        case FilesSlot():
            each = _list(path, value, least=slot.min, most=slot.max, what="files")
            kind = _ONE_OF[slot.type]
            return [_file(f"{path}[{i}]", kind, one, base=base) for i, one in enumerate(each)]
        case ScriptSlot():
            lines = _list(path, value, least=slot.min, most=slot.max, what="lines")
            as_text = TextSlot(type="text", max=slot.length)
            return [_text(f"{path}[{i}]", as_text, line) for i, line in enumerate(lines)]


def _text(path: str, slot: TextSlot, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(path, f"found {describe(value)}", "Write text.")
    text = unicodedata.normalize("NFC", value.strip())
    if not slot.min <= len(text) <= slot.max:
        remedy = f"Write {slot.min} to {slot.max} characters."
        raise _wrong(path, f"found {len(text)} characters", remedy)
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        raise _wrong(path, "found a control character", "Remove it.")
    for word in slot.forbidden:
        if re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", text.casefold()):
            raise _wrong(path, f"found the word '{word}'", "Say it without that word.")
    if slot.scripts:
        for letter in text:
            name = unicodedata.name(letter, "").lower() if letter.isalpha() else ""
            if name and not name.startswith(tuple(slot.scripts)):
                remedy = f"Write it in: {', '.join(slot.scripts)}."
                raise _wrong(path, f"found the letter '{letter}'", remedy)
    return text


def _number(path: str, slot: NumberSlot, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _wrong(path, f"found {describe(value)}", "Write a number.")
    if not slot.min <= value <= slot.max:
        raise _wrong(path, f"found {value}", f"Write between {slot.min} and {slot.max}.")
    return value


def _file(path: str, kind: str, value: Any, *, base: Path) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(path, f"found {describe(value)}", "Name a file, or an http or https URL.")
    suffix = value.partition("?")[0].rpartition(".")[2].lower()
    if suffix not in _KINDS[kind]:
        kinds = ", ".join(_KINDS[kind])
        raise _wrong(
            path, f"found {describe(value)}, which is no {kind}", f"Bring one of: {kinds}."
        )
    if re.match("https?://[^/]", value):
        return value
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", value):
        raise _wrong(path, f"found {describe(value)}", "Name a file, or an http or https URL.")
    place = (base / value).absolute()
    if not place.is_file():
        raise _wrong(path, f"there is no file {place}", "Check its name.")
    return str(place)


def _list(path: str, value: Any, *, least: int, most: int, what: str) -> list[Any]:
    if not isinstance(value, list):
        remedy = f"Write a list: '[{what[:-1]}, {what[:-1]}]'."
        raise _wrong(path, f"found {describe(value)}", remedy)
    if not least <= len(value) <= most:
        raise _wrong(path, f"found {len(value)} {what}", f"Bring {least} to {most}.")
    return value


def _filled(node: Any, values: Mapping[str, Any], used: set[str], *, path: str) -> Any:
    match node:
        case dict() if "slot" in node:
            return _gap(node, values, used, path=path)
        case {"text": list(parts)} if len(node) == 1:
            filled = [_filled(each, values, used, path=f"{path}.text") for each in parts]
            if not all(isinstance(each, str | int | Decimal) for each in filled):
                raise _wrong(path, "joins what is no text", "Join words and gaps that hold words.")
            return "".join(str(each) for each in filled)
        case dict():
            return {
                key: _filled(each, values, used, path=f"{path}.{key}") for key, each in node.items()
            }
        case list():
            return [_filled(each, values, used, path=f"{path}[{i}]") for i, each in enumerate(node)]
        case _:
            return node


def _gap(node: dict[str, Any], values: Mapping[str, Any], used: set[str], *, path: str) -> Any:
    name = node["slot"]
    if set(node) - {"slot", "item"} or name not in values:
        remedy = f"Write {{slot: name}}, with one of: {', '.join(values)}."
        raise _wrong(path, f"found a gap for {describe(name)}", remedy)
    used.add(name)
    value = values[name]
    if "item" not in node:
        return value
    item = node["item"]
    if not isinstance(value, list) or not isinstance(item, int) or item >= len(value):
        raise _wrong(path, f"{name} has no item {item}", "Count from 0, within the slot's bounds.")
    return value[item]


def _check_model(brief: Mapping[str, Any], guardrails: GuardrailsDocument) -> None:
    model = str(brief.get("model", "procedural"))
    if model.partition("@")[0] not in {each.partition("@")[0] for each in guardrails.models}:
        remedy = f"It may be made by: {', '.join(guardrails.models)}."
        raise _wrong("template.guardrails.models", f"does not allow {model}", remedy)


def _review(brief: Mapping[str, Any], *, origin: str) -> Review:
    stated = brief.get("review", {})
    try:
        written = ReviewDocument.model_validate(
            {"mode": stated} if isinstance(stated, str) else stated
        )
    except ValidationError as error:
        raise invalid(problems_of(error), origin=origin) from error
    return Review(mode=written.mode, within_us=written.within_us, queue=written.queue)


def _spoken(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, each in node.items():
            if key in _SPOKEN and isinstance(each, str):
                yield each
            yield from _spoken(each)
    elif isinstance(node, list):
        for each in node:
            yield from _spoken(each)


def _texts(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield each


def _plain(value: Any) -> Json:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return str(value) if isinstance(value, Decimal) else value


def _wrong(path: str, found: str, remedy: str) -> BriefInvalid:
    return BriefInvalid(attempted="fill the template", field=path, found=found, remedy=remedy)

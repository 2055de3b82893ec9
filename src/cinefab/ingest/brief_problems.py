"""What is wrong with a brief, field by field, in words for the person who wrote it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from cinefab.core.errors import BriefInvalid
from cinefab.ingest.brief_scalars import FieldRefused
from cinefab.ingest.brief_schema import brief_schema
from cinefab.ingest.brief_text import describe

Loc: TypeAlias = Sequence[str | int]
Context: TypeAlias = Mapping[str, Any]

_PATHS_TOLD_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Problem:
    """One field that is wrong: the path to it, what was found there, what to write instead."""

    path: str
    found: str
    remedy: str


def invalid(problems: Sequence[Problem], *, origin: str) -> BriefInvalid:
    """Return the error that tells the first of `problems`, and the paths of the others."""
    first, *others = problems
    found = first.found
    if others:
        paths = [problem.path for problem in others[:_PATHS_TOLD_MAX]]
        paths += ["…"] if len(others) > _PATHS_TOLD_MAX else []
        found = f"{found} (and {len(others)} more: {', '.join(paths)})"
    return BriefInvalid(
        attempted=f"read the brief {origin}", field=first.path, found=found, remedy=first.remedy
    )


def problems_of(error: ValidationError) -> list[Problem]:
    """Return what `error` holds, unknown fields first, since they explain missing ones."""
    order = {"extra_forbidden": 0, "missing": 2}
    details = sorted(error.errors(include_url=False), key=lambda d: order.get(d["type"], 1))
    return [_problem(detail) for detail in details]


def _problem(detail: Mapping[str, Any]) -> Problem:
    loc = list(detail["loc"])
    if loc[0:1] == ["references"] and loc[1:2] in (["mapping"], ["list"]):
        del loc[1]  # which way they are written is our business
    if loc[-1:] == ["[key]"]:
        del loc[-1]
    found, remedy = _explain(detail, loc)
    return Problem(_path(loc), found, remedy)


def _path(loc: Loc) -> str:
    path = ""
    for step in loc:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if re.fullmatch(r"[\w-]+", step) else f"['{step[:40]}']"
    return path.removeprefix(".") or "the whole document"


def _explain(detail: Mapping[str, Any], loc: Loc) -> tuple[str, str]:
    context: Context = detail.get("ctx", {})
    kind, value = detail["type"], detail["input"]
    if isinstance(refused := context.get("error"), FieldRefused):
        return refused.found, refused.remedy
    if kind not in _REMEDIES:
        return f"found {describe(value)}: {detail['msg']}", _description(loc, context)
    found = {
        "missing": "it is missing",
        "extra_forbidden": "is no field of a brief",
        "string_too_long": f"found {len(str(value))} characters",
    }.get(kind, f"found {describe(value)}")
    return found, _REMEDIES[kind](loc, {"input": value, **context})


def _description(loc: Loc, _: Context) -> str:
    texts = [node["description"] for node in _nodes(loc) if "description" in node]
    return (texts[0].partition("\n")[0] if texts else "see cinefab make --schema").rstrip(".") + "."


def _fields(loc: Loc, _: Context) -> str:
    return f"Write the fields of it: {', '.join(_names_at(loc)) or 'name: value'}."


def _singular(loc: Loc, _: Context) -> str:
    name = next((str(step) for step in reversed(loc) if isinstance(step, str)), "entry")
    return f"Write at least one {_SINGULARS.get(name, name.removesuffix('s'))}."


def _word(_: Loc, context: Context) -> str:
    return _nearest(str(context["input"]), re.findall(r"'([^']*)'", str(context["expected"])))


def _pattern(loc: Loc, _: Context) -> str:
    if loc[0] == "model":
        return "Write a model's name, such as procedural, with @version to pin one."
    return "Write a name of letters, digits, '-' and '_'."


_SINGULARS: Final = {"parties": "party"}
_REMEDIES: Final[Mapping[str, Callable[[Loc, Context], str]]] = {
    "missing": lambda loc, c: f"Add it: {_description(loc, c)}",
    "extra_forbidden": lambda loc, _: _nearest(str(loc[-1]), _names_at(loc[:-1])),
    "string_type": lambda _, __: "Write text; put a number that is meant as text in quotes.",
    "string_too_long": lambda _, c: f"Write at most {c['max_length']}.",
    "string_too_short": lambda _, __: "Write at least one character.",
    "string_pattern_mismatch": _pattern,
    "enum": _word,
    "int_type": lambda _, __: "Write a whole number.",
    "greater_than_equal": lambda _, c: f"Write {c['ge']} or more.",
    "less_than_equal": lambda _, c: f"Write {c['le']} or less.",
    "multiple_of": lambda _, __: "Write an even number.",
    "too_short": _singular,
    "too_long": lambda _, c: f"Write at most {c['max_length']}.",
    "list_type": lambda _, __: "Write a list.",
    "dict_type": _fields,
    "model_type": _fields,
    "union_tag_not_found": _fields,
}


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    choice = f"Write one of: {', '.join(known)}."
    return f"Did you mean '{near[0]}'? {choice}" if near else choice


# ── What the schema says of a place ─────────────────────────────────────────────────────────────


@cache
def _schema() -> dict[str, Any]:
    return brief_schema()


def _names_at(loc: Loc) -> tuple[str, ...]:
    return tuple(dict.fromkeys(n for node in _nodes(loc) for n in node.get("properties", {})))


def _nodes(loc: Loc) -> list[dict[str, Any]]:
    nodes = [_schema()]
    for step in loc:
        nodes = [child for node in nodes for child in _children(node, step)]
        nodes = [option for node in nodes for option in _options(node)]
    return nodes


def _children(node: dict[str, Any], step: str | int) -> Iterator[dict[str, Any]]:
    if isinstance(step, int):
        if "items" in node:
            yield node["items"]
    elif step in node.get("properties", {}):
        yield node["properties"][step]
    else:
        yield from node.get("patternProperties", {}).values()


def _options(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for option in [*node.get("anyOf", ()), *node.get("oneOf", ())]:
        yield from _options(option)
    if "$ref" in node:
        yield from _options(_schema()["$defs"][node["$ref"].rpartition("/")[2]])

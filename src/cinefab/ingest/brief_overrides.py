"""Fields set from outside: `shots[2].caption=Hello`, as `--set` gives them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NoReturn

from cinefab.core.errors import BriefInvalid
from cinefab.ingest.brief_text import Value, describe, read_value

_STEP: Final = re.compile(r"(?:^|\.)([^.\[\]=\s]+)|\[([0-9]{1,4})\]")


def apply_overrides(
    document: dict[str, Value], overrides: Sequence[str], *, origin: str
) -> dict[str, Value]:
    """Return `document` with each `path=value` set, in order; it is changed in place.

    A value is read as YAML. A mapping on the way is made where it is missing; a list's entry must
    be there already. Raises `BriefInvalid` where the path leads nowhere; whether a new field
    means anything is left to the schema.
    """
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals:
            _refuse(override, path, "found no '='", "Write path=value, such as budget=0.5.")
        _set(document, override, path.strip(), _value(text, override, path, origin=origin))
    return document


def _value(text: str, override: str, path: str, *, origin: str) -> Value:
    try:
        return read_value(text, origin=origin)
    except BriefInvalid as error:
        # Line 1 of a value means nothing to who typed a command; the path does.
        raise BriefInvalid(
            attempted=f"apply --set {override[:80]}",
            field=path,
            found=f"the value cannot be read ({error.found})",
            remedy="Put text that holds ': ', brackets or '#' in quotes.",
        ) from error


def _set(document: dict[str, Value], override: str, path: str, value: Value) -> None:
    steps = _steps(override, path)
    place: Value = document
    for i, step in enumerate(steps):
        last = i == len(steps) - 1
        match place, step:
            case dict(), str():
                if last:
                    place[step] = value
                elif place.get(step) is None and isinstance(steps[i + 1], str):
                    place[step] = {}
                place = place.get(step)
            case list(), int() if step < len(place):
                if last:
                    place[step] = value
                place = place[step]
            case list(), int():
                found = f"found {describe(place)}, so there is no [{step}]"
                _refuse(override, path, found, "Count from 0, and add new entries in the brief.")
            case _:
                wanted = "a list" if isinstance(step, int) else "a mapping"
                found = f"found {describe(place)} where {wanted} was needed"
                _refuse(override, path, found, "Set the whole of it instead.")


def _steps(override: str, path: str) -> list[str | int]:
    steps: list[str | int] = []
    end = 0
    for step in _STEP.finditer(path):
        if step.start() != end:
            break
        end = step.end()
        steps.append(step[1] if step[2] is None else int(step[2]))
    if not steps or end != len(path) or isinstance(steps[0], int):
        _refuse(override, path, "found no path", "Write it like shots[2].caption or output.fps.")
    return steps


def _refuse(override: str, path: str, found: str, remedy: str) -> NoReturn:
    raise BriefInvalid(
        attempted=f"apply --set {override[:80]}", field=path or "--set", found=found, remedy=remedy
    )

"""Markup, built so that nothing a stranger wrote can become part of it.

Whatever is not `Html` is text, and is escaped where it is put in: there is no way to forget it.
Attributes that would need `style` are not used; the page's policy forbids them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final, TypeAlias

_VOID: Final = frozenset({"br", "col", "img", "meta"})

# HTML has no place for control characters or halves of pairs; a browser would end the text there
# or show nothing. Line ends and tabs are white space like any other.
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Html(str):
    """Markup that is finished: it is put in as it is."""

    __slots__ = ()


Child: TypeAlias = "str | int | Iterable[Child] | None"
"""What an element may hold: markup, text or a whole number, nothing, or several of them."""


Value: TypeAlias = str | int | float | bool | None
"""An attribute's value: None and False leave it out, True names it alone."""


def tag(name: str, /, *children: Child, **attributes: Value) -> Html:
    """Return an element; `class_` means class, other underscores are hyphens.

    It is written as it is named, so no name may come from outside.
    """
    written = "".join(
        _attribute(key, value)
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Child) -> Html:
    """Return several children as one piece of markup."""
    match children:
        case Html():
            return children
        case str():
            return Html(escape(printable(children)))
        case None:
            return Html("")
        case int():
            return Html(str(children))
        case _:
            return Html("".join(map(join, children)))


def said(text: object, **attributes: str | None) -> Html:
    """Return words that somebody else wrote, kept from turning the line around them."""
    return tag("bdi", str(text), **attributes)


def printable(text: str) -> str:
    """Return the text with what no page can hold replaced by U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text)


def _attribute(key: str, value: Value, /) -> str:
    name = "class" if key == "class_" else key.replace("_", "-")
    if value is True:
        return f" {name}"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f' {name}="{escape(printable(text))}"'

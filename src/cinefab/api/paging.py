"""Lists in pages: `next` is what `after` asks the next page by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query

from cinefab.core.errors import Unavailable

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=100, description="How many at most.")]
After = Annotated[str | None, Query(max_length=64, description="The last page's `next`.")]


def page_of(
    found: Sequence[T],
    *,
    limit: int,
    after: str | None,
    name: Callable[[T], str],
    document: Callable[[T], dict[str, Any]],
) -> dict[str, Any]:
    """Return a page of what was found, what comes after a name; raise `Unavailable` for no such."""
    begin = 0
    if after is not None:
        places = [place for place, each in enumerate(found) if name(each) == after]
        if not places:
            raise Unavailable(
                attempted=f"list what comes after {after}",
                found="there is none by that id here",
                remedy="Give the `next` of the last page.",
            )
        begin = places[0] + 1
    shown = found[begin : begin + limit]
    has_more = begin + limit < len(found)
    return {
        "object": "list",
        "data": [document(each) for each in shown],
        "has_more": has_more,
        "next": name(shown[-1]) if has_more else None,
    }

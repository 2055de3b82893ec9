"""Where lines break: as few as fit, and as even as they can be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

Line: TypeAlias = tuple[int, int]
"""The first word of a line, and the one after its last."""


def balanced_lines(
    widths: Sequence[float], gaps: Sequence[float], *, limit: float
) -> list[Line] | None:
    """Break words into the fewest lines no wider than `limit`, as even as possible.

    `gaps[i]` stands before word i when it does not begin a line. Evenness is the least sum of
    squared widths, which leaves no short word alone on the last line. Returns None if one word
    is wider than the limit. All measures share one unit.
    """
    count = _fewest(widths, gaps, limit)
    if count is None:
        return None
    words = len(widths)
    # costs[k][j]: the least sum of squares for the first j words on k lines.
    unreachable = float("inf")
    costs = [0.0] + [unreachable] * words
    choices: list[list[int]] = []
    for _ in range(count):
        following = [unreachable] * (words + 1)
        choice = [0] * (words + 1)
        for start in range(words):
            if costs[start] == unreachable:
                continue
            width = 0.0
            for end in range(start + 1, words + 1):
                width += widths[end - 1] + (gaps[end - 1] if end - 1 > start else 0.0)
                if width > limit and end > start + 1:
                    break
                cost = costs[start] + width * width
                if cost < following[end]:
                    following[end], choice[end] = cost, start
        costs = following
        choices.append(choice)
    breaks = [words]
    for choice in reversed(choices):
        breaks.append(choice[breaks[-1]])
    return list(pairwise(reversed(breaks)))


def _fewest(widths: Sequence[float], gaps: Sequence[float], limit: float) -> int | None:
    count, width = 0, 0.0
    for index, word in enumerate(widths):
        if word > limit:
            return None
        width += gaps[index] + word
        if count == 0 or width > limit:
            count, width = count + 1, word
    return count

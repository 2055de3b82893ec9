"""Shaped words placed on lines, in ems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from cinefab.media.bidirectional import visual_order
from cinefab.media.line_breaks import balanced_lines
from cinefab.media.paragraphs import ShapedWord
from cinefab.media.shaping import Run

PlacedWord: TypeAlias = tuple[tuple[Run, float], ...]
"""A word's runs, each with the place of its pen on the line."""

_CLEARANCE: Final = 0.08  # between the ink of one line and the next


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLine:
    """One line's words in logical order; its ink lies in [left, right] x [bottom, top]."""

    words: tuple[PlacedWord, ...]
    left: float
    right: float
    bottom: float
    top: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Lines under one another; the first baseline is `top` below the block's upper edge."""

    lines: tuple[PlacedLine, ...]
    pitch: float
    top: float
    width: float
    height: float


def lay_out(
    paragraphs: Sequence[Sequence[ShapedWord]],
    *,
    limit: float,
    leading: float,
    cap_height: float,
) -> Layout | None:
    """Place words on the fewest, most even lines no wider than `limit`; None if one is wider.

    Lines stand `leading` apart, or further if their ink would touch. The block reaches from
    the first line's capitals to the last baseline, and over all ink.
    """
    lines: list[PlacedLine] = []
    for words in paragraphs:
        broken = _broken(words, limit)
        if broken is None:
            return None
        lines += [_placed(line) for line in broken]
    top = max(cap_height, lines[0].top)
    bottom = min(0.0, lines[-1].bottom)
    pitch = max(
        [leading, *(lower.top - upper.bottom + _CLEARANCE for upper, lower in pairwise(lines))]
    )
    # A tall mark on a later line may reach above the first, and a tail below the last.
    top = max(top, *(line.top - pitch * i for i, line in enumerate(lines)), 0.0)
    bottom = min(bottom, *(line.bottom + pitch * i for i, line in enumerate(reversed(lines))), 0.0)
    return Layout(
        lines=tuple(lines),
        pitch=pitch,
        top=top,
        width=max(line.right - line.left for line in lines),
        height=top - bottom + pitch * (len(lines) - 1),
    )


def _broken(words: Sequence[ShapedWord], limit: float) -> list[list[ShapedWord]] | None:
    """Break one paragraph into lines; words that cling to one another stay together."""
    if not words:
        return [[]]
    starts = [index for index, word in enumerate(words) if not word.clings]
    chunks = [
        words[start:end] for start, end in zip(starts, [*starts[1:], len(words)], strict=True)
    ]
    widths = [
        sum(word.width for word in chunk) + sum(word.gap for word in chunk[1:]) for chunk in chunks
    ]
    lines = balanced_lines(widths, [chunk[0].gap for chunk in chunks], limit=limit)
    if lines is None:
        return None
    return [[word for chunk in chunks[start:end] for word in chunk] for start, end in lines]


def _placed(words: Sequence[ShapedWord]) -> PlacedLine:
    """Place a line's runs from left to right in their visual order."""
    items: list[tuple[int, Run | None, float, int]] = []  # word, run or gap, width, level
    for index, word in enumerate(words):
        if index:
            items.append((index, None, word.gap, word.gap_level))
        items += [(index, run, run.advance, run.level) for run in word.runs]
    places: list[dict[int, tuple[Run, float]]] = [{} for _ in words]
    pen = 0.0
    for place in visual_order([level for *_, level in items]):
        index, run, width, _ = items[place]
        if run is not None:
            places[index][place] = (run, pen)
        pen += width
    placed = tuple(tuple(word[place] for place in sorted(word)) for word in places)
    inked = [(run, x) for word in placed for run, x in word if run.outlines]
    return PlacedLine(
        words=placed,
        left=min((x + run.left for run, x in inked), default=0.0),
        right=max((x + run.right for run, x in inked), default=0.0),
        bottom=min((run.bottom for run, _ in inked), default=0.0),
        top=max((run.top for run, _ in inked), default=0.0),
    )

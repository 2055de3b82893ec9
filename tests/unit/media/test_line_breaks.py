"""Where lines break."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from cinefab.media.line_breaks import Line, balanced_lines

WORDS = st.lists(st.floats(0.1, 5.0), min_size=1, max_size=8)


def width(widths: list[float], line: Line, gap: float) -> float:
    start, end = line
    return sum(widths[start:end]) + gap * (end - start - 1)


def every_way(words: int) -> list[list[Line]]:
    """Return every way to break so many words, few lines first."""
    return [
        list(pairwise([0, *breaks, words]))
        for count in range(words)
        for breaks in combinations(range(1, words), count)
    ]


@given(WORDS, st.floats(0.0, 1.0), st.floats(1.0, 12.0))
def test_lines_are_the_fewest_that_fit_and_the_most_even_of_those(
    widths: list[float], gap: float, limit: float
) -> None:
    fitting = [
        lines
        for lines in every_way(len(widths))
        if all(width(widths, line, gap) <= limit for line in lines)
    ]

    lines = balanced_lines(widths, [gap] * len(widths), limit=limit)

    if not fitting:
        assert lines is None
        return
    assert lines is not None
    assert len(lines) == len(fitting[0])

    def unevenness(lines: list[Line]) -> float:
        return sum(width(widths, line, gap) ** 2 for line in lines)

    best = min(unevenness(other) for other in fitting if len(other) == len(lines))
    assert unevenness(lines) <= best * (1 + 1e-9)


def test_no_short_word_is_left_alone_on_the_last_line() -> None:
    widths = [3.0, 3.0, 3.0, 3.0, 1.0]

    lines = balanced_lines(widths, [0.3] * 5, limit=13.0)

    assert lines == [(0, 2), (2, 5)]

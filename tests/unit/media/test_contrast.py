"""How well two colours can be told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefab.media.contrast import contrast_ratio

COLOURS = st.tuples(*[st.integers(0, 255)] * 3)


@pytest.mark.parametrize(
    ("a", "b", "ratio"),
    [
        ((0, 0, 0), (255, 255, 255), 21.0),
        ((119, 119, 119), (255, 255, 255), 4.48),
        ((255, 0, 0), (255, 255, 255), 4.0),
        ((0, 0, 255), (255, 255, 255), 8.59),
        ((18, 52, 86), (18, 52, 86), 1.0),
    ],
)
def test_the_ratio_is_that_of_the_published_measure(
    a: tuple[int, int, int], b: tuple[int, int, int], ratio: float
) -> None:
    assert contrast_ratio(a, b) == pytest.approx(ratio, abs=0.005)


@given(COLOURS, COLOURS)
def test_the_ratio_is_symmetric_and_lies_between_1_and_21(
    a: tuple[int, int, int], b: tuple[int, int, int]
) -> None:
    ratio = contrast_ratio(a, b)

    assert ratio == contrast_ratio(b, a)
    assert 1.0 <= ratio <= 21.0 + 1e-9

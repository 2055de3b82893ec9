"""Which rungs a film is offered in."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cinefab.core.brief import Size
from cinefab.deliver.ladder import rung_name, rungs_of

SIDES = st.integers(32, 960).map(lambda half: half * 2)


def test_a_film_is_offered_in_its_own_size_and_three_common_ones_below() -> None:
    assert [str(size) for size in rungs_of(Size(1920, 1080))] == [
        "1920x1080",
        "1280x720",
        "854x480",
        "640x360",
    ]
    assert [str(size) for size in rungs_of(Size(1280, 720))] == [
        "1280x720",
        "854x480",
        "640x360",
        "426x240",
    ]


def test_an_upright_film_is_counted_by_its_width() -> None:
    assert [rung_name(size) for size in rungs_of(Size(1080, 1920))] == [
        "1080p",
        "720p",
        "480p",
        "360p",
    ]
    assert rungs_of(Size(1080, 1920), [1080, 540])[1] == Size(540, 960)


@given(SIDES, SIDES)
def test_rungs_fall_are_even_and_are_never_larger_than_the_film(width: int, height: int) -> None:
    rungs = rungs_of(Size(width, height))

    assert rungs[0] == Size(width, height)
    assert 1 <= len(rungs) <= 4
    for above, below in pairwise(rungs):
        assert min(below.width, below.height) < min(above.width, above.height)
    for rung in rungs:
        assert rung.width % 2 == rung.height % 2 == 0
        assert 2 <= rung.width <= width
        assert 2 <= rung.height <= height
        assert abs(rung.width * height - rung.height * width) <= 2 * max(width, height)

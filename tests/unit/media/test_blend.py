"""One picture takes over from another."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefab.media.blend import dip, dissolve, eased, wipe, yuv_of
from cinefab.media.frames import Frame

WIDTH, HEIGHT = 320, 180
Blend = Callable[[Frame, Frame, float], Frame]


def dip_orange(old: Frame, new: Frame, progress: float) -> Frame:
    return dip(old, new, progress, colour="#f05a28")


def a_picture(seed: int, *, width: int = WIDTH, height: int = HEIGHT) -> Frame:
    chance = np.random.default_rng(seed)
    return chance.integers(16, 236, (height * 3 // 2, width), np.uint8)


def flat(level: int) -> Frame:
    return np.full((HEIGHT * 3 // 2, WIDTH), level, np.uint8)


@pytest.mark.parametrize("blend", [dissolve, wipe, dip_orange])
@pytest.mark.parametrize(("width", "height"), [(320, 180), (96, 54), (98, 50), (2, 2)])
def test_a_blend_starts_with_the_old_picture_and_ends_with_the_new(
    blend: Blend, width: int, height: int
) -> None:
    old, new = a_picture(1, width=width, height=height), a_picture(2, width=width, height=height)

    assert np.array_equal(blend(old, new, 0.0), old)
    assert np.array_equal(blend(old, new, 1.0), new)


@pytest.mark.parametrize("blend", [dissolve, wipe])
@given(progress=st.floats(0, 1))
def test_where_both_pictures_agree_nothing_changes(blend: Blend, progress: float) -> None:
    picture = a_picture(3)

    assert np.array_equal(blend(picture, picture, progress), picture)


@pytest.mark.parametrize("blend", [dissolve, wipe, dip_orange])
def test_a_blend_leaves_its_pictures_alone(blend: Blend) -> None:
    old, new = a_picture(1), a_picture(2)

    blend(old, new, 0.4)

    assert np.array_equal(old, a_picture(1))
    assert np.array_equal(new, a_picture(2))


@given(progress=st.floats(0, 1))
def test_a_wipe_mixes_two_pictures_only_inside_a_narrow_rim(progress: float) -> None:
    old, new = flat(40), flat(200)

    luma = wipe(old, new, progress)[:HEIGHT]

    mixed = (luma != 40) & (luma != 200)
    assert mixed.sum(axis=1).max() <= 0.05 * WIDTH + 1
    assert (np.diff(luma.astype(int), axis=1) <= 0).all(), "new on the left, old on the right"


@given(progress=st.floats(0, 1))
def test_a_wipe_moves_luma_and_chroma_together(progress: float) -> None:
    wiped = wipe(flat(40), flat(200), progress).reshape(-1)

    luma = wiped[: WIDTH * HEIGHT].reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(1, 3))
    chroma = wiped[WIDTH * HEIGHT :].reshape(2, HEIGHT // 2, WIDTH // 2)

    assert np.abs(luma - chroma).max() <= 6
    assert np.array_equal(chroma[0], chroma[1])


def test_a_wipe_only_ever_advances() -> None:
    covered = [
        int((wipe(flat(40), flat(200), eased(index, 12))[:HEIGHT] > 120).sum())
        for index in range(12)
    ]

    assert all(earlier < later for earlier, later in pairwise(covered))
    assert covered[0] < 0.02 * WIDTH * HEIGHT
    assert covered[-1] > 0.98 * WIDTH * HEIGHT


def test_a_dip_is_all_colour_in_the_middle_and_never_shows_both_pictures() -> None:
    middle = dip(flat(40), flat(200), 0.5, colour="#f05a28").reshape(-1)
    planes = middle[: WIDTH * HEIGHT], *middle[WIDTH * HEIGHT :].reshape(2, -1)

    assert [int(plane.min()) for plane in planes] == list(yuv_of("#f05a28"))
    assert [int(plane.max()) for plane in planes] == list(yuv_of("#f05a28"))
    assert np.array_equal(
        dip(flat(40), flat(200), 0.3, colour="#f05a28"),
        dip(flat(40), flat(90), 0.3, colour="#f05a28"),
    )


@pytest.mark.parametrize(
    ("colour", "yuv"),
    [
        ("#000000", (16, 128, 128)),
        ("#ffffff", (235, 128, 128)),
        ("#ff0000", (63, 102, 240)),
        ("#00ff00", (173, 42, 26)),
        ("#0000ff", (32, 240, 118)),
    ],
)
def test_colours_become_bt709_in_limited_range(colour: str, yuv: tuple[int, int, int]) -> None:
    assert yuv_of(colour) == yuv


@given(count=st.integers(1, 100))
def test_progress_is_slow_at_both_ends_and_never_arrives(count: int) -> None:
    steps = [eased(index, count) for index in range(count)]

    assert all(0 < step < 1 for step in steps)
    assert all(earlier < later for earlier, later in pairwise(steps))
    assert steps == pytest.approx([1 - step for step in reversed(steps)])

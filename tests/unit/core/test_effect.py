"""What effects ask of the frames before them, followed back to the model."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cinefab.core.brief import EffectOrder, Size
from cinefab.core.effect import (
    EffectNeed,
    PlannedEffect,
    Stretch,
    asked_size,
    stretches,
    with_files,
)

needs = st.lists(
    st.builds(
        EffectNeed,
        shrink=st.integers(1, 3),
        thin=st.integers(1, 3),
        before=st.integers(0, 5),
        after=st.integers(0, 5),
    ),
    max_size=4,
)


@st.composite
def shots(draw: st.DrawFn) -> tuple[Stretch, int]:
    lead, frames, trail = draw(st.integers(0, 9)), draw(st.integers(2, 90)), draw(st.integers(0, 9))
    whole = Stretch(
        size=Size(1280, 720),
        fps=Fraction(24),
        first=-lead,
        frames=lead + frames + trail,
        extent_first=-lead,
        extent_end=frames + trail,
        shot_frames=frames,
    )
    return whole, draw(st.integers(1, whole.frames - 1))


def test_without_effects_the_model_makes_what_is_wanted() -> None:
    wanted = Stretch(
        size=Size(64, 64),
        fps=Fraction(24),
        first=0,
        frames=5,
        extent_first=0,
        extent_end=9,
        shot_frames=9,
    )

    assert stretches([], wanted) == (wanted,)


def test_upsampling_asks_for_a_smaller_picture_and_interpolation_for_fewer_frames() -> None:
    wanted = Stretch(
        size=Size(1280, 720),
        fps=Fraction(24),
        first=0,
        frames=48,
        extent_first=0,
        extent_end=48,
        shot_frames=48,
    )

    made, between, given = stretches([EffectNeed(shrink=2), EffectNeed(thin=2)], wanted)

    assert given == wanted
    assert (between.size, between.fps, between.frames) == (Size(1280, 720), Fraction(12), 25)
    assert (made.size, made.fps, made.frames) == (Size(640, 360), Fraction(12), 25)


@given(needs, shots())
def test_a_part_asks_for_nothing_that_the_whole_does_not_have(
    asked: list[EffectNeed], shot: tuple[Stretch, int]
) -> None:
    whole, cut = shot
    part = Stretch(
        size=whole.size,
        fps=whole.fps,
        first=whole.first,
        frames=cut,
        extent_first=whole.extent_first,
        extent_end=whole.extent_end,
        shot_frames=whole.shot_frames,
    )

    for of_whole, of_part in zip(stretches(asked, whole), stretches(asked, part), strict=True):
        assert (of_part.extent_first, of_part.extent_end) == (
            of_whole.extent_first,
            of_whole.extent_end,
        )
        assert of_part.first >= of_whole.first
        assert of_part.first + of_part.frames <= of_whole.first + of_whole.frames
        assert of_part.size.width % 2 == of_part.size.height % 2 == 0


def test_only_what_is_written_as_a_file_is_one() -> None:
    order = EffectOrder(name="x", settings='{"lut":{"file":"a.cube"},"name":"file"}')

    kept = with_files(order, lambda setting, place: f"{setting}:{place}")

    assert kept.settings == '{"lut":{"file":"lut:a.cube"},"name":"file"}'


def test_the_model_draws_a_picture_as_small_as_all_effects_together_ask_for() -> None:
    def effect(shrink: int) -> PlannedEffect:
        need = EffectNeed(shrink=shrink)
        return PlannedEffect(
            name="x", version="1", settings="{}", files=(), references=(), need=need
        )

    assert asked_size([effect(2), effect(1), effect(3)], Size(1280, 720)) == Size(214, 120)
    assert asked_size([], Size(1280, 720)) == Size(1280, 720)

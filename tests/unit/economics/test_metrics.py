"""The factory's metrics are exact, and unknown stays unknown."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinefab.core.stage import TimeClass
from cinefab.core.units import DeviceUs, Uusd
from cinefab.economics.metrics import (
    as_bp,
    availability,
    cost_per_delivered_minute_uusd,
    cost_per_second,
    first_pass_yield,
    net_oee,
    performance,
    productive_us,
    quality,
    rate_of,
    utilisation,
)

TIME = {
    TimeClass.DOWN: DeviceUs(100),
    TimeClass.IDLE: DeviceUs(200),
    TimeClass.LOAD: DeviceUs(100),
    TimeClass.GOOD: DeviceUs(450),
    TimeClass.REWORK: DeviceUs(60),
    TimeClass.SCRAP: DeviceUs(90),
}


@pytest.mark.parametrize(
    ("cost", "frames", "fps", "per_minute"),
    [
        (1_000, 24 * 60, Fraction(24), 1_000),
        (1_000, 24 * 30, Fraction(24), 2_000),
        (1, 24 * 120, Fraction(24), 1),  # half a µUSD is rounded up
        (1, 24 * 121, Fraction(24), 0),
        (1_001, 1_000, Fraction(30_000, 1_001), 1_800),  # 29.97 frames a second, exactly
        (0, 24, Fraction(24), 0),
    ],
)
def test_the_cost_of_a_delivered_minute(
    cost: int, frames: int, fps: Fraction, per_minute: int
) -> None:
    assert (
        cost_per_delivered_minute_uusd(Uusd(cost), delivered_frames=frames, fps=fps) == per_minute
    )


def test_an_unknown_cost_and_an_empty_delivery_have_no_cost_a_minute() -> None:
    fps = Fraction(24)

    assert cost_per_delivered_minute_uusd(None, delivered_frames=24, fps=fps) is None
    assert cost_per_delivered_minute_uusd(Uusd(5), delivered_frames=0, fps=fps) is None
    assert cost_per_second(Uusd(5), frames=0, fps=fps) is None


@settings(deadline=None)
@given(
    cost=st.integers(0, 10**15),
    frames=st.integers(1, 10**7),
    fps=st.sampled_from([Fraction(24), Fraction(24_000, 1_001), Fraction(60)]),
)
def test_a_minutes_cost_is_within_half_a_micro_dollar_of_the_exact_one(
    cost: int, frames: int, fps: Fraction
) -> None:
    rounded = cost_per_delivered_minute_uusd(Uusd(cost), delivered_frames=frames, fps=fps)

    assert rounded is not None
    assert -Fraction(1, 2) < rounded - cost * 60 * fps / frames <= Fraction(1, 2)


def test_the_shares_of_a_fleets_day() -> None:
    assert availability(TIME) == Fraction(9, 10)
    assert utilisation(TIME) == Fraction(7, 10)
    assert productive_us(TIME) == 600
    assert performance(TIME, ideal_finished_us=DeviceUs(480)) == Fraction(8, 10)
    assert quality(ideal_accepted_us=DeviceUs(400), ideal_finished_us=DeviceUs(480)) == Fraction(
        5, 6
    )
    assert net_oee(TIME, ideal_accepted_us=DeviceUs(400)) == Fraction(4, 10)
    assert rate_of(TimeClass.SCRAP, TIME) == Fraction(15, 100)
    assert rate_of(TimeClass.REWORK, TIME) == Fraction(1, 10)
    assert rate_of(TimeClass.SPEC_WASTE, TIME) == 0


def test_net_oee_is_the_product_of_its_factors() -> None:
    finished, accepted = DeviceUs(480), DeviceUs(400)
    working = Fraction(productive_us(TIME), sum(TIME.values()))

    product = (
        working
        * (performance(TIME, ideal_finished_us=finished) or 0)
        * (quality(ideal_accepted_us=accepted, ideal_finished_us=finished) or 0)
    )

    assert net_oee(TIME, ideal_accepted_us=accepted) == product


def test_nothing_leased_and_nothing_started_have_no_shares() -> None:
    assert availability({}) is None
    assert utilisation({}) is None
    assert net_oee({}, ideal_accepted_us=DeviceUs(0)) is None
    assert rate_of(TimeClass.SCRAP, {TimeClass.IDLE: DeviceUs(5)}) is None
    assert first_pass_yield(accepted_without_rework=0, started=0) is None


def test_first_pass_yield_counts_what_was_accepted_as_it_first_came_out() -> None:
    assert first_pass_yield(accepted_without_rework=7, started=8) == Fraction(7, 8)
    assert as_bp(first_pass_yield(accepted_without_rework=7, started=8)) == 8_750
    assert as_bp(Fraction(2, 3)) == 6_667
    assert as_bp(None) is None

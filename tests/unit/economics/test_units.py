"""Splits and prices lose nothing: what the ledger's arithmetic stands on."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinefab.core.units import DeviceUs, largest_remainder, price_of

# A busy machine may stall any example: the properties are about sums, not speed.
PATIENT = settings(deadline=None)
WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=30).filter(any)
TOTALS = st.integers(0, 10**15)


@PATIENT
@given(total=TOTALS, weights=WEIGHTS)
def test_a_split_sums_to_the_whole_and_each_part_is_within_one_of_its_share(
    total: int, weights: list[int]
) -> None:
    parts = largest_remainder(total, weights)

    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(total * weight, sum(weights))) < 1
        assert weight > 0 or part == 0


@PATIENT
@given(total=TOTALS, weights=WEIGHTS)
def test_a_larger_weight_never_gets_a_smaller_part(total: int, weights: list[int]) -> None:
    parts = largest_remainder(total, weights)

    by_weight = sorted(zip(weights, parts, strict=True))
    for (lighter, smaller), (heavier, larger) in pairwise(by_weight):
        assert lighter == heavier or smaller <= larger


@PATIENT
@given(total=TOTALS, weights=WEIGHTS, data=st.data())
def test_who_comes_first_decides_between_equals_alone(
    total: int, weights: list[int], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(weights))

    parts = sorted(zip(weights, largest_remainder(total, weights), strict=True))

    assert parts == sorted(zip(shuffled, largest_remainder(total, shuffled), strict=True))


@PATIENT
@given(total=TOTALS, count=st.integers(1, 30))
def test_equal_weights_get_parts_that_differ_by_one_at_most_the_earlier_the_larger(
    total: int, count: int
) -> None:
    parts = largest_remainder(total, [1] * count)

    assert parts[0] - parts[-1] in (0, 1)
    assert list(parts) == sorted(parts, reverse=True)


@pytest.mark.parametrize(("total", "weights"), [(1, [0, 0]), (1, []), (5, [3, -1])])
def test_what_cannot_be_split_is_refused(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot split"):
        largest_remainder(total, weights)


@PATIENT
@given(us=st.integers(0, 10**13), nusd_per_s=st.integers(0, 10**9))
def test_a_price_is_rounded_up_by_less_than_a_micro_dollar(us: int, nusd_per_s: int) -> None:
    exact = Fraction(us * nusd_per_s, 10**9)

    assert 0 <= price_of(DeviceUs(us), nusd_per_s=nusd_per_s) - exact < 1


@PATIENT
@given(
    parts=st.lists(st.integers(0, 10**9), min_size=1, max_size=9),
    nusd_per_s=st.integers(0, 10**9),
)
def test_pricing_the_whole_never_costs_more_than_pricing_its_parts(
    parts: list[int], nusd_per_s: int
) -> None:
    def price(us: int) -> int:
        return price_of(DeviceUs(us), nusd_per_s=nusd_per_s)

    assert max(map(price, parts)) <= price(sum(parts)) <= sum(map(price, parts))

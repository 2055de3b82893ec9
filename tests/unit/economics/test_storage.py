"""What storage costs: exact to the micro-dollar however often it is charged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefab.economics.errors import PriceInvalid
from cinefab.economics.storage import WHOLE, cost_of, split, storage_price

AMOUNTS = st.lists(st.integers(0, 10**15), min_size=1, max_size=30)


def test_a_gigabyte_for_a_month_costs_its_price() -> None:
    byte_s = 10**9 * 30 * 86_400

    assert cost_of(byte_s, nusd_per_gb_month=23_000_000, carried=0) == (23_000, 0)


@given(AMOUNTS, st.integers(0, 10**10))
def test_many_short_periods_cost_what_one_long_one_does(amounts: list[int], price: int) -> None:
    total, carry = 0, 0
    for byte_s in amounts:
        cost, carry = cost_of(byte_s, nusd_per_gb_month=price, carried=carry)
        total += cost or 0
        assert 0 <= carry < WHOLE

    assert total == sum(amounts) * price // WHOLE


@given(st.integers(0, 10**9), AMOUNTS)
def test_lines_sum_to_their_period(cost: int, amounts: list[int]) -> None:
    assert sum(part or 0 for part in split(cost, amounts)) == cost  # type: ignore[arg-type]


def test_without_a_price_the_cost_is_unknown_and_nothing_is_carried_away() -> None:
    assert storage_price("") is None
    assert cost_of(10**12, nusd_per_gb_month=None, carried=7) == (None, 7)
    assert split(None, [1, 2]) == [None, None]


@pytest.mark.parametrize("text", ["free", "-1", "nan", "1e9", "0,02"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(PriceInvalid, match="gigabyte and month"):
        storage_price(text)

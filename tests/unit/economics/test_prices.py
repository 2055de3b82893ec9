"""Prices are read exactly from what people write, and what is no price is refused."""

from __future__ import annotations

import pickle
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinefab.economics.errors import PriceInvalid
from cinefab.economics.prices import PriceBook


@pytest.mark.parametrize(
    ("usd_per_hour", "nusd_per_s"),
    [
        ("0.045", 12_500),
        ("3.6", 1_000_000),
        ("0", 0),
        (" 2.49 ", 691_667),  # 691666.67 exactly: the nearest whole nano-dollar
        ("3.6e1", 10_000_000),
        ("1000000", 277_777_777_778),
    ],
)
def test_dollars_an_hour_become_whole_nano_dollars_a_second(
    usd_per_hour: str, nusd_per_s: int
) -> None:
    assert PriceBook.from_usd_per_hour({"gpu": usd_per_hour}).find("gpu") == nusd_per_s


@settings(deadline=None)
@given(st.decimals(min_value=0, max_value=1_000_000, places=9))
def test_a_price_is_rounded_by_at_most_half_a_nano_dollar_a_second(price: Decimal) -> None:
    found = PriceBook.from_usd_per_hour({"gpu": str(price)}).find("gpu")

    assert found is not None
    assert abs(found - Fraction(price) * 10**9 / 3600) <= Fraction(1, 2)


@pytest.mark.parametrize("text", ["", "free", "-0.01", "NaN", "sNaN", "inf", "1000000.01", "1,5"])
def test_what_is_no_price_is_refused_by_name(text: str) -> None:
    with pytest.raises(PriceInvalid, match="device class 'gpu'") as caught:
        PriceBook.from_usd_per_hour({"cpu": "0.045", "gpu": text})

    assert "0.045" in caught.value.remedy


def test_a_device_class_that_is_not_in_the_book_is_unpriced_not_free() -> None:
    assert PriceBook.from_usd_per_hour({"cpu": "0"}).find("cpu") == 0
    assert PriceBook.from_usd_per_hour({"cpu": "0"}).find("gpu") is None
    assert PriceBook().find("cpu") is None


def test_a_price_book_crosses_process_borders() -> None:
    book = PriceBook.from_usd_per_hour({"cpu": "0.045"})

    assert pickle.loads(pickle.dumps(book)) == book

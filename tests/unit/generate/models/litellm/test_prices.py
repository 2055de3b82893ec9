"""A price map as a price book: what it does not say stays unknown."""

from __future__ import annotations

from typing import Any

import pytest

from cinefab.core.brief import Size
from cinefab.generate.models.litellm.prices import PriceMap, uusd_of
from cinefab.generate.services.prices import Prices

FILM: dict[str, Any] = {
    "output_cost_per_second": 0.165025,
    "output_cost_per_second_480p": 0.041256,
    "output_cost_per_second_1080p": 0.165025,
}
BOOK = PriceMap(
    version="1.2.3",
    entries={
        "wan/film": FILM,
        "openai/tiers": {"output_cost_per_second_720p": 0.1, "output_cost_per_second_4k": 0.4},
        "picture": {"input_cost_per_image": 0.02},
        "1024-x-1024/picture": {"output_cost_per_image": 0.04},
        "by-token": {"output_cost_per_image_token": 0.00004},
        "nobody-looked": {"output_cost_per_image": 0.0, "output_cost_per_second": 0.0},
    },
)


@pytest.mark.parametrize(
    ("model", "task", "size", "prices"),
    [
        ("wan/film", "text-to-video", None, Prices(per_second=165_025)),
        ("wan/film", "text-to-video", Size(854, 480), Prices(per_second=41_256)),
        ("wan/film", "text-to-video", Size(1280, 720), Prices(per_second=165_025)),
        ("openai/tiers", "image-to-video", None, Prices(per_second=400_000)),
        ("openai/picture", "text-to-image", None, Prices(per_run=20_000)),
        ("openai/picture", "text-to-image", Size(1024, 1024), Prices(per_run=40_000)),
        ("by-token", "text-to-image", None, Prices()),
        ("nobody-looked", "text-to-image", None, Prices()),
        ("nobody-looked", "text-to-video", None, Prices()),
        ("absent", "text-to-video", None, Prices()),
        ("picture", "text-to-audio", None, Prices()),
    ],
)
def test_a_price_is_what_the_map_says_of_the_model_and_the_size(
    model: str, task: str, size: Size | None, prices: Prices
) -> None:
    assert BOOK.prices_of(model, task=task, size=size) == prices


def test_dollars_are_rounded_up_and_never_become_nothing() -> None:
    assert [uusd_of(each) for each in (0.0000001, 1.5, None, 0.0)] == [1, 1_500_000, None, None]
    assert BOOK.source == "litellm 1.2.3"

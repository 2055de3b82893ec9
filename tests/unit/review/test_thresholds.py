"""Thresholds are configuration: known by name, whole numbers, defaults for the rest."""

from __future__ import annotations

import pytest
from studio_runs import REPOSITORY

from cinefab.app.settings import SettingsInvalid, load_settings
from cinefab.review.thresholds import (
    DEFAULTS,
    Bounds,
    bounds_from,
    moved,
    not_allowed,
    thresholds_from,
)


def test_a_named_threshold_moves_and_the_others_stay() -> None:
    moved = thresholds_from({"freeze_ms_max": 900})

    assert moved.freeze_ms_max == 900
    assert moved.black_ms_max == DEFAULTS.black_ms_max


def test_a_threshold_is_set_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFAB_REVIEW_THRESHOLDS", "black_ms_max=500, freeze_ms_max=900")

    settings = load_settings()

    assert settings.review_thresholds == {"black_ms_max": 500, "freeze_ms_max": 900}


def test_an_unknown_threshold_is_refused_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CINEFAB_REVIEW_THRESHOLDS", "blackness=3")

    with pytest.raises(SettingsInvalid) as refused:
        load_settings()

    assert "review_thresholds" in refused.value.found
    assert "'blackness' is no threshold" in refused.value.found
    assert "black_ms_max" in refused.value.found


def test_the_guide_names_every_threshold_with_its_default() -> None:
    guide = (REPOSITORY / "docs" / "how-to" / "review.md").read_text(encoding="utf-8")

    for name, value in DEFAULTS.as_dict().items():
        assert f"| `{name}` | {value} |" in guide


FREEZE = {"freeze_ms_max": Bounds(least=500, most=4000)}


@pytest.mark.parametrize("value", [500, 2000, 4000])
def test_a_brief_moves_a_line_within_its_bounds(value: int) -> None:
    lines = {"freeze_ms_max": value}

    assert not_allowed(DEFAULTS, lines, FREEZE) is None
    assert moved(DEFAULTS, lines).freeze_ms_max == value
    assert moved(DEFAULTS, lines).black_ms_max == DEFAULTS.black_ms_max


@pytest.mark.parametrize(
    ("lines", "found", "remedy"),
    [
        ({"freeze_ms_max": 499}, "499", "from 500 to 4000"),
        ({"freeze_ms_max": 4001}, "4001", "from 500 to 4000"),
        ({"black_ms_max": 2001}, "draws it at 2000", "review_bounds.black_ms_max"),
        ({"freeze_max_ms": 600}, "no check", "'freeze_ms_max'"),
    ],
)
def test_a_line_that_a_brief_may_not_draw_there_says_where_it_may(
    lines: dict[str, int], found: str, remedy: str
) -> None:
    wrong = not_allowed(DEFAULTS, lines, FREEZE)

    assert wrong is not None
    assert found in wrong.found
    assert remedy in wrong.remedy


def test_where_the_studio_draws_a_line_every_brief_may() -> None:
    assert not_allowed(DEFAULTS, {"black_ms_max": DEFAULTS.black_ms_max}, {}) is None


@pytest.mark.parametrize("bounds", [{"nothing": (0, 1)}, {"black_ms_max": (2, 1)}])
def test_bounds_that_cannot_be_are_refused(bounds: dict[str, tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match=next(iter(bounds))):
        bounds_from(bounds)

"""Thresholds are configuration: known by name, whole numbers, defaults for the rest."""

from __future__ import annotations

import pytest
from studio_runs import REPOSITORY

from cinefab.app.settings import SettingsInvalid, load_settings
from cinefab.review.thresholds import DEFAULTS, thresholds_from


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

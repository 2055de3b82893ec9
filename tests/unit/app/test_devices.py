"""What the studio's devices are: what the settings say, and what the machine has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cinefab.app.devices import StudioDevices
from cinefab.app.models import Broken, Models, look_at
from cinefab.app.settings import Settings, load_settings
from cinefab.core.errors import FitsNowhere


def settings(tmp_path: Path, **given: Any) -> Settings:
    return load_settings({"home": tmp_path, "workers": 2, **given})


def test_a_machine_is_its_processors_and_somebody_elses_service(tmp_path: Path) -> None:
    found = {each.name: each for each in StudioDevices(settings(tmp_path)).all}

    assert (found["host"].device_class, found["host"].places) == ("cpu-core", 2)
    assert found["host"].memory_bytes is not None
    assert (found["service"].places, found["service"].memory_bytes) == (8, None)


def test_devices_are_declared_one_by_one_or_as_many_that_are_alike(tmp_path: Path) -> None:
    given = {
        "cards": {"class": "cuda", "memory_gb": 80, "count": 2},
        "old": {"class": "cuda", "memory_gb": 24, "index": 7},
        "box": {"class": "cpu-core", "memory_gb": 1, "places": 4},
    }
    devices = StudioDevices(settings(tmp_path, devices=given))

    cards = [(each.name, each.memory_bytes, each.index) for each in devices.of_class("cuda")]
    assert cards == [
        ("cards-0", 80 << 30, 0),
        ("cards-1", 80 << 30, 1),
        ("old", 24 << 30, 7),
    ]
    assert [each.name for each in devices.of_class("cpu-core")] == ["box"]
    assert devices.places == {"cuda": 3, "cpu-core": 4, "service": 8}


def test_a_model_that_fits_nowhere_is_refused_and_the_others_are_not(tmp_path: Path) -> None:
    box = {"box": {"class": "cpu-core", "memory_gb": 0.3}}
    models = Models(settings(tmp_path, devices=box))

    with pytest.raises(FitsNowhere, match=r"box: it has 307.2 MiB, not 512 MiB"):
        models["procedural"]

    seen = {
        each.name if isinstance(each, Broken) else each.card.name: each for each in look_at(models)
    }
    assert isinstance(seen["procedural"], Broken)
    assert not isinstance(seen["clip"], Broken)

"""Which version a job gets: what is installed until a person takes the name in hand, then what is live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cinefab.core.brief import Brief
from cinefab.core.errors import BriefInvalid
from cinefab.core.ids import JobId
from cinefab.core.units import BasisPoints
from cinefab.generate.models.procedural.card import CARD
from cinefab.generate.registry import (
    Change,
    Made,
    ModelState,
    find_version,
    move_version,
    register,
)
from cinefab.ingest.brief import parse_brief
from cinefab.jobs.pins import (
    Chosen,
    Pins,
    Trial,
    choose,
    pinned,
    pins_from_text,
    pins_text,
    record_first_sight,
)
from cinefab.jobs.workshop import Model
from cinefab.store.database import Database
from cinefab.store.schema import METADATA

HAND = Change(by="prn_local", reason="", now_us=2)


@dataclass
class Recorder:
    db: Database


class Shop:
    """What choosing needs of a workshop: the records, and the models that can be had here."""

    def __init__(self, db: Database) -> None:
        self.recorder = Recorder(db)
        self.models: dict[str, Model] = {}

    def install(self, version: str, *, backend: str | None = "stepper") -> Model:
        """Have a version be what `spot` is now; those of a backend can be had for ever by name."""
        card = replace(CARD, name="spot", version=version)
        model = Model(card=card, entry="a:B", made=Made(backend=backend, settings={}))
        if backend is None:
            self.models = {}
        self.models |= {"spot": model, card.ref: model}
        return model


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Any]:
    db = Database(f"sqlite:///{tmp_path / 'cinefab.db'}")
    METADATA.create_all(db.engine)
    yield Shop(db)
    db.close()


def ordered(shop: Any, asked: str = "spot") -> Chosen:
    """Choose as the door does, and have the registry know."""
    chosen = choose(shop, asked)
    with shop.recorder.db.write() as connection:
        record_first_sight(connection, [chosen], now_us=1)
    return chosen


def state(shop: Any, ref: str) -> ModelState | None:
    with shop.recorder.db.read() as connection:
        found = find_version(connection, ref)
    return None if found is None else found.state


def add(shop: Any, version: str) -> None:
    model = shop.models[f"spot@{version}"]
    with shop.recorder.db.write() as connection:
        register(connection, model.card, model.made, change=HAND)


def move(shop: Any, version: str, to: ModelState, **given: Any) -> None:
    with shop.recorder.db.write() as connection:
        move_version(connection, f"spot@{version}", to=to, change=HAND, **given)


def test_a_name_that_nobody_touched_follows_what_is_installed(shop: Any) -> None:
    shop.install("1")
    first = ordered(shop)
    shop.install("2")
    second = ordered(shop)
    third = ordered(shop)

    assert [each.pins.model for each in (first, second)] == ["spot@1", "spot@2"]
    assert (state(shop, "spot@1"), state(shop, "spot@2")) == (ModelState.RETIRED, ModelState.LIVE)
    assert not third.is_new


def test_a_name_in_hand_gives_what_is_live_whatever_is_installed_by_now(shop: Any) -> None:
    shop.install("1")
    ordered(shop)
    add(shop, "1")
    shop.install("2")

    assert ordered(shop).pins.model == "spot@1"
    assert state(shop, "spot@2") is None
    add(shop, "2")
    move(shop, "2", ModelState.CANARY, share_bp=BasisPoints(2_500))
    pins = ordered(shop).pins
    assert (pins.model, pins.canary) == (
        "spot@1",
        Trial(ref="spot@2", share_bp=BasisPoints(2_500)),
    )


def test_a_package_that_was_exchanged_takes_its_name_along(shop: Any) -> None:
    shop.install("1", backend=None)
    ordered(shop)
    add(shop, "1")
    shop.install("2", backend=None)

    assert ordered(shop).pins.model == "spot@2"
    assert state(shop, "spot@1") is ModelState.RETIRED


def test_what_is_only_registered_is_asked_for_by_its_exact_name_alone(shop: Any) -> None:
    shop.install("1")
    add(shop, "1")

    with pytest.raises(BriefInvalid, match="no version of spot is live; spot@1 is registered"):
        choose(shop, "spot")
    assert ordered(shop, "spot@1").pins == Pins(asked="spot@1", model="spot@1")
    assert state(shop, "spot@1") is ModelState.REGISTERED


def test_a_retired_version_is_refused_and_names_its_successor(shop: Any) -> None:
    for version in ("1", "2"):
        shop.install(version)
        add(shop, version)
    move(shop, "1", ModelState.LIVE)
    move(shop, "1", ModelState.RETIRED, successor="spot@2")

    with pytest.raises(BriefInvalid, match="spot@1 is retired") as exactly:
        choose(shop, "spot@1")
    move(shop, "2", ModelState.RETIRED)
    with pytest.raises(BriefInvalid, match="spot is retired") as by_name:
        choose(shop, "spot")

    assert "Its successor is spot@2" in exactly.value.remedy
    assert "Its successor is spot@2" in by_name.value.remedy


def test_a_version_that_is_nowhere_is_refused_with_what_there_is(shop: Any) -> None:
    shop.install("1")

    with pytest.raises(BriefInvalid, match="'spot@7' is not installed, spot@1 is"):
        choose(shop, "spot@7")
    with pytest.raises(BriefInvalid, match="'none' is not installed"):
        choose(shop, "none")


def test_a_trial_that_cannot_be_had_here_hinders_no_film(shop: Any) -> None:
    shop.install("1")
    ordered(shop)
    shop.install("2")
    add(shop, "2")
    move(shop, "2", ModelState.SHADOW, share_bp=BasisPoints(10_000))
    assert ordered(shop).pins.shadows == (Trial(ref="spot@2", share_bp=BasisPoints(10_000)),)

    del shop.models["spot@2"]
    shop.models["spot"] = shop.models["spot@1"]

    assert ordered(shop).pins.shadows == ()


def test_a_share_is_of_shots_and_the_same_whoever_asks() -> None:
    trial = Trial(ref="spot@2", share_bp=BasisPoints(2_500))
    asked = [(JobId(f"job_{job}"), shot) for job in range(40) for shot in range(50)]

    gets = [trial.gets(job, shot) for job, shot in asked]

    assert gets == [trial.gets(job, shot) for job, shot in asked]
    assert 440 < sum(gets) < 560
    whole = Trial(ref="spot@2", share_bp=BasisPoints(10_000))
    assert all(whole.gets(job, shot) for job, shot in asked)


def test_pins_come_back_from_their_row_and_name_the_versions_in_a_brief() -> None:
    pins = (
        Pins(
            asked="spot",
            model="spot@1",
            canary=Trial(ref="spot@2", share_bp=BasisPoints(10)),
            shadows=(Trial(ref="spot@3", share_bp=BasisPoints(20)),),
        ),
        Pins(asked="small", model="small@4"),
    )
    text = "title: A film\nprompt: A cup\nmodel: spot\npreview_first: {model: small}\n"
    brief: Brief = parse_brief(text, origin="brief.yaml", now_us=0)

    kept = pins_from_text(pins_text(pins))
    exactly, film = pinned(brief, kept)

    assert kept == pins
    assert (exactly.model, film) == ("spot@1", pins[0])
    assert exactly.preview_first is not None
    assert exactly.preview_first.model == "small@4"
    assert pinned(brief, pins_from_text(None)) == (brief, None)

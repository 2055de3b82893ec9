"""Versions of a model from the first film to retirement, with jobs that began before each move."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from strangers import lay_down

from cinefab.app.models import ModelTable
from cinefab.app.settings import Settings
from cinefab.app.studio import Studio
from cinefab.core.errors import BriefInvalid
from cinefab.core.ids import JobId
from cinefab.core.units import BasisPoints
from cinefab.generate.profiles import beside_of, profiles_of, quality_of
from cinefab.generate.registry import (
    STUDIO,
    Change,
    ModelState,
    load_version,
    move_version,
    moves_of,
    register,
)
from cinefab.generate.tables import segment, shadow_take
from cinefab.ingest.brief import parse_brief
from cinefab.jobs.door import open_job
from cinefab.record.books import check_books

STEPPER = (Path(__file__).parents[1] / "support" / "stepper.py").read_text()
BRIEF = """\
title: {title}
model: {model}
shots:
  - {{seconds: 1, prompt: A red room, transition: cut}}
  - {{seconds: 1, prompt: A red door, transition: cut}}
output: {{size: 320x180, fps: 12}}
quality: preview
refine: {{attempts: 0}}
seed: 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    strangers = lay_down(
        tmp_path / "strangers",
        module="stepper",
        source=STEPPER,
        points={"models": {"stepper": "stepper:Stepper"}},
    )
    monkeypatch.syspath_prepend(str(strangers))
    return tmp_path


def a_studio(folder: Path, *, colour: int) -> Studio:
    table = ModelTable(backend="stepper", colour=colour)
    settings = Settings(home=folder, out=folder / "out", workers=1, models={"warm": table})
    return Studio(settings, tell=lambda _news: None)


def brief(title: str, model: str = "warm") -> Any:
    text = BRIEF.format(title=title, model=model)
    return parse_brief(text, origin="brief.yaml", now_us=0)


def order(studio: Studio, title: str, model: str = "warm") -> Mapping[str, Any]:
    report = studio.make(brief(title, model), base=studio.settings.home, requested_us=0)
    assert report["status"] == "delivered", report["failure"]
    return report


def begin(studio: Studio, title: str) -> JobId:
    """Order a film that nobody makes yet."""
    home = studio.settings.home
    opened = open_job(studio.shop, brief(title), base=home, out=studio.settings.out, requested_us=0)
    return opened.job


def made_by(report: Mapping[str, Any]) -> set[str]:
    return {each["made_by"] for each in report["lineage"] if each["kind"] == "segment"}


def by_hand(reason: str = "") -> Change:
    return Change(by="prn_local", reason=reason, now_us=1)


def move(studio: Studio, ref: str, to: ModelState, share: int | None = None) -> None:
    with studio.shop.recorder.db.write() as connection:
        share_bp = None if share is None else BasisPoints(share)
        move_version(connection, ref, to=to, share_bp=share_bp, change=by_hand())


def add(studio: Studio, colour: int) -> str:
    model = studio.shop.models.of_table(  # type: ignore[attr-defined]  # a studio's own are Models
        "warm", ModelTable(backend="stepper", colour=colour)
    )
    with studio.shop.recorder.db.write() as connection:
        return register(connection, model.card, model.made, change=by_hand()).ref


def test_a_version_in_the_shadow_makes_the_shots_again_and_nobody_pays_or_gets_them(
    folder: Path,
) -> None:
    with a_studio(folder, colour=90) as studio:
        order(studio, "Before")
        add(studio, 50)
        move(studio, "warm@1-50", ModelState.SHADOW, 10_000)

        report = order(studio, "Beside")

        with studio.shop.recorder.db.read() as connection:
            rows = connection.execute(sa.select(shadow_take).order_by(shadow_take.c.shot)).all()
            (profile,) = profiles_of(connection, "warm@1-50")
            quality = quality_of(connection, "warm@1-50")
            (beside,) = beside_of(connection, "warm@1-50")
            live = profiles_of(connection, "warm@1-90")
            kept = connection.execute(sa.select(sa.func.count()).select_from(segment)).scalar()
            assert check_books(connection, tenant=studio.shop.tenant).holds
        assert [(row.shot, row.outcome, row.beside) for row in rows] == [
            (0, "passed", "warm@1-90"),
            (1, "passed", "warm@1-90"),
        ]
        assert made_by(report) == {"warm@1-90"}
        assert kept == len(report["segments"])
        shadows = [each for each in report["stages"] if each["name"].startswith("shadow:")]
        assert [each["cost_uusd"] for each in shadows] == [0, 0]
        classes = {each["stage"]: each["by_class"] for each in report["leases"]}
        assert list(classes["shadow:0:0"]) == ["shadow"]
        assert (profile.runs, profile.frames, profile.device_class) == (2, 24, "cpu-core")
        assert 0 < profile.p50_us <= profile.p95_us
        assert (quality.takes, quality.passed_bp) == (2, 10_000)
        assert (beside.other, beside.both, beside.failed) == ("warm@1-90", 2, 0)
        assert live[0].runs == 2
        assert live[0].cost_uusd is not None


def test_a_job_stays_with_the_version_it_began_with_from_canary_to_retirement(
    folder: Path,
) -> None:
    with a_studio(folder, colour=90) as studio:
        first = order(studio, "Before anybody registered anything")
        assert made_by(first) == {"warm@1-90"}
        with studio.shop.recorder.db.read() as connection:
            seen = load_version(connection, "warm@1-90")
            assert (seen.state, seen.by_hand) == (ModelState.LIVE, False)
            assert [each.by for each in moves_of(connection, "warm@1-90")] == [STUDIO]

        before = begin(studio, "Begun before there was a canary")
        assert add(studio, 50) == "warm@1-50"
        move(studio, "warm@1-50", ModelState.CANARY, 10_000)
        tried = order(studio, "Made by the canary alone")
        assert made_by(tried) == {"warm@1-50"}
        assert tried["model"] == "warm@1-90"
        move(studio, "warm@1-50", ModelState.LIVE)
        assert made_by(order(studio, "Made by what is live now")) == {"warm@1-50"}

    # What the settings say by now makes another version: the one of before is made of what was kept.
    with a_studio(folder, colour=70) as studio:
        old = studio.go_on(before, stop=threading.Event())
        assert old["status"] == "delivered", old["failure"]
        assert made_by(old) == {"warm@1-90"}
        with pytest.raises(BriefInvalid, match="warm@1-90 is retired") as refused:
            order(studio, "Of a version that is retired", "warm@1-90")
        assert "warm@1-50" in refused.value.remedy
        assert refused.value.field == "model"

        again = order(studio, "Begun before there was a canary")
        assert made_by(again) == {"warm@1-50"}

        move(studio, "warm@1-50", ModelState.RETIRED)
        with pytest.raises(BriefInvalid, match="warm is retired"):
            begin(studio, "Of a model that has no version left")
        with studio.shop.recorder.db.read() as connection:
            assert check_books(connection, tenant=studio.shop.tenant).holds

"""A film that is shown on a cheap model first: one yes, and the dear one makes the same composition."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from opener import Opener
from studio_runs import PHOTO

from cinefab.app.settings import Settings
from cinefab.app.studio import Studio
from cinefab.core.errors import BriefInvalid, BudgetTooSmall
from cinefab.core.ids import AssetId, JobId
from cinefab.deliver.tables import release
from cinefab.ingest.brief import parse_brief
from cinefab.jobs.listing import load_listed
from cinefab.jobs.rounds import load_order
from cinefab.jobs.workshop import Model
from cinefab.media.decode import decode
from cinefab.media.frames import Frame
from cinefab.provenance.assets import load_asset
from cinefab.provenance.lineage import ancestors
from cinefab.record.books import check_books
from cinefab.review.gate import Choice
from cinefab.store.schema import outbox

BRIEF = """\
title: One cup, twice
model: opener
shots:
  - {seconds: 1, caption: First, references: [cup]}
  - {seconds: 1, caption: Second, references: [cup], transition: {kind: wipe, seconds: 0.25}}
references: {cup: {file: coffee.png, role: product}}
output: {size: 192x108, fps: 12}
brand: {colours: ["#6b1f12", "#f4e6d2"]}
quality: preview
seed: 3
"""
ASKED = BRIEF + "preview_first: {ask: true, within: 2h}\n"


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    (tmp_path / "coffee.png").write_bytes(PHOTO.read_bytes())
    settings = Settings(home=tmp_path, out=tmp_path / "out", workers=1)
    with Studio(settings, tell=lambda _news: None) as made:
        opener = Model(card=Opener().card, entry="opener:Opener")
        models = {name: made.shop.models[name] for name in ("procedural", "clip")}
        made.shop = replace(made.shop, models={**models, "opener": opener})
        yield made


def order(studio: Studio, text: str) -> Mapping[str, Any]:
    brief = parse_brief(text, origin="brief.yaml", now_us=0)
    return studio.make(brief, base=studio.settings.home, requested_us=0)


def events(studio: Studio, job: str) -> list[str]:
    with studio.shop.recorder.db.read() as connection:
        query = sa.select(outbox.c.kind).where(outbox.c.subject == job).order_by(outbox.c.id)
        return list(connection.execute(query).scalars())


def frames(path: str) -> list[Frame]:
    return list(decode(Path(path)))


def test_a_yes_to_the_preview_makes_the_film_of_its_composition_and_both_costs_are_told(
    studio: Studio,
) -> None:
    waits = order(studio, ASKED)
    shown = waits["preview_first"]

    assert waits["status"] == "needs_person"
    assert waits["asked"]["asked_by"] == "preview"
    assert "on opener@1, for about $" in waits["asked"]["question"]
    assert shown["model"].startswith("procedural@")
    assert len(frames(shown["film"])) == 24
    assert shown["answer"] is None
    assert not Path(waits["out"], "film.mp4").exists()
    assert events(studio, waits["job"]).count("preview.ready") == 1
    with studio.shop.recorder.db.read() as connection:
        listed = load_listed(connection, tenant=studio.shop.tenant, job=JobId(waits["job"]))
    assert (listed.preview_film, listed.film) == (shown["asset"], None)
    with studio.shop.recorder.db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(release)).scalar() == 0

    studio.decide(waits["job"], Choice.APPROVED, reason="Like this.")
    film = studio.go_on(waits["job"], stop=threading.Event())

    assert film["status"] == "delivered", film["failure"]
    made = film["preview_first"]
    assert made["answer"]["principal"] == "prn_local"
    assert made["answer"]["reason"] == "Like this."
    assert made["cost_uusd"] + made["film_cost_uusd"] == film["cost_uusd"]
    assert made["cost_uusd"] == shown["cost_uusd"] > 0
    assert events(studio, waits["job"]).count("preview.ready") == 1
    assert events(studio, waits["job"]).count("review.asked") == 1
    assert {each["model"] for each in film["segments"]} == {"opener@1"}
    assert [each["shot"] for each in made["begins_with"]] == [0, 1]
    assert film["yield"] == 1.0
    _follows_its_preview(studio, film)
    with studio.shop.recorder.db.read() as connection:
        assert check_books(connection, tenant=studio.shop.tenant).findings == ()


def _follows_its_preview(studio: Studio, film: Mapping[str, Any]) -> None:
    """Hold the film against its preview: by its lineage, and by what both show."""
    shop = studio.shop
    with shop.recorder.db.read() as connection:
        take = load_asset(connection, shop.tenant, AssetId(film["segments"][0]["asset"]))
        kinds = {each.asset.kind for each in ancestors(connection, shop.tenant, take)}
    assert {"start", "segment", "reference"} <= kinds
    pictures = [frames(film["preview_first"]["film"]), frames(film["film"])]
    for number in (0, 11, 23):
        small, large = (each[number].astype(float) for each in pictures)
        # Its words are laid over it elsewhere; the rest is where the preview has it.
        assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.8


@pytest.mark.long
def test_a_no_to_the_preview_charges_the_preview_alone(studio: Studio) -> None:
    waits = order(studio, ASKED)

    studio.decide(waits["job"], Choice.REJECTED, reason="Wrong cup.")
    report = studio.report(waits["job"])

    assert report["status"] == "refused"
    assert "Wrong cup." in report["failure"]["found"]
    assert report["preview_first"]["answer"]["choice"] == "rejected"
    assert report["preview_first"]["film_cost_uusd"] == sum(
        each["cost_uusd"] for each in report["stages"] if each["name"].startswith("ingest")
    )
    assert report["voided_uusd"] > 0


@pytest.mark.long
def test_what_is_sent_back_at_its_preview_is_shown_again_before_it_is_made(studio: Studio) -> None:
    waits = order(studio, BRIEF.replace("model: opener\n", "") + "preview_first: {ask: true}\n")

    studio.send_back(waits["job"], reason="Another camera.", changes=(), shots=(1,))
    again = studio.go_on(waits["job"], stop=threading.Event())

    assert again["status"] == "needs_person"
    assert again["preview_first"]["sha256"] != waits["preview_first"]["sha256"]
    assert again["preview_first"]["answer"] is None
    studio.decide(waits["job"], Choice.APPROVED, reason="")
    film = studio.go_on(waits["job"], stop=threading.Event())
    assert film["status"] == "delivered"
    assert load_order(studio.shop, film["job"]).brief.shots[1].seed is not None
    assert any("shares the preview's plan and seeds alone" in each for each in film["notes"])


def test_a_preview_that_its_model_or_the_budget_cannot_make_is_refused_at_the_door(
    studio: Studio,
) -> None:
    with pytest.raises(BriefInvalid) as unknown:
        order(studio, BRIEF + "preview_first: {model: nobody}\n")
    with pytest.raises(BriefInvalid) as unfit:
        order(studio, BRIEF + "preview_first: {model_settings: {steps: 4}}\n")
    with pytest.raises(BudgetTooSmall) as short:
        order(studio, BRIEF + "preview_first: true\nbudget: 0.00005\n")

    assert unknown.value.field == "preview_first.model"
    assert unfit.value.field == "preview_first"
    assert "for the preview on procedural@" in short.value.found
    assert "for the film on opener" in short.value.found
    with studio.shop.recorder.db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(outbox)).scalar() == 0

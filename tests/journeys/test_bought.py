"""A film of somebody else's engine: what it asks is charged, what it delivered is the film's origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from strangers import install
from studio_runs import Studio

from cinefab.core.canonical import sha256_of
from cinefab.provenance.tables import asset, credential
from cinefab.store.database import Database

BOUGHT = (Path(__file__).parents[1] / "support" / "bought.py").read_text()
BRIEF = """\
title: Bought
model: dear
shots: [{seconds: 1, prompt: A grey wall, transition: cut}]
output: {size: 320x180, fps: 12}
quality: preview
refine: {attempts: 0}
"""


def with_bought(studio: Studio, **settings: Any) -> Studio:
    install(studio, module="bought", source=BOUGHT, points={"models": {"bought": "bought:Bought"}})
    (studio.folder / "home").mkdir(exist_ok=True)
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (studio.folder / "home" / "cinefab.toml").write_text(
        "\n".join(["[models.dear]", 'backend = "bought"', *lines])
    )
    return studio


def test_a_file_that_was_delivered_is_the_takes_parent_with_the_credentials_that_it_carries(
    database_url: str, tmp_path: Path
) -> None:
    studio = Studio(tmp_path, database_url)
    earlier = studio.make(studio.brief())
    with_bought(studio, file=earlier["film"], asks_uusd=250_000)

    report = studio.make(studio.brief(BRIEF))

    assert report["status"] == "delivered"
    lineage = {each["kind"]: each for each in report["lineage"]}
    delivered = lineage["delivered"]
    assert delivered["sha256"] == sha256_of(Path(earlier["film"]).read_bytes())
    assert lineage["segment"]["sources"] == [delivered["asset"]]
    assert [each["amount_uusd"] for each in report["bills"]] == [250_000]
    by_stage = {stage["name"]: stage["cost_uusd"] for stage in report["stages"]}
    assert by_stage["generate:0"] >= 250_000
    assert report["cost_uusd"] == sum(by_stage.values())
    assert studio.check_books()["supplier_uusd"] == 250_000
    traced = json.loads(studio.run("trace", report["film"], "--json").stdout)
    assert '"engine": "bought/1"' in json.dumps(traced)
    shown = studio.run("verify", report["film"], "--json").stdout
    assert f"as delivered, {delivered['sha256'][:12]}" in shown
    db = Database(database_url)
    with db.read() as connection:
        kept = connection.execute(
            sa.select(credential.c.state, credential.c.label)
            .join(asset, asset.c.id == credential.c.asset_id)
            .where(asset.c.kind == "delivered")
        ).one()
    db.close()
    assert tuple(kept) == ("valid", earlier["content_credentials"]["label"])


def test_what_runs_on_somebody_elses_machine_costs_its_bill_and_is_unknown_without_one(
    database_url: str, tmp_path: Path
) -> None:
    studio = with_bought(Studio(tmp_path, database_url), device_class="service")
    silent = studio.make(studio.brief(BRIEF))
    with_bought(studio, device_class="service", asks_uusd=250_000, version="2")
    told = studio.make(studio.brief(BRIEF))

    assert (silent["status"], told["status"]) == ("delivered", "delivered")
    assert silent["cost_uusd"] is None
    assert silent["cost_per_delivered_minute_uusd"] is None
    assert [(each["supplier"], each["basis"]) for each in silent["bills"]] == [("dear", "unknown")]
    leases = {each["stage"]: each for each in told["leases"]}
    made = leases["generate:0"]
    assert (made["device_class"], made["cost_uusd"]) == ("service", 0)
    assert leases["assemble"]["device_class"] == "cpu-core"
    by_stage = {stage["name"]: stage["cost_uusd"] for stage in told["stages"]}
    assert by_stage["generate:0"] == 250_000
    found = studio.check_books()
    assert (found["supplier_uusd"], found["unknown_bills"]) == (250_000, 1)


def test_a_budget_is_refused_where_nobody_knows_what_a_service_will_ask(tmp_path: Path) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}")
    brief = studio.brief(BRIEF + "budget: 1\n")
    unknown = with_bought(studio, device_class="service").run("make", brief, "--json")
    with_bought(studio, device_class="service", price_uusd=2_000_000)
    dear = studio.run("make", brief, "--json")
    with_bought(studio, device_class="service", price_uusd=250_000, asks_uusd=250_000)
    made = studio.make(brief)

    assert unknown.returncode == dear.returncode == 4
    assert "'service'" in json.loads(unknown.stdout)["failure"]["found"]
    assert "estimate of $2." in json.loads(dear.stdout)["failure"]["found"]
    assert made["reserved_uusd"] == 1_000_000
    assert 250_000 < made["cost_uusd"] < 300_000


def test_a_caption_and_a_logo_are_seen_though_the_model_draws_neither(tmp_path: Path) -> None:
    studio = with_bought(Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}"))
    shots = "shots: [{seconds: 1, prompt: A grey wall, caption: Fresh today, transition: cut}]"
    marked = BRIEF.replace(BRIEF.splitlines()[2], shots) + (
        "references: {mark: {file: coffee.png, role: logo}}\nbrand: {logo: mark}\n"
    )

    report = studio.make(studio.brief(marked))

    assert report["status"] == "delivered"
    assert [each["effect"] for each in report["effects"]] == ["captions", "overlay", None]
    assert report["references"][0]["name"] == "mark"
    assert report["segments"][0]["made_by"] == "run"

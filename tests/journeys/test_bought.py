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

"""The example templates are made: in sound and picture, past their guardrails, sharing what they can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from studio_runs import PHOTO, REPOSITORY, SMALL_BRIEF, Studio

from cinefab.store.database import Database
from cinefab.store.schema import log_leaf

EXAMPLES = REPOSITORY / "examples"


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    tmp_path.joinpath("out").mkdir()
    return Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}")


def example(studio: Studio, name: str) -> Path:
    """Write an example as it is, but small and quick."""
    text = (EXAMPLES / name).read_text()
    for old, new in (("1280x720", "320x180"), ("720x1280", "180x320"), ("720x720", "180x180")):
        text = text.replace(old, new)
    path = studio.folder / name
    path.write_text(text.replace("fps: 24", "fps: 12") + "  quality: preview\n")
    for picture in EXAMPLES.glob("news-*.png"):
        (studio.folder / picture.name).write_bytes(picture.read_bytes())
    return path


def made_by(report: dict[str, Any]) -> list[str]:
    return [segment["made_by"] for segment in report["segments"]]


def stages(report: dict[str, Any]) -> set[str]:
    return {stage["name"] for stage in report["stages"]}


def test_a_retail_spot_comes_of_a_photograph_and_passes_without_a_person(studio: Studio) -> None:
    words = ("--set", f"product={PHOTO}", "--set", "name=Slow coffee")

    report = studio.make(
        example(studio, "template-retail-spot.yaml"), *words, "--set", "promise=Poured slowly"
    )

    assert report["status"] == "delivered"
    assert report["delivered_seconds"] == 15
    assert len(report["shots"]) == 5
    assert report["template"]["name"] == "retail-spot"
    assert report["template"]["slots"]["name"] == "Slow coffee"
    assert report["template"]["reasons"] == [
        "nothing in it needs a person; it passes if its checks pass it"
    ]
    db = Database(studio.db)
    with db.read() as connection:
        body = connection.execute(
            sa.select(log_leaf.c.body).where(log_leaf.c.kind == "job.created")
        ).scalar_one()
    db.close()
    assert json.loads(body)["facts"]["template"] == report["template"]
    studio.check_books()


def test_a_news_summary_is_published_at_once_and_its_politics_wait_for_the_desk(
    studio: Studio,
) -> None:
    template = example(studio, "news-summary.yaml")

    local = studio.make(template, "--set", "headline=Morning at the harbour")
    politics = studio.make(template, "--set", "headline=The election is near", expect=5)

    assert local["status"] == "delivered"
    assert len({reference["name"] for reference in local["references"]}) == 3
    assert politics["status"] == "needs_person"
    assert politics["asked"]["queue"] == "strict"
    assert politics["template"]["categories"] == ["politics"]
    # The headline is another; the three pictures and their lines are the same, and are reused.
    assert {s["shot"] for s in politics["segments"] if s["made_by"] == "run"} == {0}
    told = studio.run("review", "approve", politics["job"])
    assert told.returncode == 1
    assert "no reason is given" in told.stderr
    done = studio.run("review", "approve", politics["job"], "--reason", "The desk read it.")
    assert done.returncode == 0, done.stderr
    studio.check_books()


def test_a_vertical_cut_and_a_square_one_share_what_has_no_shape_and_cuts_of_one_shape_segments(
    studio: Studio,
) -> None:
    template = example(studio, "social-cut.yaml")
    product = ("--set", f"product={PHOTO}")

    vertical = studio.make(template, *product)
    square = studio.make(template, *product, "--set", "shape=square")
    other_end = studio.make(template, *product, "--set", "close=Come in")

    assert (vertical["size"]["width"], vertical["size"]["height"]) == (180, 320)
    assert (square["size"]["width"], square["size"]["height"]) == (180, 180)
    # The photograph and its mask are the same assets, prepared once.
    assert "ingest:product" in stages(vertical)
    assert "ingest:product" not in stages(square)
    pictures = [
        {entry["asset"] for entry in report["lineage"] if entry["kind"] in ("picture", "mask")}
        for report in (vertical, square)
    ]
    assert pictures[0] == pictures[1] != set()
    assert made_by(square) == ["run"] * 3
    assert made_by(other_end) == ["reuse", "reuse", "run"]
    studio.check_books()


def test_a_film_that_is_sent_back_makes_only_what_changed_and_waits_again(studio: Studio) -> None:
    brief = studio.brief(SMALL_BRIEF + "review: required\n")
    waits = studio.make(brief, expect=5)
    # The photograph may be gone by then: what was kept at the door is what is made.
    (studio.folder / "coffee.png").unlink()
    back = ("review", "send-back", waits["job"], "--json")

    nothing = studio.run(*back, "--reason", "Hm.")
    wrong = studio.run(*back, "--reason", "Hm.", "--set", "shots[9].caption=X")
    again = studio.run(*back, "--reason", "Say it louder.", "--set", "shots[2].caption=LOUD")
    anew = studio.run(*back, "--reason", "Draw it otherwise.", "--shot", "0")

    assert nothing.returncode == 1
    assert "nothing is changed" in json.loads(nothing.stdout)["failure"]["found"]
    assert wrong.returncode == 2
    assert again.returncode == anew.returncode == 5, again.stderr + anew.stderr
    first, second = json.loads(again.stdout), json.loads(anew.stdout)
    assert first["job"] == second["job"] == waits["job"]
    assert [shot["caption"] for shot in second["shots"]] == ["First", "Second", "LOUD"]
    made = [{each["key"] for each in report["segments"]} for report in (waits, first, second)]
    changed = [
        {each["shot"] for each in report["segments"] if each["key"] not in before}
        for report, before in ((first, made[0]), (second, made[1]))
    ]
    assert changed == [{2}, {0}]
    assert len({report["asked"]["item"] for report in (waits, first, second)}) == 3
    done = studio.run("review", "approve", waits["job"], "--json")
    assert done.returncode == 0, done.stderr
    film = json.loads(done.stdout)
    choices = [each["choice"] for each in film["asked"]["decisions"]]
    assert choices == ["sent_back", "sent_back", "approved"]
    assert film["asked"]["decisions"][0]["changes"] == ["shots[2].caption=LOUD"]
    assert film["yield"] < 1
    assert film["cost_uusd"] == sum(stage["cost_uusd"] for stage in film["stages"])
    studio.check_books()

"""A model that is made of settings, from the command line to the film."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from strangers import install
from studio_runs import Studio

STEPPER = (Path(__file__).parents[1] / "support" / "stepper.py").read_text()
BRIEF = """\
title: Made in steps
model: warm
model_settings: {steps: 3}
shots:
  - {seconds: 1, prompt: A red room, transition: cut}
  - {seconds: 1, prompt: A red door, model_settings: {steps: 5}, transition: {kind: dissolve, seconds: 0.5}}
output: {size: 320x180, fps: 12}
quality: preview
refine: {attempts: 0}
"""
TABLE = """\
[models.warm]
backend = "stepper"
colour = 90
api_key_env = "STEPPER_KEY"

"""


@pytest.fixture
def studio(database_url: str, tmp_path: Path) -> Studio:
    return with_stepper(Studio(tmp_path, database_url))


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Studio:
    return with_stepper(Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}"))


def with_stepper(studio: Studio) -> Studio:
    points = {"models": {"stepper": "stepper:Stepper"}}
    install(studio, module="stepper", source=STEPPER, points=points)
    (studio.folder / "home").mkdir()
    (studio.folder / "home" / "cinefab.toml").write_text(TABLE)
    studio.environment["STEPPER_KEY"] = "a-key-that-nobody-may-see"
    return studio


def test_a_film_of_a_configured_model_is_made_reused_and_costed(studio: Studio) -> None:
    report = studio.make(studio.brief(BRIEF))
    again = studio.make(studio.brief(BRIEF))

    assert report["status"] == "delivered"
    segments = {each["made_by"] for each in again["segments"]}
    assert segments == {"reuse"}
    made = [each for each in report["lineage"] if each["kind"] == "segment"]
    assert {each["made_by"] for each in made} == {"warm@1-90"}
    shots = [
        each["parameters"]["input"]["settings"]["steps"] for each in made if each.get("parameters")
    ]
    assert set(shots) <= {3, 5}
    assert report["cost_uusd"] > 0
    studio.check_books()
    kept = [path for path in studio.folder.rglob("*") if path.is_file() and path.suffix != ".py"]
    assert not [path for path in kept if b"a-key-that-nobody-may-see" in path.read_bytes()]


def test_another_setting_is_another_film(on_sqlite: Studio) -> None:
    on_sqlite.make(on_sqlite.brief(BRIEF))
    changed = on_sqlite.make(on_sqlite.brief(BRIEF), "--set", "shots[1].model_settings.steps=6")

    made = {each["shot"]: each["made_by"] for each in changed["segments"]}
    assert made == {0: "reuse", 1: "run"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("shots[1].model_settings.steps=0", "shots[1].model_settings.steps"),
        ("model=warm@2", "model"),
    ],
)
def test_what_the_model_does_not_take_is_refused_by_its_place(
    on_sqlite: Studio, change: str, field: str
) -> None:
    done = on_sqlite.run("make", on_sqlite.brief(BRIEF), "--json", "--set", change)

    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["failure"]["field"] == field


def command(studio: Studio, *words: str) -> tuple[int, Any]:
    """Run a command that takes no database."""
    bare = Studio(studio.folder, studio.db, environment=studio.environment)
    bare.command = lambda *given: Studio.command(bare, *given)[:-2]  # type: ignore[method-assign]
    done = bare.run(*words, "--json")
    return done.returncode, json.loads(done.stdout)


def test_models_are_listed_and_held_against_their_contract(on_sqlite: Studio) -> None:
    _, listed = command(on_sqlite, "models", "ls")
    code, checked = command(on_sqlite, "models", "check", "warm")

    assert "warm@1-90" in [row["model"] for row in listed]
    assert (code, checked["keeps"]) == (0, True)
    states = {each["promise"]: each["state"] for each in checked["promises"]}
    assert states["goes-on-where-it-was-killed"] == "kept"


def test_a_table_that_makes_no_model_is_an_error_for_its_own_films_alone(
    on_sqlite: Studio,
) -> None:
    (on_sqlite.folder / "home" / "cinefab.toml").write_text(TABLE.replace("90", "300"))

    broken = on_sqlite.run("make", on_sqlite.brief(BRIEF), "--json")
    _, listed = command(on_sqlite, "models", "ls")

    assert broken.returncode != 0
    assert "models.warm.colour" in json.loads(broken.stdout)["failure"]["found"]
    rows = {row["model"]: row for row in listed}
    assert "models.warm.colour" in rows["warm"]["found"]
    assert "procedural@1.0.0" in rows

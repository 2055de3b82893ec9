"""A workflow of ComfyUI as a model, from the command line to the film, on an engine's wire format."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines.comfyui import ComfyuiStub
from studio_runs import REPOSITORY, Studio

BRIEF = """\
title: From a workflow
model: sketch
model_settings: {steps: 4, negative_prompt: people}
shots:
  - {seconds: 1, prompt: A red room, transition: cut}
  - {seconds: 1, prompt: A red door, model_settings: {steps: 6}, transition: cut}
output: {size: 320x180, fps: 12}
quality: preview
refine: {attempts: 0}
"""


@pytest.fixture
def engine() -> Iterator[ComfyuiStub]:
    with ComfyuiStub(key="a-key-that-nobody-may-see") as stub:
        yield stub


@pytest.fixture
def studio(engine: ComfyuiStub, tmp_path: Path) -> Studio:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}")
    (tmp_path / "home").mkdir()
    table = {
        "backend": "comfyui",
        "url": engine.url,
        "workflow": str(REPOSITORY / "examples" / "models" / "comfyui-text-to-video.json"),
        "api_key_env": "SKETCH_KEY",
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
    lines += ["megapixels = 0.02", "patience_s = 5"]
    (tmp_path / "home" / "cinefab.toml").write_text("\n".join(["[models.sketch]", *lines, ""]))
    studio.environment["SKETCH_KEY"] = engine.key
    return studio


def test_a_film_is_made_by_a_workflow_and_reused(studio: Studio, engine: ComfyuiStub) -> None:
    report = studio.make(studio.brief(BRIEF))
    again = studio.make(studio.brief(BRIEF))

    assert report["status"] == "delivered"
    assert {each["made_by"] for each in again["segments"]} == {"reuse"}
    steps = [each.nodes["3"]["inputs"]["steps"] for each in engine.executed]
    texts = [each.nodes["6"]["inputs"]["text"] for each in engine.executed]
    assert sorted(steps) == [4, 6]
    assert sorted(texts) == ["A red door", "A red room"]
    assert {each.nodes["7"]["inputs"]["text"] for each in engine.executed} == {"people"}
    assert engine.key not in json.dumps(report)


def test_a_film_whose_worker_was_killed_finds_its_prompt_and_is_billed_once(
    studio: Studio, engine: ComfyuiStub
) -> None:
    engine.step_s = 0.1
    settings = studio.folder / "home" / "cinefab.toml"
    settings.write_text(settings.read_text() + "price_uusd = 700\n")
    brief = studio.brief(
        BRIEF.replace("steps: 4,", "steps: 30,").replace("  - {seconds: 1, prompt: A red door", "#")
    )
    first = studio.start("make", brief, "--json", "--out", studio.folder / "out")
    until = time.monotonic() + 60
    while not engine.executed and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()

    report = studio.make(brief)

    assert report["status"] == "delivered"
    assert len(engine.executed) == 1
    studio.check_books()
    assert [each["amount_uusd"] for each in report["bills"]] == [700]


def test_what_the_engine_refuses_is_said_in_the_terms_of_the_brief(
    studio: Studio, engine: ComfyuiStub
) -> None:
    # The node with the negative prompt fails in its turn; the prompt's comes first.
    engine.raises["CLIPTextEncode"] = ("ValueError", "text has a word that nobody knows")

    done = studio.run("make", studio.brief(BRIEF), "--json")

    assert done.returncode != 0
    assert "a word that nobody knows" in done.stdout + done.stderr
    assert re.search(
        r"shots\[[01]\]\.prompt: ComfyUI does not take this", done.stdout + done.stderr
    )
    studio.check_books()


def test_a_setting_that_a_shot_has_of_its_own_is_refused_there(
    studio: Studio, engine: ComfyuiStub
) -> None:
    engine.raises["KSampler"] = ("ValueError", "that many steps cannot be made")
    single = BRIEF.replace("  - {seconds: 1, prompt: A red room, transition: cut}\n", "")

    done = studio.run("make", studio.brief(single), "--json")

    assert json.loads(done.stdout)["failure"]["field"] == "shots[0].model_settings.steps"


def test_what_was_understood_of_a_workflow_is_shown(studio: Studio) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cinefab", "models", "ls"],
        env=studio.env,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "guessed: prompt = 6.text; negative_prompt = 7.text" in done.stdout

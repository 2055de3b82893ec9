"""Models through the real litellm, against the engine of ours: asked once, priced or unknown."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brisk_clock import BriskClock
from engines.openai_media import Fault, OpenaiStub
from jsonschema import Draft202012Validator

from cinefab.conformance.models import PROMISES, NotPromised, Subject
from cinefab.core.errors import BriefInvalid, Cancelled, ContractMismatch, Unavailable
from cinefab.generate.models.litellm import Litellm
from cinefab.generate.run import Run

TABLE: dict[str, Any] = {
    "model": "openai/sora-2",
    "task": "text-to-video",
    "poll_s": 0.01,
    "patience_s": 3,
    "deterministic": True,
}


@pytest.fixture
def engine() -> Iterator[OpenaiStub]:
    with OpenaiStub() as stub:
        yield stub


def model(engine: OpenaiStub, python: str, **table: Any) -> Litellm:
    settings = TABLE | {"base_url": engine.url, "python": python} | table
    Draft202012Validator(dict(Litellm.settings_schema)).validate(settings)
    return Litellm("theirs", settings, {"api_key": "right"}, clock=BriskClock())


def subject(engine: OpenaiStub, python: str, folder: Path, **table: Any) -> Subject:
    return Subject(make=lambda: model(engine, python, **table), folder=folder)


def made(
    engine: OpenaiStub, python: str, folder: Path, run: Run | None = None, **table: Any
) -> list[Any]:
    asked = subject(engine, python, folder, **table).request()
    run = Run(folder=folder / "run") if run is None else run
    return [frame.copy() for frame in model(engine, python, **table).frames(asked, run)]


@pytest.mark.parametrize("promise", PROMISES)
def test_a_model_through_litellm_keeps_its_promise(
    promise: str, engine: OpenaiStub, python: str, tmp_path: Path
) -> None:
    try:
        PROMISES[promise](subject(engine, python, tmp_path))
    except NotPromised:
        assert promise not in ("says-what-it-is", "is-billed-once", "tells-its-steps")


@pytest.mark.parametrize("task", ["text-to-image", "image-to-image", "image-to-video"])
def test_every_task_gives_what_is_asked_for(
    task: str, engine: OpenaiStub, python: str, tmp_path: Path
) -> None:
    PROMISES["gives-what-is-asked-for"](subject(engine, python, tmp_path, task=task))

    [asked] = engine.made
    assert ("input_reference" in asked or "image[]" in asked) == task.startswith("image-to")


def test_a_picture_s_answer_is_kept_by_the_run_that_paid_for_it(
    engine: OpenaiStub, python: str, tmp_path: Path
) -> None:
    PROMISES["is-billed-once"](subject(engine, python, tmp_path, task="text-to-image"))
    asked = len(engine.made)

    for _process in range(2):
        made(engine, python, tmp_path, task="text-to-image")

    assert len(engine.made) == asked + 1


def test_speech_is_exactly_as_long_as_it_was_asked_for(
    engine: OpenaiStub, python: str, tmp_path: Path
) -> None:
    speaks = subject(engine, python, tmp_path, task="text-to-audio", model="openai/tts-1")
    run = Run()

    PROMISES["gives-what-is-asked-for"](speaks)
    sound = speaks.make().samples(speaks.sound_request(), run)

    assert np.abs(sound[:40_000]).max() == pytest.approx(8000 / 32768, rel=0.05)
    # As many letters at 15 dollars for a million, as litellm counts them: without blanks.
    prompt = speaks.sound_request().input["prompt"]  # type: ignore[call-overload,index]
    letters = len(str(prompt).replace(" ", ""))
    assert [(b.amount_uusd, b.basis) for b in run.bills] == [(15 * letters, "price-book")]


def test_a_film_is_priced_by_the_map_of_the_version_that_is_noted(
    engine: OpenaiStub, python: str, tmp_path: Path
) -> None:
    run = Run(folder=tmp_path / "run")

    frames = made(engine, python, tmp_path, run)

    card = model(engine, python).card
    assert len(frames) == 10
    assert card.price_uusd_per_second == 100_000
    # A second of sora-2, at ten cents.
    assert [(b.amount_uusd, b.basis, b.supplier) for b in run.bills] == [
        (100_000, "price-book", "openai")
    ]
    assert str(run.notes["prices"]).startswith("litellm 1.")
    assert run.notes["engine"] == run.notes["prices"]
    assert [path.name for path in run.delivered] == ["delivered.mp4"]


def test_what_the_map_does_not_have_is_unknown_and_the_table_goes_before_it(
    engine: OpenaiStub, python: str, tmp_path: Path
) -> None:
    unknown, own = Run(folder=tmp_path / "a"), Run(folder=tmp_path / "b")

    made(engine, python, tmp_path, unknown, model="openai/not-in-the-map")
    made(engine, python, tmp_path, own, price_uusd_per_run=1234)

    assert [(b.amount_uusd, b.basis) for b in unknown.bills] == [(None, "unknown")]
    assert model(engine, python, model="openai/not-in-the-map").card.price_uusd_per_second is None
    assert [(b.amount_uusd, b.basis) for b in own.bills] == [(1234, "price-book")]
    assert own.notes["prices"] == "the model's table"
    assert "prices" not in unknown.notes


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", "/videos", "status", status=429, headers={"retry-after": "0"}),
        Fault("POST", "/videos", "status", status=503),
        Fault("GET", "/videos/", "status", status=502, times=2),
        Fault("GET", "/videos/video_0000/content", "status", status=502),
    ],
    ids=lambda fault: f"{fault.method}-{fault.status}-{fault.path}",
)
def test_what_may_pass_is_asked_again_and_nothing_is_made_twice(
    fault: Fault, engine: OpenaiStub, python: str, tmp_path: Path
) -> None:
    engine.faults = [fault]
    run = Run(folder=tmp_path / "run")

    assert len(made(engine, python, tmp_path, run)) == 10

    assert len(engine.made) == 1
    assert len(run.bills) == 1


@pytest.mark.parametrize("task", ["text-to-video", "text-to-image"])
def test_answers_that_are_lost_again_and_again_are_paid_for_twice_at_most(
    task: str, engine: OpenaiStub, python: str, tmp_path: Path
) -> None:
    engine.faults = [Fault("POST", "/", "after", times=9)]

    with pytest.raises(Unavailable, match="may have begun"):
        made(engine, python, tmp_path, task=task)

    assert len(engine.made) == 2


def test_an_engine_that_forgets_its_jobs_is_asked_once_more(python: str, tmp_path: Path) -> None:
    with OpenaiStub(polls=3) as engine:
        left = [1]

        def tell(news: Any) -> None:
            if news.get("step") == 30 and left[0]:
                left[0] = 0
                engine.restart()

        run = Run(folder=tmp_path / "run", tell=tell)
        frames = made(engine, python, tmp_path, run)

    assert len(frames) == 10
    assert len(engine.made) == 2
    assert len(run.bills) == 1
    assert run.notes["asked_times"] == 2


def test_another_job_s_answer_a_wrong_key_and_a_failure_are_said(
    python: str, tmp_path: Path
) -> None:
    with OpenaiStub(key="right") as engine:
        engine.fails = {"code": "internal", "message": "out of memory"}
        with pytest.raises(Unavailable, match="out of memory"):
            made(engine, python, tmp_path / "fails")
        engine.key = "another"
        with pytest.raises(ContractMismatch, match="does not let us"):
            made(engine, python, tmp_path / "key")


def test_a_cancelled_run_ends_at_once_and_the_next_one_gets_its_own_answer(
    python: str, tmp_path: Path
) -> None:
    with OpenaiStub(polls=50) as engine:
        run = Run(folder=tmp_path / "run")
        run._tell = lambda news: run.stop() if "step" in news else None  # type: ignore[method-assign]
        with pytest.raises(Cancelled):
            made(engine, python, tmp_path, run)
        engine.polls = 1

        assert len(made(engine, python, tmp_path / "next")) == 10


def test_a_shot_without_its_picture_is_refused_before_anybody_is_asked(
    engine: OpenaiStub, python: str, tmp_path: Path
) -> None:
    with pytest.raises(BriefInvalid) as refused:
        model(engine, python, task="image-to-video").check(
            subject(engine, python, tmp_path).request()
        )

    assert refused.value.field == "references"
    assert not engine.asked


def test_a_model_is_said_to_be_absent_where_litellm_is(tmp_path: Path) -> None:
    absent = tmp_path / "python"
    with pytest.raises(ContractMismatch, match="has no litellm") as refused:
        Litellm("theirs", TABLE | {"python": str(absent)}, {})

    assert "cinefab[litellm]" in refused.value.remedy


def test_neither_the_card_nor_a_run_imports_litellm_here(engine: OpenaiStub, python: str) -> None:
    script = (
        "import sys; from cinefab.generate.models.litellm import Litellm\n"
        f"card = Litellm('theirs', {TABLE | {'python': python}!r}, {{}}).card\n"
        "print(card.price_uusd_per_second, 'litellm' in sys.modules)"
    )

    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout

    assert said.split() == ["100000", "False"]

"""Models behind OpenAI's media API: asked once, paid once, believed little."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brisk_clock import BriskClock
from engines.openai_media import Fault, OpenaiStub

from cinefab.conformance.models import PROMISES, NotPromised, Subject
from cinefab.core.errors import BriefInvalid, Cancelled, CinefabError, ContractMismatch, Unavailable
from cinefab.generate.models.openai_media import OpenaiMedia
from cinefab.generate.run import Bill, Run

TABLE: dict[str, Any] = {
    "model": "tiny",
    "task": "text-to-video",
    "poll_s": 0.01,
    "patience_s": 3,
    "deterministic": True,
    "price_uusd_per_second": 1000,
}


def model(engine: OpenaiStub, /, **table: Any) -> OpenaiMedia:
    kind = {"engine": "vllm-omni", "fps": 12} if engine.frames else {}
    settings = TABLE | kind | {"base_url": engine.url} | table
    return OpenaiMedia("theirs", settings, {}, clock=BriskClock())


def subject(engine: OpenaiStub, folder: Path, /, **table: Any) -> Subject:
    return Subject(make=lambda: model(engine, **table), folder=folder)


def made(engine: OpenaiStub, folder: Path, run: Run | None = None, /, **table: Any) -> list[Any]:
    asked = subject(engine, folder, **table).request()
    run = Run(folder=folder / "run") if run is None else run
    return [frame.copy() for frame in model(engine, **table).frames(asked, run)]


@pytest.mark.parametrize(
    ("promise", "frames"),
    [*((promise, True) for promise in PROMISES), ("gives-what-is-asked-for", False)],
)
def test_a_video_model_keeps_its_promise(promise: str, frames: bool, tmp_path: Path) -> None:
    with OpenaiStub(frames=frames) as engine:
        try:
            PROMISES[promise](subject(engine, tmp_path))
        except NotPromised:
            assert promise not in ("says-what-it-is", "is-billed-once", "tells-its-steps")


@pytest.mark.parametrize("task", ["text-to-image", "image-to-image", "image-to-video"])
@pytest.mark.parametrize("promise", ["says-what-it-is", "gives-what-is-asked-for"])
def test_every_task_gives_what_is_asked_for(task: str, promise: str, tmp_path: Path) -> None:
    with OpenaiStub() as engine:
        PROMISES[promise](subject(engine, tmp_path, task=task))


def test_speech_is_exactly_as_long_as_it_was_asked_for(tmp_path: Path) -> None:
    with OpenaiStub() as engine:
        speaks = subject(engine, tmp_path, task="text-to-audio")
        PROMISES["gives-what-is-asked-for"](speaks)
        run = Run()
        sound = model(engine, task="text-to-audio").samples(speaks.sound_request(), run)

    assert np.abs(sound[:40_000]).max() == pytest.approx(8000 / 32768, rel=0.05)
    assert (run.bills[0].amount_uusd, run.bills[0].basis) == (990, "price-book")


def test_a_run_is_noted_billed_and_kept_as_it_came(tmp_path: Path) -> None:
    with OpenaiStub() as engine:
        run = Run(folder=tmp_path / "run")
        made(engine, tmp_path, run)

    assert run.notes["engine"] == "openai"
    assert run.notes["remote_job"] == "video_0000"
    (bill,) = run.bills
    assert bill == Bill(
        amount_uusd=bill.amount_uusd,
        basis="price-book",
        supplier=engine.url.split("/")[2],
        reference="video_0000",
    )
    assert bill.amount_uusd == 1000
    assert [path.name for path in run.delivered] == ["delivered.mp4"]


def test_the_answer_s_own_cost_goes_before_the_price_book(tmp_path: Path) -> None:
    with OpenaiStub() as engine:
        engine.cost_header = "0.0123"
        run = Run(folder=tmp_path / "run")
        made(engine, tmp_path, run)

    assert (run.bills[0].amount_uusd, run.bills[0].basis) == (12_300, "answer")


@pytest.mark.parametrize("task", ["text-to-video", "image-to-video"])
def test_an_engine_whose_forms_need_a_picture_is_sent_json_without_one(
    task: str, tmp_path: Path
) -> None:
    with OpenaiStub(frames=True, form_needs_file=True) as engine:
        own = {"base_url": engine.url, "engine": "sglang", "fps": 12, "task": task}
        shot = subject(engine, tmp_path, task=task).request()
        theirs = OpenaiMedia("theirs", TABLE | own, {})
        assert len(list(theirs.frames(shot, Run(folder=tmp_path / "run")))) == 10


FAULTS = [
    Fault("POST", "/videos", "status", status=429, headers={"retry-after": "0"}),
    Fault("POST", "/videos", "status", status=503),
    Fault("POST", "/videos", "after", status=500),
    Fault("POST", "/videos", "hang"),
    Fault("POST", "/videos", "garbage"),
    Fault("GET", "/videos/", "status", status=502, times=2),
    Fault("GET", "/videos/", "garbage"),
    Fault("GET", "/videos/video_0000/content", "hang"),
    Fault("GET", "/videos/video_0000/content", "slow"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The frames of a run to which nothing happens."""
    with OpenaiStub() as engine:
        return made(engine, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.method}-{f.kind}-{f.status}-{f.path}")
def test_what_may_pass_is_asked_again_and_nothing_is_made_twice(
    fault: Fault, whole: list[Any], tmp_path: Path
) -> None:
    with OpenaiStub() as engine:
        engine.faults = [replace(fault)]
        run = Run(folder=tmp_path / "run")
        frames = made(engine, tmp_path, run)

    assert len(engine.made) == 1
    assert len(run.bills) == 1
    assert all(np.array_equal(a, b) for a, b in zip(whole, frames, strict=True))


def test_a_video_that_failed_is_asked_for_anew_by_whoever_orders_it_again(tmp_path: Path) -> None:
    with OpenaiStub() as engine:
        engine.fails = {"code": "internal", "message": "out of memory"}
        with pytest.raises(Unavailable, match="out of memory"):
            made(engine, tmp_path, Run(folder=tmp_path / "run"))
        engine.fails = {}

        assert len(made(engine, tmp_path, Run(folder=tmp_path / "run"))) == 10
    assert len(engine.made) == 2


@pytest.mark.parametrize("task", ["text-to-video", "image-to-video"])
def test_an_engine_that_answers_with_the_video_is_asked_once_for_it(
    task: str, tmp_path: Path
) -> None:
    with OpenaiStub(at_once=True) as engine:
        table = {"engine": "dynamo", "fps": 12, "task": task}
        run = Run(folder=tmp_path / "run")
        frames = made(engine, tmp_path, run, **table)

        # Its process was killed before anything was committed: the answer lies in the run.
        again = made(engine, tmp_path, Run(folder=tmp_path / "run"), **table)

    assert len(frames) == 10
    assert all(np.array_equal(a, b) for a, b in zip(frames, again, strict=True))
    [asked] = engine.made
    assert asked["seconds"] == 1
    assert asked["nvext"]["num_frames"] == 12
    assert ("input_reference" in asked) == (task == "image-to-video")
    assert [bill.amount_uusd for bill in run.bills] == [1000]
    assert "progress" not in model(engine, **table).card.capabilities


@pytest.mark.parametrize("promise", ["is-billed-once", "hands-over-what-was-delivered"])
def test_what_is_answered_at_once_keeps_its_promise(promise: str, tmp_path: Path) -> None:
    with OpenaiStub() as engine:
        priced = {"task": "text-to-image", "price_uusd_per_run": 40_000}
        PROMISES[promise](subject(engine, tmp_path, **priced))


def test_another_s_video_of_the_same_words_is_not_taken_for_one_whose_answer_was_lost(
    tmp_path: Path,
) -> None:
    with OpenaiStub() as engine:
        made(engine, tmp_path / "before")
        engine.faults = [Fault("POST", "/videos", "hang", times=1)]
        run = Run(folder=tmp_path / "run")
        made(engine, tmp_path, run)

    assert run.notes["remote_job"] == "video_0001"
    assert len(engine.made) == 2


def test_an_engine_that_forgets_its_jobs_is_asked_once_more_and_no_more(tmp_path: Path) -> None:
    with OpenaiStub(polls=3) as engine:
        forgets = _forgetting(engine, tmp_path / "once", times=1)
        frames = made(engine, tmp_path, forgets)
        assert len(frames) == 10
        assert len(engine.made) == 2
        assert len(forgets.bills) == 1
        assert forgets.notes["asked_times"] == 2

        with pytest.raises(Unavailable, match="forgotten"):
            made(engine, tmp_path, _forgetting(engine, tmp_path / "always", times=9))
        assert len(engine.made) == 4


def test_another_job_s_answer_is_refused(tmp_path: Path) -> None:
    with OpenaiStub() as engine:
        engine.faults = [Fault("GET", "/videos/", "other")]
        with pytest.raises(ContractMismatch, match="video_of_somebody_else"):
            made(engine, tmp_path)


def test_half_a_film_is_refused_and_not_shown(tmp_path: Path) -> None:
    with OpenaiStub() as engine:
        engine.faults = [Fault("GET", "/videos/video_0000/content", "garbage", times=99)]
        with pytest.raises(CinefabError):
            made(engine, tmp_path)


def test_what_the_engine_refuses_is_named_as_the_brief_names_it(tmp_path: Path) -> None:
    with OpenaiStub(frames=True) as engine:
        asked = subject(engine, tmp_path).request()
        given: Any = asked.input
        asked = replace(asked, input=given | {"settings": {"steps": 500}})
        with pytest.raises(BriefInvalid) as refused:
            list(model(engine).frames(asked))
        assert refused.value.field == "model_settings.steps"

        engine.fails = {"code": "moderation_blocked", "message": "not this"}
        with pytest.raises(BriefInvalid, match="not this") as blocked:
            made(engine, tmp_path)
        assert blocked.value.field == "prompt"


def test_a_key_goes_with_every_request_and_a_wrong_one_is_said(tmp_path: Path) -> None:
    with OpenaiStub(key="right") as engine:
        right = OpenaiMedia("theirs", TABLE | {"base_url": engine.url}, {"api_key": "right"})
        asked = subject(engine, tmp_path).request()
        assert len(list(right.frames(asked))) == 10

        with pytest.raises(ContractMismatch, match="does not let us"):
            made(engine, tmp_path)


def test_a_cancelled_run_deletes_what_it_asked_for(tmp_path: Path) -> None:
    with OpenaiStub(polls=50) as engine:
        run = Run(folder=tmp_path / "run")
        run._tell = lambda news: run.stop() if "step" in news else None  # type: ignore[method-assign]
        with pytest.raises(Cancelled):
            made(engine, tmp_path, run)

        assert engine.deleted == ["video_0000"]


def test_a_killed_run_s_video_is_deleted_by_whoever_cancels_it(tmp_path: Path) -> None:
    with OpenaiStub(polls=50) as engine:
        run = Run(folder=tmp_path / "run")

        def kill(news: Any) -> None:
            if str(news.get("kept", "")).startswith("asked"):
                raise KeyboardInterrupt

        run._tell = kill  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            made(engine, tmp_path, run)

        model(engine).cancel(Run(folder=tmp_path / "run"))
        assert engine.deleted == ["video_0000"]


def _forgetting(engine: OpenaiStub, folder: Path, *, times: int) -> Run:
    """Return a run during which the engine restarts, so many times, while it is waited for."""
    left = [times]

    def tell(news: Any) -> None:
        if news.get("step") == 30 and left[0] > 0:
            left[0] -= 1
            engine.restart()

    return Run(folder=folder, tell=tell)

"""A run that is killed goes on in a new process, and nobody can tell from its frames."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from model_runs import ModelRuns, run_afresh
from tiny_pipelines import quietly, with_scheduler, write_lora

from cinefab.generate.models.diffusers.schedulers import GO_ON

pytest.importorskip("diffusers", reason="needs requirements/diffusers.txt", exc_type=ImportError)
pytest.importorskip("torch", reason="needs requirements/diffusers.txt", exc_type=ImportError)
pytestmark = pytest.mark.filterwarnings("ignore")

Model = Callable[[str], Path]
_KILLED = -9
_FLOW = ("FlowMatchEulerDiscrete", "FlowMatchHeunDiscrete", "FlowMatchLCM", "UniPCMultistep")
_VIDEO = ("CogVideoXDDIM", "CogVideoXDPM")

EACH_TIME = frozenset(
    f"{name}Scheduler"
    for name in (
        "CogVideoXDPM",
        "DPMSolverMultistep",
        "EulerAncestralDiscrete",
        "FlowMatchEulerDiscrete",
        "HeunDiscrete",
        "PNDM",
        "SASolver",
    )
)
"""One for each way of keeping a state: steps before, chance, two calls a step, both; every other
one is tried in the long runs, at each of its steps."""


def _wan(folder: Path, **more: Any) -> dict[str, Any]:
    sides = {"width": 32, "height": 32, "fps": 8, "steps": 4, "resume_every": 1}
    return {"model": str(folder), **sides, **more}


def _killed_and_continued(
    run_models: Callable[[Sequence[dict[str, Any]]], list[dict[str, Any]]],
    run: dict[str, Any],
    points: Sequence[int],
    folder: Path,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the run as it is undisturbed, and as it is after a kill at each of the points."""
    runs = [run]
    for point in points:
        place = {"folder": str(folder / f"killed-{point}")}
        runs += [{**run, **place, "kill_at": point}, {**run, **place}]
    whole, *rest = run_models(runs)
    assert [each["exit"] for each in rest[::2]] == [_KILLED] * len(points)
    return whole, rest[1::2]


def test_a_film_that_is_killed_at_every_step_comes_out_the_same(
    model: Model, run_models: ModelRuns, tmp_path: Path
) -> None:
    run = {"settings": _wan(model("wan")), "input": {"prompt": "a red bicycle"}}

    whole, continued = _killed_and_continued(run_models, run, range(1, 5), tmp_path)

    assert len(whole["steps"]) == 4
    assert [each["digest"] for each in continued] == [whole["digest"]] * 4
    assert [len(each["steps"]) for each in continued] == [3, 2, 1, 0]
    assert [each["notes"]["resumed_from"] for each in continued] == [1, 2, 3, 4]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_film_of_many_steps_comes_out_the_same_in_interpreters_of_their_own(
    model: Model, run_models: ModelRuns, tmp_path: Path
) -> None:
    settings = _wan(model("wan"), steps=8, window=9, overlap=3)
    run = {"settings": settings, "input": {"prompt": "a red bicycle"}, "frames": 14}

    places = [{**run, "folder": str(tmp_path / f"killed-{point}")} for point in range(1, 17)]
    killed = run_models([{**place, "kill_at": at} for at, place in enumerate(places, start=1)])
    whole, *continued = run_afresh([run, *places])

    assert [each["exit"] for each in killed] == [_KILLED] * 16
    assert len(whole["steps"]) == 16
    assert [each["digest"] for each in continued] == [whole["digest"]] * 16
    assert [len(each["steps"]) for each in continued] == list(range(15, -1, -1))


def test_windows_that_were_finished_are_not_made_again(
    model: Model, run_models: ModelRuns, tmp_path: Path
) -> None:
    settings = _wan(model("wan"), steps=2, window=9, overlap=3)
    run = {"settings": settings, "input": {"prompt": "a red bicycle"}, "frames": 14}

    whole, continued = _killed_and_continued(run_models, run, [2, 3], tmp_path)

    assert len(whole["steps"]) == 4
    assert [each["digest"] for each in continued] == [whole["digest"]] * 2
    assert [len(each["steps"]) for each in continued] == [2, 1]


def _runs_of_schedulers(
    model: Model, folder: Path, names: Iterable[str], *, steps: int
) -> list[dict[str, Any]]:
    """Return a run for each scheduler that is said to go on, each with a model that it is for."""
    import diffusers

    runs = []
    for name in sorted(names):
        short = name.removesuffix("Scheduler")
        base = "wan" if short in _FLOW else "cogvideox" if short in _VIDEO else "sd"
        own = getattr(diffusers, name)
        with quietly():
            kind = getattr(diffusers, _own_of(model(base)))
            config = kind.load_config(model(base) / "scheduler")
            built = with_scheduler(model(base), folder / name, own.from_config(config))
        sides = {"width": 32, "height": 32} if base != "cogvideox" else {"width": 16, "height": 16}
        settings = {"model": str(built), **sides, "fps": 8, "steps": steps, "resume_every": 1}
        runs.append({"settings": settings, "input": {"prompt": "a red bicycle"}, "frames": 5})
    return runs


def _own_of(folder: Path) -> str:
    index: dict[str, Any] = json.loads((folder / "model_index.json").read_text())
    return str(index["scheduler"][1])


def test_schedulers_of_each_family_go_on_bit_for_bit(
    model: Model, run_models: ModelRuns, tmp_path: Path
) -> None:
    runs = _runs_of_schedulers(model, tmp_path, EACH_TIME, steps=4)
    every: list[dict[str, Any]] = []
    for number, run in enumerate(runs):
        place = {"folder": str(tmp_path / f"run-{number}")}
        every += [run, {**run, **place, "kill_at": 2}, {**run, **place}]

    answers = run_models(every)

    schedulers = [each["notes"]["scheduler"] for each in answers[::3]]
    assert schedulers == sorted(EACH_TIME)
    assert [each["exit"] for each in answers[1::3]] == [_KILLED] * len(runs)
    again = [each["digest"] for each in answers[2::3]]
    assert dict(zip(schedulers, again, strict=True)) == {
        name: each["digest"] for name, each in zip(schedulers, answers[::3], strict=True)
    }
    assert all(each["notes"]["resumed_from"] == 2 for each in answers[2::3])


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_each_scheduler_goes_on_from_every_one_of_its_steps(
    model: Model, run_models: ModelRuns, tmp_path: Path
) -> None:
    for number, run in enumerate(_runs_of_schedulers(model, tmp_path, GO_ON, steps=5)):
        (undisturbed,) = run_models([run])
        steps = len(undisturbed["steps"])

        whole, continued = _killed_and_continued(
            run_models, run, range(1, steps + 1), tmp_path / f"every-{number}"
        )

        assert whole["digest"] == undisturbed["digest"]
        assert [each["digest"] for each in continued] == [whole["digest"]] * steps
        assert [len(each["steps"]) for each in continued] == list(range(steps - 1, -1, -1))


def test_a_scheduler_that_is_not_on_the_list_begins_again_and_says_so(
    model: Model, run_models: ModelRuns, tmp_path: Path
) -> None:
    given = {"prompt": "a red bicycle", "settings": {"scheduler": "DDPMParallelScheduler"}}
    settings = {"model": str(model("sd")), "width": 32, "height": 32, "steps": 2}
    run = {"settings": settings, "input": given, "frames": 2}

    whole, (again,) = _killed_and_continued(run_models, run, [1], tmp_path)

    assert again["digest"] == whole["digest"]
    assert len(again["steps"]) == 2
    assert again["notes"]["resumed_from"] == 0
    assert "DDPMParallelScheduler" in again["notes"]["restarted_because"]


def test_a_point_of_another_run_is_left_alone(
    model: Model, run_models: ModelRuns, tmp_path: Path
) -> None:
    lora = write_lora(model("wan"), tmp_path / "one.safetensors", seed=3)
    settings = _wan(model("wan"), steps=2, loras={"one": str(lora)})
    run = {"settings": settings, "input": {"prompt": "a red bicycle"}}
    others = {
        "batch": {**run, "input": {"prompt": "a blue bicycle"}},
        "LoRA": {**run, "input": {**run["input"], "settings": {"lora": {"name": "one"}}}},
        "scheduler": {
            **run,
            "input": {**run["input"], "settings": {"scheduler": "FlowMatchEulerDiscreteScheduler"}},
        },
        "call": {**run, "input": {**run["input"], "settings": {"guidance": 2.5}}},
    }
    runs = []
    for name, other in others.items():
        place = {"folder": str(tmp_path / name)}
        runs += [{**run, **place, "kill_at": 1}, {**other, **place}, other]

    answers = run_models(runs)

    for name, after, alone in zip(others, answers[1::3], answers[2::3], strict=True):
        assert after["digest"] == alone["digest"]
        assert after["notes"]["resumed_from"] == 0
        assert name in after["notes"]["restarted_because"]
        assert len(after["steps"]) == 2
    assert len({each["digest"] for each in answers[2::3]}) == len(others)

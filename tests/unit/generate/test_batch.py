"""Takes of several shots in one run of their model, in the process that makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from batcher import Batcher

from cinefab.core.canonical import Json
from cinefab.core.errors import Cancelled
from cinefab.generate.batch import make_takes_together
from cinefab.generate.run import Run
from cinefab.store.file_digest import file_sha256


def a_member(folder: Path, name: str, *, seed: int, frames: int = 12) -> dict[str, Any]:
    return {
        "request": {
            "input": {"prompt": name, "camera": "still"},
            "seed": seed,
            "size": [160, 90],
            "fps": "12",
            "shot_frames": frames,
            "references": {},
            "masks": {},
            "files": {},
        },
        "quality": "preview",
        "extent": [0, frames],
        "parts": [
            {
                "key": name,
                "part": "body",
                "first_frame": 0,
                "frames": frames,
                "path": str(folder / f"{name}.mp4"),
            }
        ],
    }


def together(folder: Path, *members: dict[str, Any], tell: Any = lambda _news: None) -> Any:
    argument: dict[str, Json] = {
        "entry": f"{Batcher.__module__}:{Batcher.__name__}",
        "configured": {
            "name": "b",
            "settings": {"colour": 90, "log": str(folder / "log")},
            "secrets": {},
        },
        "run_folder": str(folder / "run"),
        "members": list(members),
    }
    return make_takes_together(argument, tell)


def runs(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def test_takes_that_are_alike_are_made_in_one_run_and_each_is_told_its_place(
    tmp_path: Path,
) -> None:
    members = [a_member(tmp_path, name, seed=seed) for name, seed in (("One", 1), ("Two", 2))]

    made = together(tmp_path, *members)["members"]

    assert runs(tmp_path) == ["2 1", "2 2", "2 3", "2 4"]
    assert [each["run"]["notes"]["batch"] for each in made] == [
        {"of": 2, "place": 0},
        {"of": 2, "place": 1},
    ]
    for member, answer in zip(members, made, strict=True):
        (part,) = answer["parts"]
        assert part["digest"] == file_sha256(Path(member["parts"][0]["path"]))
        assert part["frames"] == 12
    assert made[0]["parts"][0]["digest"] != made[1]["parts"][0]["digest"]


def test_one_that_cannot_be_made_fails_alone(tmp_path: Path) -> None:
    members = [a_member(tmp_path, name, seed=1) for name in ("One", "Bad", "Three")]

    first, bad, third = together(tmp_path, *members)["members"]

    assert bad["error"]["fields"]["field"] == "prompt"
    assert [each["parts"][0]["frames"] for each in (first, third)] == [12, 12]
    assert "run" not in first or "batch" not in first["run"]["notes"]
    assert runs(tmp_path) == ["1 1", "1 2", "1 3", "1 4"] * 2


def test_those_that_are_not_alike_are_made_one_by_one(tmp_path: Path) -> None:
    members = [a_member(tmp_path, "One", seed=1), a_member(tmp_path, "Two", seed=2, frames=24)]

    made = together(tmp_path, *members)["members"]

    assert [each["parts"][0]["frames"] for each in made] == [12, 24]
    assert all(line.startswith("1 ") for line in runs(tmp_path))


def test_a_run_that_is_not_wanted_stops_for_all(tmp_path: Path) -> None:
    members = [a_member(tmp_path, name, seed=1) for name in ("One", "Two")]

    def stop(news: Any) -> None:
        if news.get("step") == 2:
            Run(folder=tmp_path / "run").stop()

    with pytest.raises(Cancelled):
        together(tmp_path, *members, tell=stop)

    assert runs(tmp_path) == ["2 1", "2 2", "2 3"]


def test_a_run_of_several_goes_on_where_it_was_and_gives_the_same(tmp_path: Path) -> None:
    def digests(folder: Path, tell: Any = lambda _news: None) -> list[str]:
        folder.mkdir(exist_ok=True)
        members = [a_member(folder, name, seed=seed) for name, seed in (("One", 1), ("Two", 2))]
        made = together(folder, *members, tell=tell)["members"]
        return [each["parts"][0]["digest"] for each in made]

    def die(news: Any) -> None:
        if news.get("step") == 3:
            raise KeyboardInterrupt

    whole = digests(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        digests(tmp_path / "killed", die)

    assert digests(tmp_path / "killed") == whole
    assert runs(tmp_path / "killed") == ["2 1", "2 2", "2 3", "2 4"]

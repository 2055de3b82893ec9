"""A brief may have its film compared with one that is known: it is like it, or it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from media_samples import a_film
from studio_runs import SMALL_BRIEF, Studio


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path, f"sqlite:///{tmp_path}/cinefab.db")


def with_reference(file: str) -> str:
    known = f"product}}, known: {{file: {file}, role: background}}}}"
    return SMALL_BRIEF.replace("product}}", known) + "review: {compare: {reference: known}}\n"


def test_a_film_is_like_the_one_made_before_and_unlike_another(studio: Studio) -> None:
    made = studio.make(studio.brief())
    (studio.folder / "before.mp4").write_bytes(Path(made["film"]).read_bytes())
    other = a_film(frames=36, seconds=3, size=(320, 180), fps=12, audio=None)
    (studio.folder / "other.mp4").write_bytes(other)

    like = studio.make(studio.brief(with_reference("before.mp4"), "like.yaml"))
    unlike = studio.make(studio.brief(with_reference("other.mp4"), "unlike.yaml"), expect=3)

    names = [finding["check"] for finding in made["verdict"]["findings"]]
    assert "likeness" not in names
    found = {finding["check"]: finding for finding in like["verdict"]["findings"]}
    assert list(found) == [*names, "likeness"]
    figures = found["likeness"]["figures"]
    assert figures["frames_compared"] == len(range(0, 36, 5))
    assert 3_200 < figures["lowest_hundredths_db"] <= figures["mean_hundredths_db"]
    # What a film is compared with is no part of it.
    assert not [note for note in like["notes"] if "known" in note]
    verified = json.loads(studio.run("verify", like["film"], "--json").stdout)
    assert verified["details"]["ingredients"] == ["coffee.png"]
    assert all(segment["made_by"] == "reuse" for segment in like["segments"])
    # The same cut, against another reference: what was found before is not what is asked now.
    verdict = unlike["verdict"]
    assert (verdict["state"], verdict["check"]) == ("refused", "likeness")
    assert "unlike the reference known" in verdict["reason"]
    assert verdict["frame"] % 5 == 0
    assert Path(unlike["out"], verdict["picture"]).exists()
    studio.check_books()


def test_a_picture_to_be_compared_with_is_refused_by_its_path(studio: Studio) -> None:
    brief = studio.brief(SMALL_BRIEF + "review: {compare: {reference: cup}}\n")

    done = studio.run("make", brief, "--json")

    assert done.returncode == 2, done.stdout + done.stderr
    assert "review.compare.reference" in done.stdout + done.stderr
    assert "cup is a picture, not a video" in done.stdout + done.stderr
    assert not list(studio.folder.rglob("film.mp4"))

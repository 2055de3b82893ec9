"""A shot that a check refuses is made again: more films pass, and the books say what it took."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from done_once import assert_done_once
from strangers import install
from studio_runs import PHOTO, Studio

from cinefab.core.brief import Camera, Shot
from cinefab.core.verdict import Advice
from cinefab.generate.refine import refined
from cinefab.generate.tables import segment, take
from cinefab.store.database import Database

HASTY = """
    import hashlib
    from dataclasses import replace

    import numpy as np

    from cinefab.generate.models.procedural import Procedural


    class Hasty(Procedural):
        @property
        def card(self):
            return replace(super().card, name="hasty", version="1")

        def frames(self, request, run):
            for frame in super().frames(request):
                if hashlib.sha256(str(request.seed).encode()).digest()[0] % 2:
                    frame = np.full_like(frame, 128)
                    frame[: request.size.height] = 16
                yield frame
"""
STILL = """
    import hashlib
    from dataclasses import replace

    from cinefab.generate.models.procedural import Procedural


    class Still(Procedural):
        @property
        def card(self):
            return replace(super().card, name="still", version="1")

        def frames(self, request, run):
            still = None
            for frame in super().frames(request):
                if hashlib.sha256(str(request.seed).encode()).digest()[0] % 2:
                    still = frame.copy() if still is None else still
                    frame = still.copy()
                yield frame
"""
BRIEF = """\
title: One shot, drawn in haste
model: hasty
shots: [{seconds: 1, caption: Again}]
output: {size: 320x180, fps: 12}
quality: preview
"""
MISMATCHED = """
    import hashlib
    from dataclasses import replace

    from cinefab.generate.models.procedural import Procedural


    class Mismatched(Procedural):
        @property
        def card(self):
            return replace(super().card, name="mismatched", version="1")

        def frames(self, request, run):
            for frame in super().frames(request):
                if hashlib.sha256(str(request.seed).encode()).digest()[0] % 2:
                    frame = frame.copy()
                    colours = frame[request.size.height :].reshape(2, -1)
                    colours[:] = colours[::-1].copy()
                yield frame
"""
SHOWN = """\
title: One product in the wrong colours
model: mismatched
references: {{product: {photo}}}
shots: [{{seconds: 1, caption: Again, references: [product]}}]
output: {{size: 320x180, fps: 12}}
quality: preview
"""
MANY = Path(__file__).parents[1] / "support" / "many_films.py"
SEEDS = range(8)


@pytest.fixture
def studio(database_url: str, tmp_path: Path) -> Studio:
    return hasty(Studio(tmp_path, database_url))


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Studio:
    return hasty(Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}"))


def hasty(studio: Studio) -> Studio:
    install(studio, module="hasty", source=HASTY, points={"models": {"hasty": "hasty:Hasty"}})
    return studio


def fails(seed: int) -> bool:
    return hashlib.sha256(str(seed).encode()).digest()[0] % 2 == 1


def seed_of(seed: int, attempt: int) -> int:
    """Return the seed that the attempt after so many refusals is made with."""
    shots = (Shot(length_ms=1000),)
    tries = {0: [Advice.ANOTHER_SEED] * attempt}
    (shot,) = refined(shots, cameras=[Camera.DRIFT], tries=tries, seed=seed)
    return seed if shot.seed is None else shot.seed


def makes(studio: Studio, *settings: str) -> list[dict[str, Any]]:
    line = [sys.executable, str(MANY), studio.db, str(studio.folder / "out")]
    done = subprocess.run(
        [*line, str(studio.brief(BRIEF)), *settings],
        env=studio.env,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    return reports


def takes(studio: Studio, job: str) -> list[sa.Row[Any]]:
    db = Database(studio.db)
    with db.read() as connection:
        kept = sa.select(segment.c.key).scalar_subquery()
        rows = connection.execute(
            sa.select(take, take.c.segment_key.in_(kept).label("kept"))
            .where(take.c.job_id == job)
            .order_by(take.c.id)
        ).all()
    db.close()
    return list(rows)


def test_refinement_raises_the_pass_rate_to_what_the_seeds_allow(on_sqlite: Studio) -> None:
    without = makes(on_sqlite, *(f"seed={seed} refine.attempts=0" for seed in SEEDS))
    with_two = makes(on_sqlite, *(f"seed={seed} refine.attempts=2" for seed in SEEDS))

    passed = [report["status"] == "delivered" for report in without]
    passed_with_two = [report["status"] == "delivered" for report in with_two]
    assert passed == [not fails(seed) for seed in SEEDS]
    assert passed_with_two == [
        any(not fails(seed_of(seed, attempt)) for attempt in range(3)) for seed in SEEDS
    ]
    assert sum(passed_with_two) > sum(passed)
    assert {report["failure"]["error"] for report in without if report["failure"]} == {
        "RefusedByReview"
    }
    on_sqlite.check_books()


def test_a_refused_take_is_scrap_its_remake_rework_and_only_the_good_one_is_kept(
    studio: Studio,
) -> None:
    seed = next(
        each for each in range(100) if fails(each) and fails(seed_of(each, 1))
        and not fails(seed_of(each, 2))
    )  # fmt: skip

    report = studio.make(studio.brief(BRIEF), "--set", f"seed={seed}")
    again = studio.make(studio.brief(BRIEF), "--set", f"seed={seed_of(seed, 2)}")
    assert report["preview"] is not None, "what was shown first is still seen"

    made = takes(studio, report["job"])
    assert [(row.attempt, row.seed, row.refused is None) for row in made] == [
        (number, seed_of(seed, number), number == 2) for number in range(3)
    ]
    assert all("black" in row.refused for row in made[:2])
    assert [row.kept for row in made] == [0, 0, 1]
    assert report["status"] == "delivered"
    assert report["yield"] == 0
    by_class = report["device_us_by_class"]
    assert by_class["scrap"] > 0
    assert by_class["rework"] > 0
    by_stage = {stage["name"]: stage for stage in report["stages"]}
    # The first take was thrown away, which nobody pays for; its time to get ready was needed.
    assert by_stage["generate:0"]["device_us"] > 0
    assert by_stage["generate:0:1"]["cost_uusd"] > 0
    assert by_stage["generate:0:2"]["cost_uusd"] > 0
    assert report["cost_uusd"] == sum(stage["cost_uusd"] for stage in report["stages"])
    assert again["yield"] in (None, 1)
    assert [segment["seed"] for segment in report["segments"]] == [seed_of(seed, 2)]
    tries = report["attempts"]
    assert [each["attempt"] for each in tries] == [0, 1, 2]
    assert [each["seed"] for each in tries] == [seed_of(seed, number) for number in range(3)]
    assert [each["refused"] and each["refused"]["check"] for each in tries] == [
        "black", "black", None
    ]  # fmt: skip
    assert tries[0]["after"] is None
    assert all(each["after"] for each in tries[1:])
    assert again["attempts"] == []
    assert "Made again" in Path(report["out"], "report.html").read_text()
    studio.check_books()


@pytest.mark.long
def test_a_kept_take_that_does_not_pass_by_the_lines_of_another_brief_is_made_again(
    on_sqlite: Studio,
) -> None:
    install(on_sqlite, module="still", source=STILL, points={"models": {"still": "still:Still"}})
    on_sqlite.environment["CINEFAB_REVIEW_BOUNDS"] = '{"freeze_ms_max": [300, 4000]}'
    seed = next(
        each for each in range(100)
        if fails(each) and not fails(seed_of(each, 1))
    )  # fmt: skip
    brief = on_sqlite.brief(BRIEF.replace("hasty", "still"))
    still = ("--set", f"seed={seed}")
    moves = (*still, "--set", "review={thresholds: {freeze_ms_max: 500}}")

    loose = on_sqlite.make(brief, *still)
    strict = on_sqlite.make(brief, *moves)
    again = on_sqlite.make(brief, *moves, "--set", "title=Again")
    told = on_sqlite.run("make", brief, "--set", "review={thresholds: {black_ms_max: 1}}", "--json")

    assert [each["seed"] for each in loose["segments"]] == [seed]
    assert [each["seed"] for each in strict["segments"]] == [seed_of(seed, 1)]
    assert strict["thresholds"] == {"freeze_ms_max": 500}
    known = strict["attempts"][0]
    assert known["remembered"] == loose["job"]
    assert known["refused"]["check"] == "freeze"
    assert {each["made_by"] for each in again["segments"]} == {"reuse"}
    # What is known is judged once; what passed for the other job is held against the lines again.
    judged = [
        {each["name"] for each in report["stages"] if each["name"].startswith("judge:")}
        for report in (strict, again)
    ]
    assert len(judged[0]) == len(judged[1]) == 1
    assert not judged[0] & judged[1]
    assert "review.thresholds.black_ms_max" in json.loads(told.stdout)["failure"]["field"]
    on_sqlite.check_books()


@pytest.mark.long
def test_a_take_that_was_refused_is_not_made_again_but_what_passed_after_it_is_reused(
    on_sqlite: Studio,
) -> None:
    seed = next(
        each for each in range(100) if fails(each) and fails(seed_of(each, 1))
        and not fails(seed_of(each, 2))
    )  # fmt: skip
    once = ("--set", f"seed={seed}", "--set", "refine.attempts=1")

    first = on_sqlite.make(on_sqlite.brief(BRIEF), *once, expect=3)
    second = on_sqlite.make(on_sqlite.brief(BRIEF), "--set", f"seed={seed}")
    third = on_sqlite.make(on_sqlite.brief(BRIEF), "--set", f"seed={seed}", "--set", "title=Thrice")

    assert [row.attempt for row in takes(on_sqlite, first["job"])] == [0, 1]
    # Two refusals are known; the third take is the first that this job makes, and it is right.
    (made,) = takes(on_sqlite, second["job"])
    assert (made.attempt, made.seed) == (0, seed_of(seed, 2))
    assert second["yield"] == 1
    assert "scrap" not in second["device_us_by_class"]
    assert "rework" not in second["device_us_by_class"]
    assert [each.get("remembered") for each in second["attempts"]] == [
        first["job"], first["job"], None,
    ]  # fmt: skip
    assert [each["cost_uusd"] for each in second["attempts"][:2]] == [0, 0]
    assert takes(on_sqlite, third["job"]) == []
    assert third["status"] == "delivered"
    assert {each["made_by"] for each in third["segments"]} == {"reuse"}
    assert "not made: known from" in Path(third["out"], "report.html").read_text()

    # Where no attempt is left the known take is what is reviewed, at no cost but the review's.
    again = on_sqlite.make(on_sqlite.brief(BRIEF), *once, "--set", "title=Refused", expect=3)
    assert takes(on_sqlite, again["job"]) == []
    assert again["failure"]["found"] == first["failure"]["found"]
    # Under other lines the same take is another question.
    settings = {"CINEFAB_REVIEW_THRESHOLDS": "freeze_ms_max=1999"}
    on_sqlite.environment |= settings
    lenient = on_sqlite.make(on_sqlite.brief(BRIEF), *once, "--set", "title=Lenient", expect=3)
    assert [row.attempt for row in takes(on_sqlite, lenient["job"])] == [0, 1]
    on_sqlite.check_books()


def test_a_take_in_the_wrong_colours_is_refused_at_once_and_made_again(on_sqlite: Studio) -> None:
    install(
        on_sqlite,
        module="mismatched",
        source=MISMATCHED,
        points={"models": {"mismatched": "mismatched:Mismatched"}},
    )
    seed = next(each for each in range(100) if fails(each) and not fails(seed_of(each, 1)))
    brief = on_sqlite.brief(SHOWN.format(photo=PHOTO))

    report = on_sqlite.make(brief, "--set", f"seed={seed}")

    made = takes(on_sqlite, report["job"])
    assert [(row.attempt, row.seed) for row in made] == [(0, seed), (1, seed_of(seed, 1))]
    assert made[0].refused.startswith("colour: ")
    assert made[1].refused is None
    assert report["status"] == "delivered"
    by_class = report["device_us_by_class"]
    assert by_class["scrap"] > 0
    assert by_class["rework"] > 0
    on_sqlite.check_books()


def test_an_attempt_that_the_budget_does_not_cover_is_not_begun(on_sqlite: Studio) -> None:
    seed = next(each for each in range(100) if fails(each) and not fails(seed_of(each, 1)))
    brief = on_sqlite.brief(BRIEF)
    needed = on_sqlite.make(brief, "--set", f"seed={seed}", "--set", "budget=1")
    assert needed["status"] == "delivered"
    told = on_sqlite.run("make", brief, "--set", "budget=0.000001", "--json")
    estimate = float(json.loads(told.stdout)["failure"]["found"].rpartition("$")[2])

    # Just enough for the film; what another attempt is estimated at is needed for the rest of it.
    tight = on_sqlite.make(
        brief, "--set", f"seed={seed + 1000 if fails(seed + 1000) else _failing(seed)}",
        "--set", f"budget={estimate:.6f}", expect=3,
    )  # fmt: skip

    assert tight["status"] == "refused"
    assert [row.attempt for row in takes(on_sqlite, tight["job"])] == [0]
    on_sqlite.check_books()


def test_a_film_killed_between_attempts_runs_none_of_them_again(on_sqlite: Studio) -> None:
    seed = next(
        each for each in range(100) if fails(each) and fails(seed_of(each, 1))
        and not fails(seed_of(each, 2))
    )  # fmt: skip
    words = ("--set", f"seed={seed}")
    process = on_sqlite.start(
        "make", on_sqlite.brief(BRIEF), "--out", on_sqlite.folder / "out", *words
    )
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until and _count(on_sqlite) < 2:
        time.sleep(0.02)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    report = on_sqlite.make(on_sqlite.brief(BRIEF), *words)

    assert report["status"] == "delivered"
    assert [row.attempt for row in takes(on_sqlite, report["job"])] == [0, 1, 2]
    assert_done_once(on_sqlite, report["job"], jobs=1)
    on_sqlite.check_books()


def _failing(above: int) -> int:
    return next(each for each in range(above + 1, above + 100) if fails(each))


def _count(studio: Studio) -> int:
    db = Database(studio.db)
    try:
        with db.read() as connection:
            if not sa.inspect(connection).has_table("take"):
                return 0
            query = sa.select(sa.func.count()).select_from(take)
            return int(connection.execute(query).scalar_one())
    finally:
        db.close()

"""A film waits for a person: nothing leaves without a yes, and each question is answered once."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from strangers import install
from studio_runs import SMALL_BRIEF, Studio

from cinefab.app.settings import load_settings
from cinefab.app.studio import Studio as Parts
from cinefab.core.errors import NothingToDecide
from cinefab.deliver.tables import release
from cinefab.review.gate import Choice
from cinefab.review.tables import decision, review_item
from cinefab.store.database import Database
from cinefab.store.schema import log_leaf, outbox

ASKED = SMALL_BRIEF + "review: required\n"
DOUBTER = """
    from cinefab.core.verdict import CheckFinding, Remark


    class Doubter:
        name, version = "doubter", "1"

        def examine(self, cut):
            question = Remark(text="Is this the right cup?", frame=7)
            return CheckFinding(check="doubter", version="1", questions=(question,))
"""


@pytest.fixture
def studio(database_url: str, tmp_path: Path) -> Studio:
    return Studio(tmp_path, database_url)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Studio:
    return Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}")


def waiting(studio: Studio) -> list[dict[str, Any]]:
    done = studio.run("review", "ls", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def answered(studio: Studio, *words: str, expect: int) -> dict[str, Any]:
    done = studio.run("review", *words, "--json")
    assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def reserved(studio: Studio) -> int:
    return int(json.loads(studio.run("ledger", "report", "--json").stdout)["reserved_uusd"])


def count(studio: Studio, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    db = Database(studio.db)
    with db.read() as connection:
        query = sa.select(sa.func.count()).select_from(table).where(*conditions)
        found = connection.execute(query).scalar_one()
    db.close()
    return int(found)


def films(studio: Studio) -> list[Path]:
    return [path for path in studio.folder.glob("out/**/*") if path.suffix == ".mp4"]


def test_a_film_whose_brief_wants_a_person_waits_and_leaves_when_that_person_approves(
    studio: Studio,
) -> None:
    waits = studio.make(studio.brief(ASKED), expect=5)
    still_waits = studio.make(studio.brief(ASKED), expect=5)
    (item,) = waiting(studio)

    assert waits["status"] == "needs_person"
    assert waits["job"] == still_waits["job"] == item["job"]
    assert item["question"] == "May this film be published?"
    assert item["since"] < item["due"] == waits["asked"]["due"]
    assert Path(item["watch"]).read_bytes()[4:8] == b"ftyp"
    assert Path(item["still"]).read_bytes()[:2] == b"\xff\xd8"
    assert films(studio) == []
    assert reserved(studio) > 0

    film = answered(studio, "approve", waits["job"], "--reason", "Looks right.", expect=0)

    assert film["status"] == "delivered"
    assert film["job"] == waits["job"]
    assert film["content_credentials"]["state"] == "trusted"
    (made,) = film["asked"]["decisions"]
    assert (made["choice"], made["principal"], made["reason"]) == (
        "approved", "prn_local", "Looks right.",
    )  # fmt: skip
    assert studio.run("verify", film["film"]).returncode == 0
    assert film["cost_uusd"] == sum(stage["cost_uusd"] for stage in film["stages"])
    assert waiting(studio) == []
    assert reserved(studio) == 0
    for table in (log_leaf, outbox):
        assert count(studio, table, table.c.kind == "review.asked") == 1
        assert count(studio, table, table.c.kind == "review.decided") == 1
    told = answered(studio, "reject", waits["job"], "--reason", "No.", expect=1)
    assert "it was approved by prn_local" in told["failure"]["found"]
    studio.check_books()


def test_a_film_that_a_person_rejects_is_not_published_and_its_reservation_is_given_back(
    on_sqlite: Studio,
) -> None:
    waits = on_sqlite.make(on_sqlite.brief(ASKED), expect=5)

    answered(on_sqlite, "reject", waits["asked"]["item"], "--reason", "Wrong cup.", expect=0)

    report = json.loads(Path(waits["out"], "report.json").read_text())
    assert report["status"] == "refused"
    assert "Wrong cup." in report["failure"]["found"]
    assert films(on_sqlite) == []
    assert reserved(on_sqlite) == 0
    again = on_sqlite.make(on_sqlite.brief(ASKED), expect=5)
    assert again["job"] != waits["job"]
    assert {each["made_by"] for each in again["segments"]} == {"reuse"}
    on_sqlite.check_books()


def test_a_film_that_nobody_looked_at_in_time_is_not_published(on_sqlite: Studio) -> None:
    brief = on_sqlite.brief(SMALL_BRIEF + "review: {mode: required, within: 1s}\n")
    waits = on_sqlite.make(brief, expect=5)
    db = Database(on_sqlite.db)
    with db.write() as connection:
        connection.execute(review_item.update().values(due_us=review_item.c.opened_us + 1))
    db.close()

    told = answered(on_sqlite, "approve", waits["job"], expect=1)

    assert "it was expired by its deadline" in told["failure"]["found"]
    assert waiting(on_sqlite) == []
    assert json.loads(Path(waits["out"], "report.json").read_text())["status"] == "refused"
    assert films(on_sqlite) == []
    assert count(on_sqlite, release) == 0
    assert reserved(on_sqlite) == 0
    on_sqlite.check_books()


def test_a_check_that_cannot_decide_alone_asks_a_person_about_its_frame(on_sqlite: Studio) -> None:
    install(
        on_sqlite,
        module="doubter",
        source=DOUBTER,
        points={"checks": {"doubter": "doubter:Doubter"}},
    )
    waits = on_sqlite.make(on_sqlite.brief(), expect=5)
    (item,) = waiting(on_sqlite)

    assert item["asked_by"] == "doubter"
    assert item["question"] == "Is this the right cup?"
    assert item["frame"] == item["shown_frame"] == 7
    assert answered(on_sqlite, "approve", waits["job"], expect=0)["status"] == "delivered"


def test_from_the_strict_queue_a_film_leaves_only_with_a_reason(on_sqlite: Studio) -> None:
    brief = SMALL_BRIEF + "review: {mode: required, queue: strict}\n"
    waits = on_sqlite.make(on_sqlite.brief(brief), expect=5)

    told = answered(on_sqlite, "approve", waits["job"], expect=1)

    assert "no reason is given" in told["failure"]["found"]
    approve = ("approve", waits["job"], "--reason", "The desk agreed.", "--leave")
    assert answered(on_sqlite, *approve, expect=0)["choice"] == "approved"
    assert on_sqlite.make(on_sqlite.brief(brief))["job"] == waits["job"]


def test_of_a_yes_and_a_no_at_the_same_moment_one_wins_and_the_other_is_told(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CINEFAB_HOME", str(studio.folder / "home"))
    waits = studio.make(studio.brief(ASKED), expect=5)
    settings = load_settings({"db": studio.db})
    begin = threading.Barrier(4)
    made: list[str] = []
    told: list[str] = []

    def answer(choice: Choice) -> None:
        with Parts(settings, tell=lambda _news: None) as parts:
            begin.wait(60)
            try:
                _, decided = parts.decide(waits["job"], choice, reason="Because.")
                made.append(decided.choice)
            except NothingToDecide as error:
                told.append(error.found)

    choices = [Choice.APPROVED, Choice.REJECTED] * 2
    threads = [threading.Thread(target=answer, args=(choice,)) for choice in choices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1
    assert len(told) == 3
    assert all(made[0] in words for words in told)
    assert count(studio, decision) == 1
    report = json.loads(Path(waits["out"], "report.json").read_text())
    assert report["status"] == ("waiting" if made == ["approved"] else "refused")
    studio.check_books()


def test_a_job_that_was_cancelled_while_it_waited_cannot_be_approved(
    on_sqlite: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cinefab.core.ids import JobId  # noqa: PLC0415 - this test alone
    from cinefab.jobs.cancelling import cancel_job  # noqa: PLC0415 - as above

    monkeypatch.setenv("CINEFAB_HOME", str(on_sqlite.folder / "home"))
    waits = on_sqlite.make(on_sqlite.brief(ASKED), expect=5)
    with Parts(load_settings({"db": on_sqlite.db}), tell=lambda _news: None) as parts:
        assert cancel_job(parts.shop, JobId(waits["job"]), by="a test")

    told = answered(on_sqlite, "approve", waits["job"], expect=1)

    assert "the job has ended" in told["failure"]["found"]
    assert waiting(on_sqlite) == []
    assert count(on_sqlite, decision) == 0
    assert reserved(on_sqlite) == 0

"""A model that makes a faulty film: it is refused, and the verdict names the frame and shows it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import sqlalchemy as sa
from strangers import install
from studio_runs import SMALL_BRIEF, Studio

from cinefab.deliver.tables import release
from cinefab.review.tables import piece_figures
from cinefab.store.database import Database

# The embedded model under another name, whose second shot loses its light now and then.
FAULTY = """
    import dataclasses

    from cinefab.generate.models.procedural import Procedural


    class Faulty:
        def __init__(self):
            self._sound = Procedural()
            self.card = dataclasses.replace(self._sound.card, name="faulty")

        def load(self):
            self._sound.load()

        def frames(self, request, run):
            for number, frame in enumerate(self._sound.frames(request)):
                if request.input["index"] == 1 and number in (3, 4):
                    frame = frame.copy()
                    luma = request.size.width * request.size.height
                    frame.reshape(-1)[:luma] = 16
                    frame.reshape(-1)[luma:] = 128
                yield frame
"""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}")


def rows_of(studio: Studio, table: sa.Table) -> int:
    db = Database(studio.db)
    try:
        with db.read() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    finally:
        db.close()


def test_a_faulty_film_is_refused_and_the_frame_is_named_and_shown(studio: Studio) -> None:
    install(studio, module="faulty", source=FAULTY, points={"models": {"faulty": "faulty:Faulty"}})

    report = studio.make(studio.brief(SMALL_BRIEF + "model: faulty\n"), expect=3)

    assert report["status"] == "refused"
    verdict = report["verdict"]
    assert (verdict["state"], verdict["check"], verdict["shot"]) == ("refused", "black", 1)
    assert "goes black" in verdict["reason"]
    # The first shot is 12 frames; the second one's body begins after half a wipe of 4 frames.
    assert verdict["frame"] == 12 + 2 + 3
    assert verdict["picture"] == f"verdict-black-{verdict['frame']}.jpg"
    shown = cv2.imread(f"{report['out']}/{verdict['picture']}")
    assert shown is not None
    assert shown.shape == (180, 320, 3)
    assert shown.max() < 10
    assert f"black at frame {verdict['frame']}" in report["failure"]["found"]
    assert rows_of(studio, release) == 0
    studio.check_books()


def test_pieces_without_figures_are_looked_at_when_a_film_of_them_is_reviewed(
    studio: Studio,
) -> None:
    studio.make(studio.brief())
    pieces = rows_of(studio, piece_figures)
    db = Database(studio.db)
    with db.write() as connection:
        connection.execute(piece_figures.delete())
    db.close()

    # A moved line asks for another review of the same cut.
    studio.environment["CINEFAB_REVIEW_THRESHOLDS"] = "freeze_ms_max=1900"
    again = studio.make(studio.brief(SMALL_BRIEF.replace("Three", "Those")))

    assert again["verdict"]["state"] == "passed"
    assert rows_of(studio, piece_figures) == pieces
    assert all(each["made_by"] == "reuse" for each in again["segments"])


def test_a_threshold_decides_and_is_part_of_what_is_kept(studio: Studio) -> None:
    report = studio.make(studio.brief())
    assert report["verdict"]["state"] == "passed"

    studio.environment["CINEFAB_REVIEW_THRESHOLDS"] = "blocks_preview_max=0"
    strict = studio.make(studio.brief(SMALL_BRIEF.replace("Three", "Those")), expect=3)

    assert strict["verdict"]["check"] == "blocks"
    assert json.loads(Path(strict["out"], "report.json").read_text())["verdict"]["picture"]

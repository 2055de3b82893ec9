"""What a model's run keeps, tells and bills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cinefab.core.clock import ManualClock
from cinefab.core.errors import Cancelled
from cinefab.core.units import Uusd
from cinefab.generate.run import ALONE, Bill, Run


def test_the_newest_resume_point_is_found_again_by_another_process(tmp_path: Path) -> None:
    run = Run(folder=tmp_path / "run")
    run.keep("step-1", {"state": b"first"})
    run.keep("step-2", {"state": b"second", "rng": b"r"})

    found = Run(folder=tmp_path / "run").kept()

    assert found is not None
    assert found.point == "step-2"
    assert {name: path.read_bytes() for name, path in found.files.items()} == {
        "state": b"second",
        "rng": b"r",
    }
    assert not (tmp_path / "run" / "step-1").exists()


def test_a_resume_point_whose_bytes_changed_is_none(tmp_path: Path) -> None:
    run = Run(folder=tmp_path)
    run.keep("step-1", {"state": b"whole"})
    (tmp_path / "step-1" / "state").write_bytes(b"torn")

    assert Run(folder=tmp_path).kept() is None


def test_a_run_without_a_folder_keeps_nothing_and_goes_on() -> None:
    ALONE.keep("step-1", {"state": b"x"})

    assert ALONE.kept() is None
    assert ALONE.is_wanted()


def test_a_stop_reaches_the_run_and_its_parts_in_any_process(tmp_path: Path) -> None:
    run = Run(folder=tmp_path)
    part = run.within("at0_9")
    part.progress(1, 3)

    Run(folder=tmp_path).stop()

    with pytest.raises(Cancelled):
        part.progress(2, 3)


def test_parts_share_bills_and_notes_and_have_resume_points_of_their_own(tmp_path: Path) -> None:
    run = Run(folder=tmp_path)
    run.within("at0_9").keep("sent", {"job": b"1"})
    run.within("at9_9").keep("sent", {"job": b"2"})
    bill = Bill(amount_uusd=Uusd(7), basis="answer", supplier="them", reference="job-1")
    for part in run.parts:
        part.bill(bill)
        part.note("engine", "theirs")

    jobs = [point.files["job"].read_bytes() for each in run.parts if (point := each.kept())]
    assert jobs == [b"1", b"2"]
    assert run.bills == (bill,)
    assert run.notes == {"engine": "theirs"}


def test_progress_carries_a_picture_that_is_there_whole(tmp_path: Path) -> None:
    told: list[Any] = []
    run = Run(folder=tmp_path, tell=told.append)

    run.progress(2, 5, preview=np.zeros((48, 64, 3), np.uint8))

    assert told == [{"step": 2, "steps": 5, "preview": str(tmp_path / "preview.jpg")}]
    assert (tmp_path / "preview.jpg").read_bytes().startswith(b"\xff\xd8")


def test_nobody_knows_what_an_unknown_bill_is() -> None:
    with pytest.raises(AssertionError):
        Bill(amount_uusd=Uusd(0), basis="unknown", supplier="them", reference="1")


def test_a_run_that_waits_for_somebody_else_says_now_and_then_that_it_is_alive() -> None:
    clock, told = ManualClock(), []
    run = Run(tell=told.append, clock=clock).within("at0_12")

    for _ in range(60):
        clock.sleep(1)
        run.check_wanted()
    run.progress(1, 2)
    clock.sleep(9)
    run.check_wanted()

    assert told == [*[{"alive": True}] * 6, {"step": 1, "steps": 2}]

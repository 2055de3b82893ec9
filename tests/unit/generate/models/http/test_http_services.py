"""Services that a mapping describes: submitted to once, paid once, believed little."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brisk_clock import BriskClock
from engines.openai_media import Fault
from engines.services import ServiceStub

from cinefab.conformance.models import PROMISES, NotPromised, Subject
from cinefab.core.errors import BriefInvalid, Cancelled, ContractMismatch, Unavailable
from cinefab.generate.models.http import Http
from cinefab.generate.models.http.mapping import read_mapping
from cinefab.generate.run import Run

KINDS = ("replicate", "fal", "runway")
SUBMIT = {"replicate": "/v1/models/", "fal": "/studio/tiny", "runway": "/v1/image_to_video"}
POLL = {"replicate": "/v1/predictions/", "fal": "/studio/tiny/requests", "runway": "/v1/tasks/"}


def model(service: ServiceStub, **table: Any) -> Http:
    settings: dict[str, Any] = {
        "mapping": service.kind,
        "base_url": service.url,
        "model": "studio/tiny",
        "task": "image-to-video" if service.kind == "runway" else "text-to-video",
        "fps": 12,
        "poll_s": 0.01,
        "patience_s": 3,
        "deterministic": True,
        "allow_networks": ["127.0.0.0/8"],
        "price_uusd_per_second": 50_000,
    }
    return Http("theirs", settings | table, {"api_key": "right"}, clock=BriskClock())


def subject(service: ServiceStub, folder: Path, **table: Any) -> Subject:
    return Subject(make=lambda: model(service, **table), folder=folder)


def made(service: ServiceStub, folder: Path, run: Run | None = None, **table: Any) -> list[Any]:
    asked = subject(service, folder, **table).request()
    run = Run(folder=folder / "run") if run is None else run
    return [frame.copy() for frame in model(service, **table).frames(asked, run)]


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("kind", ["runway"])
def test_a_mapped_service_keeps_its_promise(kind: str, promise: str, tmp_path: Path) -> None:
    with ServiceStub(kind, key="right") as service:
        try:
            PROMISES[promise](subject(service, tmp_path))
        except NotPromised:
            assert promise not in ("says-what-it-is", "is-billed-once", "tells-its-steps")


FAULTS = ("429", "503", "after", "hang", "garbage", "poll", "slow")


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        *(("replicate", fault) for fault in FAULTS),
        # The other mapping differs in its paths alone.
        *(("fal", fault) for fault in ("after", "poll")),
        *(
            pytest.param("fal", fault, marks=pytest.mark.long)
            for fault in FAULTS
            if fault not in ("after", "poll")
        ),
    ],
)
def test_what_may_pass_is_asked_again_and_nothing_is_made_twice(
    kind: str, fault: str, tmp_path: Path
) -> None:
    submit, poll = SUBMIT[kind], POLL[kind]
    faults = {
        "429": Fault("POST", submit, "status", status=429, headers={"retry-after": "0"}),
        "503": Fault("POST", submit, "status", status=503),
        "after": Fault("POST", submit, "after", status=500),
        "hang": Fault("POST", submit, "hang"),
        "garbage": Fault("POST", submit, "garbage"),
        "poll": Fault("GET", poll, "status", status=502, times=2),
        "slow": Fault("GET", "/files/", "slow"),
    }
    with ServiceStub(kind) as service:
        service.faults = [faults[fault]]
        run = Run(folder=tmp_path / "run")
        frames = made(service, tmp_path, run)

    assert len(frames) == 10
    # An answer that was lost may be work that was begun: it is asked for once more, and no more.
    assert len(service.made) == (2 if fault in ("after", "garbage") else 1)
    assert [bill.amount_uusd for bill in run.bills] == [50_000]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_that_are_lost_again_and_again_are_paid_for_twice_at_most(
    kind: str, tmp_path: Path
) -> None:
    with ServiceStub(kind) as service:
        service.faults = [Fault("POST", SUBMIT[kind], "after", times=9)]
        for _try in range(3):
            with pytest.raises(Unavailable, match="it may have begun"):
                made(service, tmp_path, Run(folder=tmp_path / "run"))

    assert len(service.made) == 2


def test_a_service_that_honours_keys_makes_it_once_though_its_answer_was_lost(
    tmp_path: Path,
) -> None:
    with ServiceStub("replicate", honours_keys=True) as service:
        service.faults = [Fault("POST", SUBMIT["replicate"], "after")]
        assert len(made(service, tmp_path)) == 10

    assert len(service.made) == 1


def test_a_model_of_fal_with_a_longer_name_is_asked_about_below_its_app(tmp_path: Path) -> None:
    with ServiceStub("fal") as service:
        assert len(made(service, tmp_path, model="studio/tiny/v2/text-to-video")) == 10

    assert service.asked["POST /studio/tiny/v2/text-to-video"] == 1


def test_the_credits_that_a_task_says_go_before_the_price_book(tmp_path: Path) -> None:
    with ServiceStub("runway") as service:
        service.cost = 0.25
        run = Run(folder=tmp_path / "run")
        made(service, tmp_path, run)

    assert [(bill.amount_uusd, bill.basis) for bill in run.bills] == [(250_000, "answer")]


def test_a_service_that_forgets_is_submitted_to_once_more_and_no_more(tmp_path: Path) -> None:
    with ServiceStub("runway", polls=3) as service:
        once = _forgetting(service, tmp_path / "once", times=1)
        assert len(made(service, tmp_path, once)) == 10
        assert len(service.made) == 2
        assert len(once.bills) == 1

        with pytest.raises(Unavailable, match="forgotten"):
            made(service, tmp_path, _forgetting(service, tmp_path / "always", times=9))
        assert len(service.made) == 4


def test_what_the_answer_says_that_it_cost_goes_before_the_price_book(tmp_path: Path) -> None:
    file = tmp_path / "mapping.toml"
    own = read_mapping("replicate", model="theirs")
    assert own.supplier == "replicate"
    source = Path(__file__).parents[5] / "src/cinefab/generate/models/http/mappings/replicate.toml"
    file.write_text(source.read_text() + '\n[cost]\ndollars = "metrics.cost"\n')
    with ServiceStub("replicate") as service:
        service.cost = 0.25
        run = Run(folder=tmp_path / "run")
        made(service, tmp_path, run, mapping=str(file))

    assert (run.bills[0].amount_uusd, run.bills[0].basis) == (250_000, "answer")


@pytest.mark.parametrize(
    ("units", "price", "bill"),
    [
        ("2.5", 40_001, (100_003, "answer")),
        ("2.5", None, (50_000, "price-book")),
        ("many", 40_001, (50_000, "price-book")),
        ("", 40_001, (50_000, "price-book")),
    ],
)
def test_the_units_that_fal_bills_are_worth_what_the_table_says_of_one(
    units: str, price: int | None, bill: tuple[int, str], tmp_path: Path
) -> None:
    with ServiceStub("fal") as service:
        service.units = units
        run = Run(folder=tmp_path / "run")
        made(service, tmp_path, run, **({} if price is None else {"price_uusd_per_unit": price}))

    assert [(each.amount_uusd, each.basis) for each in run.bills] == [bill]


def test_without_a_price_nobody_knows(tmp_path: Path) -> None:
    with ServiceStub("fal") as service:
        run = Run(folder=tmp_path / "run")
        asked = subject(service, tmp_path).request()
        table = dict(model(service)._settings)
        del table["price_uusd_per_second"]
        list(Http("theirs", table, {"api_key": "x"}).frames(asked, run))

    assert (run.bills[0].amount_uusd, run.bills[0].basis) == (None, "unknown")


@pytest.mark.parametrize("where", ["http://169.254.169.254/latest", "http://10.0.0.1/x.mp4"])
def test_a_result_in_a_private_place_is_not_fetched(where: str, tmp_path: Path) -> None:
    with ServiceStub("runway") as service:
        service.result_url = where
        with pytest.raises(ContractMismatch, match="allow_networks"):
            made(service, tmp_path)


def test_another_job_s_answer_a_failure_and_a_wrong_key_are_said(tmp_path: Path) -> None:
    with ServiceStub("replicate", key="right") as service:
        service.faults = [Fault("GET", "/v1/predictions/", "other")]
        with pytest.raises(ContractMismatch, match="job_of_somebody_else"):
            made(service, tmp_path / "other")
        service.fails = "out of memory"
        with pytest.raises(Unavailable, match="out of memory"):
            made(service, tmp_path / "fails")
        service.key = "another"
        with pytest.raises(ContractMismatch, match="does not let us"):
            made(service, tmp_path / "key")


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancelled_run_is_cancelled_there(kind: str, tmp_path: Path) -> None:
    with ServiceStub(kind, polls=50) as service:
        run = Run(folder=tmp_path / "run")
        run._tell = lambda news: run.stop() if "step" in news else None  # type: ignore[method-assign]
        with pytest.raises(Cancelled):
            made(service, tmp_path, run)

        assert service.cancelled == ["job0000"]


def test_a_shot_beyond_the_longest_length_is_refused_by_its_field(tmp_path: Path) -> None:
    with ServiceStub("runway") as service:
        asked = replace(subject(service, tmp_path).request(), frames=200)
        with pytest.raises(BriefInvalid) as refused:
            list(model(service, seconds=[5, 10]).frames(asked))
        assert refused.value.field == "seconds"
        assert service.made == []


@pytest.mark.parametrize("text", ["nonsense = [", 'supplier = "x"', None])
def test_a_mapping_that_is_none_is_said(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "mapping.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ContractMismatch, match="mapping of the model"):
        read_mapping(str(file), model="theirs")


def test_a_hole_alone_becomes_the_value_and_an_empty_one_is_left_out() -> None:
    mapped = read_mapping("fal", model="theirs")

    body = mapped.body({"prompt": "A {seed} cup", "seed": 7, "frames": None})

    assert body == {"prompt": "A {seed} cup", "seed": 7}
    assert np.isscalar(body["seed"])


def _forgetting(service: ServiceStub, folder: Path, *, times: int) -> Run:
    left = [times]

    def tell(news: Any) -> None:
        if news.get("step") == 50 and left[0] > 0:
            left[0] -= 1
            service.restart()

    return Run(folder=folder, tell=tell)

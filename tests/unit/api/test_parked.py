"""Parked jobs and models that rest, over HTTP: listed, explained, and let go by a person alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from doors import Door, opened

from cinefab.core.errors import JobParked
from cinefab.core.ids import JobId
from cinefab.economics.reservations import reservations_of
from cinefab.jobs.status import JobStatus, move_job
from cinefab.schedule.breakers import Breaker, State, store_breaker
from cinefab.tenancy.local import LOCAL_TENANT

BRIEF = {
    "title": "Hello",
    "shots": [{"seconds": 1, "caption": "Hello"}],
    "output": {"size": "320x180", "fps": 12},
    "quality": "preview",
}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with opened(tmp_path_factory.mktemp("home")) as door:
        yield door


def park(door: Door, job: str) -> None:
    killed = {"stage": "generate:0", "model": "dear@1", "error": "NativeCrash", "found": "SIGSEGV"}
    why = JobParked(attempted="make", found="it crashed", remedy="Look.", killed_by=(killed,) * 3)
    with door.service.db.write() as connection:
        for status, failure in ((JobStatus.RUNNING, None), (JobStatus.PARKED, why.as_dict())):
            move_job(
                connection,
                tenant=LOCAL_TENANT,
                job_id=JobId(job),
                to=status,
                failure=failure,
                now_us=door.service.clock.now_us(),
            )


def test_a_parked_job_is_listed_with_what_killed_it_and_ordered_again_by_a_person_alone(
    door: Door,
) -> None:
    client = door.client()
    job = client.post("/v1/jobs", json=BRIEF).json()["id"]
    park(door, job)

    listed = client.get("/v1/jobs", params={"status": "parked"}).json()["data"]
    again = client.post(f"/v1/jobs/{job}/retry")
    twice = client.post(f"/v1/jobs/{again.json()['id']}/retry")

    assert [each["id"] for each in listed] == [job]
    assert [each["found"] for each in listed[0]["failure"]["killed_by"]] == ["SIGSEGV"] * 3
    assert again.status_code == 201
    assert again.json()["id"] != job
    assert twice.status_code == 409  # the new one has not ended
    assert client.get(f"/v1/jobs/{job}").json()["status"] == "parked"
    with door.service.db.read() as connection:
        kept = reservations_of(connection, tenant=LOCAL_TENANT, job=JobId(job))
    assert kept
    assert not any(each.is_open for each in kept)


def test_a_model_that_rests_is_told_and_the_service_goes_on(door: Door) -> None:
    client = door.client()
    before = client.get("/readyz").json()
    listed = {each["id"]: each["version"] for each in client.get("/v1/models").json()["data"]}
    ref = f"procedural@{listed['procedural']}"
    resting = Breaker(model=ref, state=State.OPEN, until_us=1, why="a prompt of theirs")
    with door.service.db.write() as connection:
        store_breaker(connection, Breaker(model=ref), resting, tenant=LOCAL_TENANT, now_us=1)

    after = client.get("/readyz")
    models = {each["id"]: each["breaker"] for each in client.get("/v1/models").json()["data"]}

    assert before["models"] == "ok"
    assert (after.status_code, after.json()["models"]) == (200, "1 of them resting")
    assert models["procedural"]["state"] == "open"
    assert "theirs" not in str(models)  # whose job it was may be another tenant's business
    assert {each["state"] for name, each in models.items() if name != "procedural"} <= {"closed"}

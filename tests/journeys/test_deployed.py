"""The studio of `deploy/compose.yaml`, its processes as they are described, on real services."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml
from served import a_brief, served
from studio_runs import REPOSITORY, Studio

from cinefab.economics.tables import lease
from cinefab.store.database import Database
from cinefab.store.schema import worker as worker_table

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "deploy" / "compose.yaml").read_text())
JOBS = 4


def environment(service: str, postgres_url: str, bucket_url: str, home: Path) -> dict[str, str]:
    """Return a service's environment, its database and bucket being those of this test."""
    named = COMPOSE["services"][service]["environment"]
    assert re.fullmatch(r"postgresql://cinefab:\$\{\S+\}? .*@postgres/cinefab", named["CINEFAB_DB"])
    assert named["CINEFAB_BLOBS"].startswith("s3://films?endpoint=http://store:7070")
    given = {name: "test" if "$" in value else value for name, value in named.items()}
    return given | {
        "CINEFAB_HOME": str(home),
        "CINEFAB_DB": postgres_url,
        "CINEFAB_BLOBS": bucket_url,
    }


@contextmanager
def worker(studio: Studio) -> Iterator[None]:
    (word,) = COMPOSE["services"]["worker"]["command"]
    process = studio.start(word, "--blobs", str(studio.blobs))
    assert process.stderr is not None
    try:
        while "is ready" not in process.stderr.readline():
            assert process.poll() is None, "the worker did not start"
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=90)


def test_a_door_that_makes_nothing_and_two_workers_share_the_films(
    postgres_url: str, s3_bucket: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    around = environment("door", postgres_url, s3_bucket, home)
    said = environment("worker", postgres_url, s3_bucket, home) | {"CINEFAB_JOBS_AT_ONCE": "1"}
    studio = Studio(tmp_path, postgres_url, s3_bucket, environment=said)

    with served(home, **around) as door:
        created = [door.client.post("/v1/jobs", json=a_brief(f"Film {n}")) for n in range(JOBS)]
        assert {each.status_code for each in created} == {201}
        with worker(studio), worker(studio):
            made = [door.wait(each.json()["id"]) for each in created]
        films = [door.client.get(each["links"]["film"]) for each in made]
        books = door.client.get("/v1/ledger/check").json()

    assert {each["status"] for each in made} == {"delivered"}
    assert all(b"ftyp" in film.content[:12] for film in films)
    assert books["findings"] == []
    db = Database(postgres_url)
    with db.read() as connection:
        workers = set(connection.execute(sa.select(worker_table.c.id)).scalars())
        made_by = set(connection.execute(sa.select(lease.c.worker_id)).scalars())
    db.close()
    assert len(workers) == 3
    assert len(made_by) == 2

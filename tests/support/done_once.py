"""What the rows must say of a job, however often it was killed on its way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

import sqlalchemy as sa
from studio_runs import Studio

from cinefab.deliver.tables import release
from cinefab.economics.tables import lease
from cinefab.generate.tables import take
from cinefab.jobs.tables import job as job_table
from cinefab.record.tables import stage
from cinefab.store.database import Database
from cinefab.store.schema import outbox


def assert_done_once(studio: Studio, job: str, *, jobs: int) -> None:
    """Look into the rows: one job, one release, each stage and each take once, none run again."""
    db = Database(studio.db)
    try:
        with db.read() as connection:
            count = sa.select(sa.func.count())
            assert connection.execute(count.select_from(job_table)).scalar_one() == jobs
            releases = count.select_from(release).where(release.c.job_id == job)
            assert connection.execute(releases).scalar_one() == 1
            takes = sa.select(take.c.segment_key).where(take.c.job_id == job)
            assert _repeated(connection.execute(takes).scalars()) == []
            events = sa.select(outbox.c.body).where(
                outbox.c.subject == job, outbox.c.kind == "stage.committed"
            )
            told = [json.loads(body)["stage"] for body in connection.execute(events).scalars()]
            assert _repeated(told) == []
            stages = connection.execute(sa.select(stage).where(stage.c.job_id == job)).all()
            assert sorted(row.name for row in stages) == sorted(told)
            leases = connection.execute(sa.select(lease).where(lease.c.job_id == job)).all()
    finally:
        db.close()
    assert all(row.closed_us is not None for row in leases), "a lease was left open"
    charged = [row.stage for row in leases if row.charge_key is not None]
    assert sorted(charged) == sorted(told), "each stage is charged by one lease"
    committed = {row.name: row.committed_us for row in stages}
    late = [row.stage for row in leases if row.opened_us > committed[row.stage]]
    assert late == [], f"run again after they were finished: {late}"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]

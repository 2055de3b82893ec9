"""A stage's result becomes true once and whole, and cannot be stored without what it owes."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import cinefab
from cinefab.core.canonical import sha256_of
from cinefab.core.clock import ManualClock
from cinefab.core.ids import JobId, LeaseId, SeededIds, TenantId, WorkerId
from cinefab.core.stage import Charge, Content, Elapsed, Lineage, Relation, SourceEdge, TimeClass
from cinefab.core.units import WHOLE_BP, DeviceUs, Uusd
from cinefab.economics.leases import open_lease
from cinefab.economics.ledger import Overrun, reserve, void_rest
from cinefab.economics.prices import PriceBook
from cinefab.economics.report import job_costs
from cinefab.economics.tables import lease_class
from cinefab.latency.tables import stage_time
from cinefab.provenance.authority import open_authority
from cinefab.provenance.tables import asset, edge
from cinefab.record.books import check_books
from cinefab.record.commit import (
    NewAsset,
    Recorder,
    StageRef,
    commit_stage,
    find_stage,
    nothing_else,
    sibling,
)
from cinefab.record.tables import stage
from cinefab.store.database import Database
from cinefab.store.facts import AuditLeaf, OutboxEvent
from cinefab.store.migrate import migrate
from cinefab.store.schema import log_leaf, outbox

TENANT = TenantId("ten_a")
JOB = JobId("job_a")
REF = StageRef(tenant=TENANT, job=JOB, name="generate:0")
REQUIRED = ("assets", "charged", "took", "leaf", "event", "facts", "overrun", "also")
SOURCE = Path(cinefab.__file__).parent


@pytest.fixture
def recorder(database_url: str, tmp_path: Path) -> Iterator[Recorder]:
    clock = ManualClock()
    db = Database(database_url)
    migrate(db)
    authority = open_authority(tmp_path / "authority", clock=clock)
    recorder = Recorder(db=db, signer=authority.signer, clock=clock, ids=SeededIds(clock, 1))
    with db.write() as connection:
        reserve(
            connection, tenant=TENANT, job=JOB, amount=Uusd(1000), key=JOB, now_us=clock.now_us()
        )
    yield recorder
    db.close()


def a_lease(recorder: Recorder, *, prices: dict[str, str] | None = None) -> LeaseId:
    book = PriceBook.from_usd_per_hour({"cpu-core": "0.36"} if prices is None else prices)
    with recorder.db.write() as connection:
        return open_lease(
            connection,
            tenant=TENANT,
            device_class="cpu-core",
            worker=WorkerId("wrk_a"),
            job=JOB,
            stage=REF.name,
            prices=book,
            ids=recorder.ids,
            now_us=recorder.clock.now_us(),
        )


def an_asset(content: bytes = b"pixels", *, source: int | None = None) -> NewAsset:
    sources: tuple[SourceEdge, ...] = ()
    if source is not None:
        edge = SourceEdge(source=sibling(source), relation=Relation.PARENT_OF, weight_bp=WHOLE_BP)
        sources = (edge,)
    return NewAsset(
        content=Content(
            digest=sha256_of(content), kind="segment", media_type="video/mp4", size_bytes=6
        ),
        lineage=Lineage(
            made_by="procedural@1.0.0", sources=sources, digital_source_type="algorithmicMedia"
        ),
    )


def the_rest(lease_id: LeaseId, **changes: Any) -> dict[str, Any]:
    """Return every argument but the recorder and the stage."""
    charge = Charge(
        lease=lease_id,
        device_class="cpu-core",
        by_class={TimeClass.LOAD: DeviceUs(100_000), TimeClass.GOOD: DeviceUs(900_000)},
    )
    return {
        "assets": [an_asset()],
        "charged": charge,
        "took": Elapsed(started_us=5, took_us=1_000_000),
        "leaf": AuditLeaf(kind="stage.committed", subject=JOB, body={}),
        "event": OutboxEvent(kind="stage.committed", subject=JOB, body={}),
        "facts": {"n": 1},
        "overrun": Overrun.ABSORB,
        "also": nothing_else,
    } | changes


def rows(recorder: Recorder, *tables: sa.Table) -> list[int]:
    with recorder.db.read() as connection:
        return [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in tables
        ]


WRITTEN = (asset, stage, stage_time, log_leaf, outbox, lease_class)


def test_a_commit_writes_asset_charge_time_leaf_and_event_at_once(recorder: Recorder) -> None:
    lease_id = a_lease(recorder)

    committed = commit_stage(recorder, REF, **the_rest(lease_id))

    assert rows(recorder, *WRITTEN) == [1, 1, 1, 1, 1, 2]
    assert committed == find_stage(recorder.db, REF)
    assert committed.cost_uusd == 100  # one second at 0.36 $/h
    with recorder.db.read() as connection:
        assert check_books(connection, tenant=TENANT).findings == ()


@pytest.mark.parametrize("missing", REQUIRED)
def test_no_argument_of_a_commit_can_be_left_out_when_it_runs(
    recorder: Recorder, missing: str
) -> None:
    arguments = the_rest(a_lease(recorder))
    del arguments[missing]

    with pytest.raises(TypeError, match=missing):
        commit_stage(recorder, REF, **arguments)

    assert rows(recorder, *WRITTEN) == [0, 0, 0, 0, 0, 0]


def test_the_type_checker_refuses_to_leave_one_out_or_to_pass_none_for_it(tmp_path: Path) -> None:
    program = tmp_path / "omission.py"
    given = ", ".join(f"{name}={name}" for name in REQUIRED)
    kinds = (
        "assets: list[NewAsset], charged: Charge, took: Elapsed, leaf: AuditLeaf, "
        "event: OutboxEvent, facts: Json, overrun: Overrun, also: AlsoWrite"
    )
    lines = [f"    commit_stage(r, s, {given})"]
    for name in REQUIRED:
        lines.append(f"    commit_stage(r, s, {given.replace(f'{name}={name}', '').strip(', ')})")
        if name != "facts":  # what a stage found out may well be nothing
            lines.append(f"    commit_stage(r, s, {given.replace(f'={name}', '=None', 1)})")
    program.write_text(
        textwrap.dedent(
            """\
            from cinefab.core.canonical import Json
            from cinefab.core.stage import Charge, Elapsed
            from cinefab.economics.ledger import Overrun
            from cinefab.record.commit import (
                AlsoWrite, NewAsset, Recorder, StageRef, commit_stage,
            )
            from cinefab.store.facts import AuditLeaf, OutboxEvent
            """
        )
        + f"def use(r: Recorder, s: StageRef, {kinds}) -> None:\n"
        + "\n".join(line.replace(", ,", ",") for line in lines)
        + "\n"
    )
    mypy = Path(sys.executable).parent / "mypy"
    if not mypy.exists():
        pytest.skip("mypy is installed by make check")

    checked = subprocess.run(
        [mypy, "--strict", "--config-file=", "--follow-imports=silent", str(program)],
        capture_output=True,
        text=True,
        check=False,
    )

    refused = {
        int(line.split(":")[1]) for line in checked.stdout.splitlines() if ": error:" in line
    }
    first = program.read_text().splitlines().index(lines[0]) + 1
    assert refused == set(range(first + 1, first + len(lines))), checked.stdout


@pytest.mark.parametrize("function", ["record_asset", "post_charge", "record_stage_time"])
def test_only_the_commit_function_can_store_a_result(function: str) -> None:
    importers = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and function in {name.name for name in node.names}
    }

    assert importers == {"record/commit.py"}


def test_what_fails_inside_a_commit_leaves_nothing_behind(recorder: Recorder) -> None:
    def fail(_connection: sa.Connection, _made: object) -> None:
        raise RuntimeError("the layer's own rows do not fit")

    with pytest.raises(RuntimeError):
        commit_stage(recorder, REF, **the_rest(a_lease(recorder), also=fail))

    assert rows(recorder, *WRITTEN) == [0, 0, 0, 0, 0, 0]


def test_a_stage_that_is_committed_twice_is_stored_and_charged_once(recorder: Recorder) -> None:
    first = commit_stage(recorder, REF, **the_rest(a_lease(recorder)))

    second = commit_stage(
        recorder, REF, **the_rest(a_lease(recorder), assets=[an_asset(b"other pixels")])
    )

    assert second == first
    with recorder.db.read() as connection:
        costs = job_costs(connection, tenant=TENANT, job=JOB)
        assert check_books(connection, tenant=TENANT).findings == ()
    assert costs.total_uusd == 100
    assert costs.overhead_uusd == 100
    assert rows(recorder, asset, stage, log_leaf, outbox) == [1, 1, 1, 1]


def test_assets_of_one_commit_may_be_made_from_one_another(recorder: Recorder) -> None:
    assets = [an_asset(b"original"), an_asset(b"picture", source=0), an_asset(b"mask", source=1)]

    committed = commit_stage(recorder, REF, **the_rest(a_lease(recorder), assets=assets))

    assert len(committed.assets) == 3
    assert rows(recorder, edge) == [2]


def test_a_stage_that_quotes_another_cost_than_the_ledger_is_found(recorder: Recorder) -> None:
    commit_stage(recorder, REF, **the_rest(a_lease(recorder)))
    with recorder.db.write() as connection:
        connection.execute(stage.update().values(cost_uusd=101))

    with recorder.db.read() as connection:
        checked = check_books(connection, tenant=TENANT)

    assert [finding.rule for finding in checked.findings] == ["stage-cost"]


def test_an_unpriced_device_costs_an_unknown_amount_and_never_nothing(recorder: Recorder) -> None:
    committed = commit_stage(recorder, REF, **the_rest(a_lease(recorder, prices={})))

    assert committed.cost_uusd is None
    with recorder.db.read() as connection:
        assert job_costs(connection, tenant=TENANT, job=JOB).total_uusd is None
        assert check_books(connection, tenant=TENANT).findings == ()


def test_a_stage_of_another_tenant_is_not_found(recorder: Recorder) -> None:
    commit_stage(recorder, REF, **the_rest(a_lease(recorder)))

    found = find_stage(recorder.db, StageRef(tenant=TenantId("ten_b"), job=JOB, name=REF.name))

    assert found is None


def test_a_result_that_comes_after_the_reservation_was_voided_is_not_charged(
    recorder: Recorder,
) -> None:
    lease_id = a_lease(recorder)
    with recorder.db.write() as connection:
        void_rest(connection, tenant=TENANT, job=JOB, now_us=recorder.clock.now_us())

    with pytest.raises(Exception, match="reservations were given back"):
        commit_stage(recorder, REF, **the_rest(lease_id))

    assert rows(recorder, *WRITTEN) == [0, 0, 0, 0, 0, 0]

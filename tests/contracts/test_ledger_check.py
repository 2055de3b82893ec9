"""The check finds whatever was done to the rows behind the ledger's back, on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

import pytest
import sqlalchemy as sa

from cinefab.core.clock import ManualClock
from cinefab.core.ids import IdSource, JobId, SeededIds, TenantId, WorkerId
from cinefab.core.stage import Charge, TimeClass
from cinefab.core.units import DeviceUs, Uusd
from cinefab.economics.check import LedgerCheck, check_ledger
from cinefab.economics.leases import open_lease
from cinefab.economics.ledger import Overrun, absorb_lost_lease, post_charge, reserve, void_rest
from cinefab.economics.prices import PriceBook
from cinefab.economics.report import job_costs, ledger_report
from cinefab.economics.tables import Kind
from cinefab.store.database import Database
from cinefab.store.schema import METADATA

TENANT, OTHER = TenantId("ten_a"), TenantId("ten_b")
ENDED, RUNNING, UNPRICED = JobId("job_1"), JobId("job_2"), JobId("job_3")
COMMITTED = [(ENDED, "plan"), (ENDED, "render"), (UNPRICED, "plan")]
CPU = PriceBook({"cpu": 1_000_000})  # one µUSD a millisecond
GOOD = {TimeClass.LOAD: 40, TimeClass.GOOD: 60}


def run_stage(
    connection: sa.Connection,
    ids: IdSource,
    job: JobId,
    stage: str,
    *,
    ms: Mapping[TimeClass, int] = GOOD,
    prices: PriceBook = CPU,
    tenant: TenantId = TENANT,
    overrun: Overrun = Overrun.EXTEND,
) -> Uusd | None:
    opened = open_lease(
        connection,
        tenant=tenant,
        device_class="cpu",
        worker=WorkerId("wrk_1"),
        job=job,
        stage=stage,
        prices=prices,
        ids=ids,
        now_us=10,
    )
    by_class = {name: DeviceUs(length * 1_000) for name, length in ms.items()}
    return post_charge(
        connection,
        tenant=tenant,
        job=job,
        stage=stage,
        charge=Charge(lease=opened, device_class="cpu", by_class=by_class),
        overrun=overrun,
        now_us=20,
    )


def keep_books(db: Database) -> None:
    """An ended job with two stages, one that runs, one without a price, a lost lease, a neighbour."""
    ids = SeededIds(ManualClock(), 1)
    with db.write() as connection:
        for tenant, job, amount in (
            (TENANT, ENDED, 500),
            (TENANT, RUNNING, 300),
            (OTHER, ENDED, 500),
        ):
            reserve(connection, tenant=tenant, job=job, amount=Uusd(amount), key=job, now_us=1)
        run_stage(connection, ids, ENDED, "plan")
        run_stage(connection, ids, ENDED, "render", ms={TimeClass.GOOD: 90, TimeClass.SCRAP: 10})
        void_rest(connection, tenant=TENANT, job=ENDED, now_us=30)
        run_stage(connection, ids, UNPRICED, "plan", prices=PriceBook({}))
        run_stage(connection, ids, ENDED, "plan", tenant=OTHER)
        lost, _left_open = (
            open_lease(
                connection,
                tenant=TENANT,
                device_class="cpu",
                worker=WorkerId("wrk_1"),
                job=RUNNING,
                stage=stage,
                prices=CPU,
                ids=ids,
                now_us=40,
            )
            for stage in ("plan", "render")
        )
        absorb_lost_lease(connection, tenant=TENANT, lease=lost, lost_us=DeviceUs(7_000), now_us=50)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    METADATA.create_all(db.engine)
    keep_books(db)
    yield db
    db.close()


def check(db: Database, *, ended: tuple[JobId, ...] = (ENDED,)) -> LedgerCheck:
    with db.read() as connection:
        return check_ledger(connection, tenant=TENANT, ended=ended, committed=COMMITTED)


def test_books_that_were_kept_by_the_ledger_hold(db: Database) -> None:
    found = check(db)

    assert [str(finding) for finding in found.findings] == []
    assert found.holds
    assert (found.reserved_uusd, found.spend_uusd, found.overhead_uusd, found.provider_uusd) == (
        300,
        190,
        17,
        207,
    )
    assert (found.leases, found.device_us, found.unpriced_us) == (4, 307_000, 100_000)
    assert found.transfers == 16


def test_an_empty_ledger_holds(db: Database) -> None:
    with db.read() as connection:
        found = check_ledger(connection, tenant=TenantId("ten_nobody"), committed=[])

    assert found.holds
    assert found.transfers == 0


A_POST = "FROM transfer WHERE tenant_id = 'ten_a' AND kind = 'post' ORDER BY id LIMIT 1"
A_LEASE = "(SELECT id FROM lease WHERE tenant_id = 'ten_a' AND job_id = 'job_1' AND stage = 'plan')"
SPEND = "(SELECT id FROM account WHERE tenant_id = 'ten_a' AND code = 'spend')"
OVERHEAD = "(SELECT id FROM account WHERE tenant_id = 'ten_a' AND code = 'overhead')"
NEIGHBOUR = "(SELECT id FROM account WHERE tenant_id = 'ten_b' AND code = 'spend')"
TIME = "(SELECT id FROM account WHERE tenant_id = 'ten_a' AND code = 'time:good')"
SCRAP = "(SELECT id FROM account WHERE tenant_id = 'ten_a' AND code = 'time:scrap')"
DOUBLED = (
    "INSERT INTO transfer (tenant_id, key, unit, kind, debit_account, credit_account, amount,"
    " reservation_id, lease_id, job_id, stage, created_us)"
    " SELECT tenant_id, key || ':again', unit, kind, debit_account, credit_account, amount,"
    " reservation_id, lease_id, job_id, stage, created_us"
)

TAMPERINGS = {
    "a balance is raised": (
        f"UPDATE account SET debits_posted = debits_posted + 1 WHERE id = {SPEND}",
        {"balance"},
    ),
    "a transfer's amount is changed": (
        f"UPDATE transfer SET amount = amount + 1 WHERE id = (SELECT id {A_POST})",
        {"balance", "reservation", "ended_job", "lease_cost", "work", "totals"},
    ),
    "a transfer is deleted": (
        f"DELETE FROM transfer WHERE id = (SELECT id {A_POST})",
        {"balance", "reservation", "ended_job", "lease_cost", "work", "totals"},
    ),
    "a transfer is written twice": (
        f"{DOUBLED} {A_POST}",
        {"balance", "reservation", "ended_job", "lease_cost", "work", "totals"},
    ),
    "a transfer is turned round": (
        (
            "UPDATE transfer SET debit_account = credit_account, credit_account = debit_account"
            f" WHERE id = (SELECT id {A_POST})"
        ),
        {"flow", "balance", "work"},
    ),
    "a transfer goes to a neighbour's account": (
        f"UPDATE transfer SET debit_account = {NEIGHBOUR} WHERE id = (SELECT id {A_POST})",
        {"sides", "balance", "both_sides"},
    ),
    "a transfer goes to a neighbour": (
        f"UPDATE transfer SET tenant_id = 'ten_b' WHERE id = (SELECT id {A_POST})",
        {"balance", "reservation", "ended_job", "lease_cost", "work", "totals"},
    ),
    "a transfer mixes units": (
        f"UPDATE transfer SET debit_account = {TIME} WHERE id = (SELECT id {A_POST})",
        {"flow", "sides", "balance", "both_sides"},
    ),
    "a transfer loses its lease": (
        f"UPDATE transfer SET lease_id = NULL WHERE id = (SELECT id {A_POST})",
        {"flow", "lease_cost"},
    ),
    "a transfer moves to another job": (
        f"UPDATE transfer SET job_id = 'job_2' WHERE id = (SELECT id {A_POST})",
        {"reservation", "lease_cost", "work", "ended_job"},
    ),
    "a job is made to pay for overhead": (
        f"UPDATE transfer SET debit_account = {OVERHEAD} WHERE key = 'work:' || {A_LEASE}",
        {"balance", "lease_cost", "work", "totals"},
    ),
    "a reservation's counter is lowered": (
        (
            "UPDATE reservation SET posted = posted - 1, voided = voided + 1 WHERE job_id = 'job_1'"
            " AND tenant_id = 'ten_a'"
        ),
        {"reservation"},
    ),
    "an ended job is opened again": (
        "UPDATE reservation SET closed_us = NULL WHERE job_id = 'job_1' AND tenant_id = 'ten_a'",
        {"ended_job"},
    ),
    "a lease is made longer": (
        f"UPDATE lease SET device_us = device_us + 1 WHERE id = {A_LEASE}",
        {"lease_time", "lease_cost"},
    ),
    "a lease is made cheaper": (
        f"UPDATE lease SET cost_uusd = cost_uusd - 1 WHERE id = {A_LEASE}",
        {"lease_cost", "totals"},
    ),
    "a lease's price is changed": (
        f"UPDATE lease SET nusd_per_s = nusd_per_s * 2 WHERE id = {A_LEASE}",
        {"lease_cost"},
    ),
    "a lease's price is taken away": (
        f"UPDATE lease SET nusd_per_s = NULL, cost_uusd = NULL WHERE id = {A_LEASE}",
        {"unpriced", "totals"},
    ),
    "a lease is opened again": (
        (
            "UPDATE lease SET closed_us = NULL, device_us = NULL, cost_uusd = NULL, charge_key = NULL"
            f" WHERE id = {A_LEASE}"
        ),
        {"lease_time", "stage", "ended_job", "totals"},
    ),
    "a lease's class is moved in the lease alone": (
        (
            f"UPDATE lease_class SET time_class = 'rework' WHERE time_class = 'load'"
            f" AND lease_id = {A_LEASE}"
        ),
        {"lease_time"},
    ),
    "a lease's class is moved in the journal alone": (
        f"UPDATE transfer SET debit_account = {SCRAP} WHERE key = 'time:' || {A_LEASE} || ':load'",
        {"lease_time", "balance"},
    ),
    "a lease's class is deleted": (
        f"DELETE FROM lease_class WHERE time_class = 'load' AND lease_id = {A_LEASE}",
        {"lease_time", "lease_cost"},
    ),
    "a lease's time is never booked": (
        f"DELETE FROM transfer WHERE lease_id = {A_LEASE} AND unit = 'device_us'",
        {"lease_time", "balance"},
    ),
    "a charged stage becomes a lost one": (
        f"UPDATE lease SET charge_key = NULL WHERE id = {A_LEASE}",
        {"lease_cost", "stage"},
    ),
    "a stage is charged under another name": (
        f"UPDATE lease SET charge_key = 'job_1:other', stage = 'other' WHERE id = {A_LEASE}",
        {"stage", "lease_time", "lease_cost"},
    ),
    "the limit is lowered behind the account's back": (
        (
            f"UPDATE account SET debits_posted = 0, debits_pending = 0, debit_limit = 1"
            f" WHERE id = {SPEND}"
        ),
        {"limit", "balance"},
    ),
}


@pytest.mark.parametrize("name", list(TAMPERINGS))
def test_the_check_finds_that(db: Database, name: str) -> None:
    statement, rules = TAMPERINGS[name]
    with db.write() as connection:
        touched = connection.exec_driver_sql(statement)
        assert touched.rowcount > 0

    found = check(db)

    assert {finding.rule for finding in found.findings} == rules
    assert not found.holds
    assert all(finding.row and finding.wanted != finding.found for finding in found.findings)


def test_a_finding_names_the_row_and_both_figures(db: Database) -> None:
    with db.write() as connection:
        connection.exec_driver_sql(
            f"UPDATE account SET debits_posted = debits_posted + 7 WHERE id = {SPEND}"
        )

    (finding,) = check(db).findings

    assert "(spend) debits_posted" in finding.row
    assert (finding.wanted, finding.found) == ("190 uusd by the journal", "197 uusd")


def test_a_stage_that_was_charged_twice_is_found_though_every_sum_agrees(db: Database) -> None:
    ids = SeededIds(ManualClock(), 2)
    with db.write() as connection:
        # A second, complete charge under another stage's name, renamed to the first afterwards.
        run_stage(connection, ids, ENDED, "plan-again", overrun=Overrun.ABSORB, ms={})
        connection.exec_driver_sql("UPDATE transfer SET stage = 'plan' WHERE stage = 'plan-again'")
        connection.exec_driver_sql("UPDATE lease SET stage = 'plan' WHERE stage = 'plan-again'")

    found = check(db)

    assert [finding.rule for finding in found.findings] == ["stage"]
    assert "charged by 2" in found.findings[0].found


def test_a_reservation_that_paid_more_than_it_held_is_named_with_both_amounts(db: Database) -> None:
    with db.write() as connection:
        connection.exec_driver_sql(
            f"UPDATE transfer SET amount = 450 WHERE id = (SELECT id {A_POST})"
        )

    found = [finding for finding in check(db).findings if finding.rule == "reservation"]

    assert ["at most 0.000500 USD posted and voided", "0.000850 USD"] in [
        [finding.wanted, finding.found] for finding in found
    ]


def test_an_ended_job_with_money_or_a_lease_left_is_found_only_if_it_is_said_to_have_ended(
    db: Database,
) -> None:
    found = check(db, ended=(ENDED, RUNNING))

    assert [finding.rule for finding in found.findings] == ["ended_job", "ended_job"]
    assert "open, 0.000300 USD left" in found.findings[0].found
    assert check(db).holds


def test_a_result_without_a_charge_and_a_charge_without_a_result_are_found(db: Database) -> None:
    with db.read() as connection:
        found = check_ledger(
            connection, tenant=TENANT, committed=[*COMMITTED[:2], (ENDED, "deliver")]
        )

    assert [(finding.rule, finding.row) for finding in found.findings] == [
        ("stage", "stage deliver of job_1"),
        ("stage", "stage plan of job_3"),
    ]


def test_the_neighbours_books_are_not_looked_at(db: Database) -> None:
    with db.write() as connection:
        connection.exec_driver_sql(
            "UPDATE account SET debits_posted = debits_posted + 1 WHERE tenant_id = 'ten_b'"
        )

    assert check(db).holds


def test_a_jobs_costs_are_listed_by_stage_in_the_order_of_charging(db: Database) -> None:
    with db.read() as connection:
        costs = job_costs(connection, tenant=TENANT, job=ENDED)

    assert [(stage.stage, stage.device_us, stage.cost_uusd) for stage in costs.stages] == [
        ("plan", 100_000, 100),
        ("render", 100_000, 90),
    ]
    assert (costs.total_uusd, costs.overhead_uusd) == (190, 10)
    assert (costs.reserved_uusd, costs.posted_uusd, costs.voided_uusd) == (500, 190, 310)
    assert costs.by_class == {
        TimeClass.LOAD: 40_000,
        TimeClass.GOOD: 150_000,
        TimeClass.SCRAP: 10_000,
    }


def test_a_job_with_an_unpriced_stage_has_an_unknown_total(db: Database) -> None:
    with db.write() as connection:
        reserve(connection, tenant=TENANT, job=UNPRICED, amount=Uusd(500), key="u", now_us=1)
        run_stage(connection, SeededIds(ManualClock(), 3), UNPRICED, "render")

    with db.read() as connection:
        costs = job_costs(connection, tenant=TENANT, job=UNPRICED)

    assert [stage.cost_uusd for stage in costs.stages] == [None, 100]
    assert costs.total_uusd is None
    assert costs.overhead_uusd is None
    assert costs.posted_uusd == 100


def test_a_lost_lease_is_overhead_of_its_job_and_no_stage(db: Database) -> None:
    with db.read() as connection:
        costs = job_costs(connection, tenant=TENANT, job=RUNNING)

    assert costs.stages == ()
    assert (costs.total_uusd, costs.overhead_uusd) == (0, 7)
    assert costs.by_class == {TimeClass.PREEMPT_WASTE: 7_000}


def test_a_job_that_the_ledger_does_not_know_has_cost_nothing(db: Database) -> None:
    with db.read() as connection:
        costs = job_costs(connection, tenant=TENANT, job=JobId("job_none"))

    assert (costs.stages, costs.total_uusd, costs.reserved_uusd) == ((), 0, 0)


def test_the_report_agrees_with_the_check(db: Database) -> None:
    with db.read() as connection:
        report = ledger_report(connection, tenant=TENANT)

    found = check(db)
    assert (report.reserved_uusd, report.spend_uusd, report.overhead_uusd, report.unpriced_us) == (
        found.reserved_uusd,
        found.spend_uusd,
        found.overhead_uusd,
        found.unpriced_us,
    )
    assert sum(report.by_class.values()) == found.device_us
    assert [(total.job, total.device_us, total.cost_uusd) for total in report.jobs] == [
        (ENDED, 200_000, 190),
        (UNPRICED, 100_000, None),
        (RUNNING, 7_000, 0),
    ]
    assert [balance.code for balance in report.balances][:3] == [
        "overhead",
        "provider:cpu",
        "spend",
    ]


def test_reports_can_be_copied_into_a_document(db: Database) -> None:
    with db.read() as connection:
        costs = job_costs(connection, tenant=TENANT, job=ENDED)
        report = ledger_report(connection, tenant=TENANT)

    assert asdict(costs)["by_class"] == costs.by_class
    assert asdict(report)["jobs"][0]["cost_uusd"] == 190


def test_every_move_is_in_the_books_that_the_check_is_tried_on(db: Database) -> None:
    with db.read() as connection:
        kinds = connection.exec_driver_sql("SELECT DISTINCT kind FROM transfer").scalars().all()

    assert sorted(kinds) == sorted(kind.value for kind in Kind)

"""What somebody else asks for a stage is charged with it, once, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from cinefab.core.clock import ManualClock
from cinefab.core.ids import JobId, LeaseId, SeededIds, TenantId, WorkerId
from cinefab.core.stage import Bill, Charge, TimeClass
from cinefab.core.units import DeviceUs, Uusd
from cinefab.economics.bills import hear_bill
from cinefab.economics.check import LedgerCheck, check_ledger
from cinefab.economics.leases import open_lease
from cinefab.economics.ledger import Overrun, absorb_lost_lease, post_charge, reserve
from cinefab.economics.prices import PriceBook
from cinefab.economics.report import JobCosts, job_costs, ledger_report
from cinefab.economics.tables import bill, transfer
from cinefab.store.database import Database
from cinefab.store.schema import METADATA

TENANT = TenantId("ten_a")
JOB = JobId("job_1")
PRICED = PriceBook({"cpu": 1_000_000})  # one µUSD a millisecond


class Desk:
    """A ledger with a job that has 1000 µUSD, whose stages take 100 ms for 100 µUSD."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._ids = SeededIds(ManualClock(), 1)
        with db.write() as connection:
            reserve(connection, tenant=TENANT, job=JOB, amount=Uusd(1000), key="k", now_us=1)

    def lease(self, stage: str = "generate:0", *, prices: PriceBook = PRICED) -> LeaseId:
        with self.db.write() as connection:
            return open_lease(
                connection,
                tenant=TENANT,
                device_class="cpu",
                worker=WorkerId("wrk_1"),
                job=JOB,
                stage=stage,
                prices=prices,
                ids=self._ids,
                now_us=2,
            )

    def post(
        self,
        *bills: Bill,
        stage: str = "generate:0",
        worth: TimeClass = TimeClass.GOOD,
        prices: PriceBook = PRICED,
        overrun: Overrun = Overrun.EXTEND,
    ) -> Uusd | None:
        charge = Charge(
            lease=self.lease(stage, prices=prices),
            device_class="cpu",
            by_class={worth: DeviceUs(100_000)},
            bills=bills,
            billed_class=worth,
        )
        with self.db.write() as connection:
            return post_charge(
                connection,
                tenant=TENANT,
                job=JOB,
                stage=stage,
                charge=charge,
                overrun=overrun,
                now_us=3,
            )

    def costs(self) -> JobCosts:
        with self.db.read() as connection:
            return job_costs(connection, tenant=TENANT, job=JOB)

    def check(self) -> LedgerCheck:
        with self.db.read() as connection:
            return check_ledger(connection, tenant=TENANT)


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    db = Database(database_url)
    METADATA.create_all(db.engine)
    yield Desk(db)
    db.close()


def a_bill(amount: int | None = 250, reference: str = "run-1", supplier: str = "fal") -> Bill:
    basis: Any = "unknown" if amount is None else "answer"
    known = None if amount is None else Uusd(amount)
    return Bill(amount_uusd=known, basis=basis, supplier=supplier, reference=reference)


def test_a_bill_is_charged_with_its_stage_and_paid_to_its_supplier(desk: Desk) -> None:
    paid = desk.post(a_bill(), a_bill(40, "run-2", "replicate"))

    checked = desk.check()
    assert paid == 390
    assert checked.findings == ()
    assert (checked.spend_uusd, checked.provider_uusd, checked.supplier_uusd) == (390, 100, 290)
    costs = desk.costs()
    assert (costs.total_uusd, costs.overhead_uusd) == (390, 0)
    assert [(each.supplier, each.amount_uusd) for each in costs.bills] == [
        ("fal", 250),
        ("replicate", 40),
    ]


def test_an_unknown_amount_makes_the_cost_unknown_and_never_nothing(desk: Desk) -> None:
    paid = desk.post(a_bill(None), a_bill(40, "run-2"))
    desk.post(stage="review")

    costs, checked = desk.costs(), desk.check()
    assert paid is None
    assert [each.cost_uusd for each in costs.stages] == [None, 100]
    assert (costs.total_uusd, costs.overhead_uusd) == (None, None)
    assert checked.findings == ()
    assert (checked.unknown_bills, checked.spend_uusd) == (1, 240)
    with desk.db.read() as connection:
        report = ledger_report(connection, tenant=TENANT)
    assert report.jobs[0].cost_uusd is None
    assert [(each.supplier, each.amount_uusd, each.unknown) for each in report.suppliers] == [
        ("fal", 40, 1)
    ]


def test_a_bill_on_an_unpriced_device_is_paid_and_the_cost_stays_unknown(desk: Desk) -> None:
    paid = desk.post(a_bill(), prices=PriceBook({}))

    checked = desk.check()
    assert paid is None
    assert checked.findings == ()
    assert (checked.spend_uusd, checked.supplier_uusd) == (250, 250)


def test_the_same_work_is_billed_once_whichever_stage_tells_of_it(desk: Desk) -> None:
    first = desk.post(a_bill(), a_bill())
    second = desk.post(a_bill(), stage="generate:1")

    assert (first, second) == (350, 100)
    assert desk.check().findings == ()
    assert desk.check().supplier_uusd == 250


def test_a_stage_that_was_committed_elsewhere_absorbs_only_work_of_its_own(desk: Desk) -> None:
    first = desk.post(a_bill())
    again = desk.post(a_bill(), a_bill(70, "run-2"))

    assert first == again == 350
    checked = desk.check()
    assert checked.findings == ()
    assert (checked.spend_uusd, checked.overhead_uusd, checked.supplier_uusd) == (350, 170, 320)


@pytest.mark.parametrize(
    ("worth", "paid"), [(TimeClass.SCRAP, 0), (TimeClass.REWORK, 350), (TimeClass.GOOD, 350)]
)
def test_what_was_thrown_away_is_ours_to_pay_as_its_time_is(
    desk: Desk, worth: TimeClass, paid: int
) -> None:
    assert desk.post(a_bill(), worth=worth) == paid

    checked = desk.check()
    assert checked.findings == ()
    assert checked.overhead_uusd == 350 - paid


def test_a_fixed_budget_pays_time_before_bills_and_leaves_the_rest_to_us(desk: Desk) -> None:
    paid = desk.post(a_bill(2000), overrun=Overrun.ABSORB)

    checked = desk.check()
    assert paid == 1000
    assert checked.findings == ()
    assert (checked.provider_uusd, checked.supplier_uusd, checked.overhead_uusd) == (
        100,
        2000,
        1100,
    )


def test_lost_work_is_billed_to_us_and_not_again_when_it_comes_after_all(desk: Desk) -> None:
    lost = desk.lease()
    for _ in range(2):
        with desk.db.write() as connection:
            absorb_lost_lease(
                connection,
                tenant=TENANT,
                lease=lost,
                lost_us=DeviceUs(10_000),
                bills=[a_bill()],
                now_us=4,
            )
    paid = desk.post(a_bill())

    checked = desk.check()
    assert paid == 100
    assert checked.findings == ()
    assert (checked.overhead_uusd, checked.supplier_uusd) == (260, 250)


@pytest.mark.parametrize(
    "tamper",
    [
        bill.update().values(amount_uusd=251),
        bill.update().values(amount_uusd=None, basis="unknown"),
        bill.update().values(supplier="other"),
        bill.update().values(stage="review"),
        bill.update().values(time_class="scrap"),
        bill.delete(),
        transfer.update().where(transfer.c.key.startswith("bill:")).values(amount=249),
        transfer.delete().where(transfer.c.key.startswith("bill:")),
    ],
)
def test_whatever_is_done_to_a_bill_behind_the_ledgers_back_is_found(
    desk: Desk, tamper: sa.Executable
) -> None:
    desk.post(a_bill())
    with desk.db.write() as connection:
        connection.execute(tamper)

    assert "bill" in {finding.rule for finding in desk.check().findings}


def heard(desk: Desk, lease: LeaseId, asked: Bill) -> None:
    with desk.db.write() as connection:
        hear_bill(connection, asked, tenant=TENANT, lease=lease, now_us=3)


def test_a_bill_that_was_heard_is_paid_by_overhead_once_though_its_worker_died(desk: Desk) -> None:
    asked = Bill(amount_uusd=Uusd(70), basis="answer", supplier="shop", reference="run-1")
    dead = desk.lease()
    heard(desk, dead, asked)

    with desk.db.write() as connection:
        for _ in range(2):
            absorb_lost_lease(
                connection, tenant=TENANT, lease=dead, lost_us=DeviceUs(100_000), now_us=4
            )
    paid = desk.post(asked)

    assert paid == 100  # whoever goes on with the same work is not asked for it again
    assert desk.check().holds
    costs = desk.costs()
    assert [(each.amount_uusd, each.time_class) for each in costs.bills] == [
        (70, TimeClass.PREEMPT_WASTE)
    ]
    assert costs.overhead_uusd == 100 + 70


def test_a_bill_that_was_heard_and_comes_with_the_charge_is_charged_once(desk: Desk) -> None:
    asked = Bill(amount_uusd=Uusd(70), basis="answer", supplier="shop", reference="run-1")
    lease = desk.lease()
    heard(desk, lease, asked)
    charge = Charge(
        lease=lease,
        device_class="cpu",
        by_class={TimeClass.GOOD: DeviceUs(100_000)},
        bills=(asked,),
        billed_class=TimeClass.GOOD,
    )

    with desk.db.write() as connection:
        paid = post_charge(
            connection,
            tenant=TENANT,
            job=JOB,
            stage="generate:0",
            charge=charge,
            overrun=Overrun.EXTEND,
            now_us=5,
        )
        absorb_lost_lease(connection, tenant=TENANT, lease=lease, lost_us=DeviceUs(9), now_us=6)

    assert paid == 170
    assert desk.check().holds
    assert [each.time_class for each in desk.costs().bills] == [TimeClass.GOOD]

"""Reserve, post and void mean the same on both databases, however often they are sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import sqlalchemy as sa

from cinefab.core.clock import ManualClock
from cinefab.core.errors import BudgetTooSmall
from cinefab.core.ids import JobId, LeaseId, SeededIds, TenantId, WorkerId
from cinefab.core.stage import Charge, TimeClass
from cinefab.core.units import DeviceUs, Uusd
from cinefab.economics.errors import JobClosed, KeyReused, LeaseClosed, LedgerConflict
from cinefab.economics.leases import open_lease, open_leases_of, open_leases_of_job
from cinefab.economics.ledger import (
    Overrun,
    absorb_lost_lease,
    post_charge,
    reserve,
    set_spend_limit,
    void_rest,
)
from cinefab.economics.prices import PriceBook, record_prices
from cinefab.economics.reservations import Reservation
from cinefab.economics.tables import account, lease, price, transfer
from cinefab.store.database import Database
from cinefab.store.schema import METADATA

TENANT = TenantId("ten_a")
JOB = JobId("job_1")
WORKER = WorkerId("wrk_1")
CPU = PriceBook({"cpu": 1_000_000})  # one µUSD a millisecond
MS = 1_000


class Desk:
    """A ledger with dull defaults, so that each test says only what matters to it."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._ids = SeededIds(ManualClock(), 1)

    def reserve(self, amount: int, *, key: str = "k", job: JobId = JOB) -> Reservation:
        with self.db.write() as connection:
            return reserve(
                connection, tenant=TENANT, job=job, amount=Uusd(amount), key=key, now_us=1
            )

    def lease(self, stage: str = "plan", *, prices: PriceBook = CPU, job: JobId = JOB) -> LeaseId:
        with self.db.write() as connection:
            return open_lease(
                connection,
                tenant=TENANT,
                device_class="cpu",
                worker=WORKER,
                job=job,
                stage=stage,
                prices=prices,
                ids=self._ids,
                now_us=2,
            )

    def post(
        self,
        stage: str = "plan",
        *,
        ms: Mapping[TimeClass, int],
        on: LeaseId | None = None,
        overrun: Overrun = Overrun.EXTEND,
        prices: PriceBook = CPU,
        job: JobId = JOB,
    ) -> Uusd | None:
        charge = Charge(
            lease=on or self.lease(stage, prices=prices, job=job),
            device_class="cpu",
            by_class={name: DeviceUs(length * MS) for name, length in ms.items()},
        )
        with self.db.write() as connection:
            return post_charge(
                connection,
                tenant=TENANT,
                job=job,
                stage=stage,
                charge=charge,
                overrun=overrun,
                now_us=3,
            )

    def absorb(self, lost: LeaseId, *, ms: int) -> Uusd | None:
        with self.db.write() as connection:
            return absorb_lost_lease(
                connection, tenant=TENANT, lease=lost, lost_us=DeviceUs(ms * MS), now_us=4
            )

    def void(self, job: JobId = JOB) -> Uusd:
        with self.db.write() as connection:
            return void_rest(connection, tenant=TENANT, job=job, now_us=5)

    def limit(self, amount: int | None) -> None:
        with self.db.write() as connection:
            limit = None if amount is None else Uusd(amount)
            set_spend_limit(connection, tenant=TENANT, limit=limit)

    def balances(self) -> dict[str, tuple[int, int, int, int]]:
        """Return (debits pending, posted, credits pending, posted) by code."""
        with self.db.read() as connection:
            return {
                row.code: (
                    row.debits_pending,
                    row.debits_posted,
                    row.credits_pending,
                    row.credits_posted,
                )
                for row in connection.execute(sa.select(account))
            }

    def transfers(self) -> int:
        with self.db.read() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(transfer)).scalar_one()


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    db = Database(database_url)
    METADATA.create_all(db.engine)
    yield Desk(db)
    db.close()


def test_a_film_reserves_posts_each_stage_and_gives_back_the_rest(desk: Desk) -> None:
    desk.reserve(1_000)

    first = desk.post("plan", ms={TimeClass.GOOD: 100})
    second = desk.post("render", ms={TimeClass.LOAD: 50, TimeClass.GOOD: 250})
    back = desk.void()

    assert (first, second, back) == (100, 300, 600)
    assert desk.balances() == {
        "spend": (0, 400, 0, 0),
        "work": (0, 400, 0, 400),
        "provider:cpu": (0, 0, 0, 400),
        "time:load": (0, 50 * MS, 0, 0),
        "time:good": (0, 350 * MS, 0, 0),
        "device:cpu": (0, 0, 0, 400 * MS),
    }


def test_a_reservation_sent_twice_is_made_once(desk: Desk) -> None:
    first = desk.reserve(1_000)
    again = desk.reserve(1_000)

    assert again == first
    assert desk.balances()["spend"] == (1_000, 0, 0, 0)
    assert desk.transfers() == 1


@pytest.mark.parametrize(("amount", "job"), [(999, JOB), (1_000, JobId("job_2"))])
def test_a_key_that_comes_back_with_another_meaning_is_refused(
    desk: Desk, amount: int, job: JobId
) -> None:
    desk.reserve(1_000)

    with pytest.raises(KeyReused, match=r"already reserved 0\.001000 USD for job_1"):
        desk.reserve(amount, job=job)

    assert desk.transfers() == 1


def test_two_tenants_may_use_the_same_key(desk: Desk) -> None:
    desk.reserve(1_000)

    with desk.db.write() as connection:
        other = reserve(
            connection, tenant=TenantId("ten_b"), job=JOB, amount=Uusd(5), key="k", now_us=1
        )

    assert other.reserved == 5


def test_nothing_is_reserved_over_the_limit_and_the_transaction_may_go_on(desk: Desk) -> None:
    desk.limit(1_000)
    desk.reserve(600)

    with desk.db.write() as connection:
        with pytest.raises(BudgetTooSmall, match=r"only 0\.000400 USD is left"):
            reserve(connection, tenant=TENANT, job=JOB, amount=Uusd(401), key="k2", now_us=1)
        reserve(connection, tenant=TENANT, job=JOB, amount=Uusd(400), key="k3", now_us=1)

    assert desk.balances()["spend"] == (1_000, 0, 0, 0)


def test_a_limit_cannot_fall_below_what_is_spent(desk: Desk) -> None:
    desk.reserve(600)

    with pytest.raises(BudgetTooSmall, match="is spent or reserved already"):
        desk.limit(599)
    desk.limit(600)
    desk.limit(None)

    desk.reserve(1, key="k2")


def test_a_job_that_costs_nothing_reserves_nothing_and_closes(desk: Desk) -> None:
    made = desk.reserve(0)

    assert made.is_open
    assert desk.reserve(0) == made
    assert desk.void() == 0
    assert desk.transfers() == 0


def test_a_stage_posted_again_on_its_lease_returns_the_recorded_cost(desk: Desk) -> None:
    desk.reserve(1_000)
    on = desk.lease()
    first = desk.post(ms={TimeClass.GOOD: 100}, on=on)
    before = desk.transfers()

    again = desk.post(ms={TimeClass.GOOD: 100}, on=on)

    assert (first, again) == (100, 100)
    assert desk.transfers() == before


def test_a_stage_that_ran_twice_is_paid_once_and_its_second_lease_is_overhead(desk: Desk) -> None:
    desk.reserve(1_000)
    desk.post(ms={TimeClass.GOOD: 100})

    again = desk.post(ms={TimeClass.LOAD: 30, TimeClass.GOOD: 90})

    assert again == 100
    assert desk.balances()["spend"] == (900, 100, 0, 0)
    assert desk.balances()["overhead"] == (0, 120, 0, 0)
    assert desk.balances()["time:preempt_waste"] == (0, 120 * MS, 0, 0)


def test_an_unpriced_stage_counts_its_time_and_its_cost_is_unknown(desk: Desk) -> None:
    unpriced = PriceBook({})
    on = desk.lease(prices=unpriced)

    first = desk.post(ms={TimeClass.GOOD: 100}, on=on)
    again = desk.post(ms={TimeClass.GOOD: 100}, on=on)

    assert first is None
    assert again is None
    assert desk.balances()["device:cpu"] == (0, 0, 0, 100 * MS)
    assert "provider:cpu" not in desk.balances()


def test_a_free_device_costs_zero_which_is_known(desk: Desk) -> None:
    desk.reserve(1_000)

    cost = desk.post(ms={TimeClass.GOOD: 100}, prices=PriceBook({"cpu": 0}))

    assert cost == 0


def test_a_stage_keeps_the_price_that_was_in_force_when_its_lease_was_opened(desk: Desk) -> None:
    desk.reserve(1_000)
    on = desk.lease(prices=CPU)

    cost = desk.post(ms={TimeClass.GOOD: 7}, on=on, prices=PriceBook({"cpu": 5_000_000}))

    assert cost == 7


@pytest.mark.parametrize(
    "ours", [TimeClass.SCRAP, TimeClass.PREEMPT_WASTE, TimeClass.DOWN], ids=str
)
def test_what_was_lost_or_thrown_away_is_overhead(desk: Desk, ours: TimeClass) -> None:
    desk.reserve(1_000)

    paid = desk.post(ms={TimeClass.GOOD: 100, ours: 40})

    assert paid == 100
    assert desk.balances()["overhead"] == (0, 40, 0, 0)
    assert desk.balances()["provider:cpu"] == (0, 0, 0, 140)


@pytest.mark.parametrize(
    "theirs",
    [
        TimeClass.IDLE,
        TimeClass.LOAD,
        TimeClass.REWORK,
        TimeClass.SPEC_WASTE,
        TimeClass.DEGRADED,
    ],
    ids=str,
)
def test_everything_else_is_charged(desk: Desk, theirs: TimeClass) -> None:
    desk.reserve(1_000)

    assert desk.post(ms={TimeClass.GOOD: 100, theirs: 40}) == 140
    assert "overhead" not in desk.balances()


def test_rounding_up_happens_once_for_a_lease(desk: Desk) -> None:
    desk.reserve(1_000)
    cheap = PriceBook({"cpu": 1_500})  # 1 ms costs 1.5 nano-dollars: everything rounds up

    paid = desk.post(ms={TimeClass.GOOD: 1, TimeClass.SCRAP: 1}, prices=cheap)

    assert paid == 1
    assert desk.balances()["provider:cpu"] == (0, 0, 0, 1)
    assert "overhead" not in desk.balances()


def test_an_overrun_is_extended_by_a_second_reservation(desk: Desk) -> None:
    desk.reserve(80)

    paid = desk.post(ms={TimeClass.GOOD: 100}, overrun=Overrun.EXTEND)

    assert paid == 100
    assert desk.balances()["spend"] == (0, 100, 0, 0)
    assert desk.void() == 0


def test_an_overrun_of_a_fixed_budget_is_absorbed(desk: Desk) -> None:
    desk.reserve(80)

    first = desk.post("a", ms={TimeClass.GOOD: 100}, overrun=Overrun.ABSORB)
    second = desk.post("b", ms={TimeClass.GOOD: 10}, overrun=Overrun.ABSORB)

    assert (first, second) == (80, 0)
    assert desk.balances()["spend"] == (0, 80, 0, 0)
    assert desk.balances()["overhead"] == (0, 30, 0, 0)
    assert desk.balances()["provider:cpu"] == (0, 0, 0, 110)


def test_an_extension_over_the_limit_leaves_the_stage_uncharged_and_its_lease_open(
    desk: Desk,
) -> None:
    desk.limit(90)
    desk.reserve(80)
    on = desk.lease()

    with pytest.raises(BudgetTooSmall):
        desk.post(ms={TimeClass.GOOD: 100}, on=on)

    assert desk.balances()["spend"] == (80, 0, 0, 0)
    assert desk.absorb(on, ms=100) == 100


def test_a_stage_without_any_reservation_reserves_its_own(desk: Desk) -> None:
    assert desk.post(ms={TimeClass.GOOD: 100}) == 100
    assert desk.balances()["spend"] == (0, 100, 0, 0)


def test_a_charge_is_taken_from_the_oldest_reservations_first(desk: Desk) -> None:
    desk.reserve(60, key="first")
    desk.reserve(60, key="second")

    assert desk.post(ms={TimeClass.GOOD: 100}) == 100

    assert desk.reserve(60, key="first").left == 0
    assert desk.reserve(60, key="second").left == 20
    assert desk.void() == 20


def test_voiding_again_gives_back_nothing_more(desk: Desk) -> None:
    desk.reserve(70, key="first")
    desk.reserve(30, key="second")

    assert desk.void() == 100
    assert desk.void() == 0
    assert desk.balances()["spend"] == (0, 0, 0, 0)
    assert not desk.reserve(70, key="first").is_open


@pytest.mark.parametrize("overrun", list(Overrun))
def test_nothing_is_charged_to_a_job_that_has_ended(desk: Desk, overrun: Overrun) -> None:
    desk.reserve(1_000)
    on = desk.lease()
    desk.void()

    with pytest.raises(JobClosed, match="given back"):
        desk.post(ms={TimeClass.GOOD: 100}, on=on, overrun=overrun)

    assert desk.absorb(on, ms=100) == 100
    assert desk.balances()["spend"] == (0, 0, 0, 0)


def test_a_job_that_runs_again_reserves_anew(desk: Desk) -> None:
    desk.reserve(1_000)
    desk.void()

    desk.reserve(500, key="again")

    assert desk.post(ms={TimeClass.GOOD: 100}) == 100
    assert desk.void() == 400


def test_a_dead_workers_lease_is_overhead_and_its_late_charge_is_refused(desk: Desk) -> None:
    desk.reserve(1_000)
    on = desk.lease()

    first = desk.absorb(on, ms=70)
    again = desk.absorb(on, ms=90)
    with pytest.raises(LeaseClosed, match="taken for dead"):
        desk.post(ms={TimeClass.GOOD: 100}, on=on)

    assert (first, again) == (70, 0)
    assert desk.balances()["overhead"] == (0, 70, 0, 0)
    assert desk.balances()["time:preempt_waste"] == (0, 70 * MS, 0, 0)
    assert desk.post(ms={TimeClass.GOOD: 100}) == 100


def test_an_unpriced_lost_lease_counts_its_time_alone(desk: Desk) -> None:
    on = desk.lease(prices=PriceBook({}))

    assert desk.absorb(on, ms=70) is None
    assert set(desk.balances()) == {"spend", "time:preempt_waste", "device:cpu"}


def test_a_lease_pays_only_for_the_stage_it_was_opened_for(desk: Desk) -> None:
    desk.reserve(1_000)
    on = desk.lease("plan")

    with pytest.raises(LedgerConflict, match="opened for stage plan"):
        desk.post("render", ms={TimeClass.GOOD: 100}, on=on)
    with pytest.raises(LeaseClosed):
        desk.post("render", ms={TimeClass.GOOD: 100}, on=LeaseId("lse_unknown"))

    assert desk.post("plan", ms={TimeClass.GOOD: 100}, on=on) == 100


def test_another_tenants_lease_is_not_found(desk: Desk) -> None:
    on = desk.lease()

    with desk.db.write() as connection:
        cost = absorb_lost_lease(
            connection, tenant=TenantId("ten_b"), lease=on, lost_us=DeviceUs(5), now_us=4
        )

    assert cost == 0
    with desk.db.read() as connection:
        assert connection.execute(sa.select(lease.c.closed_us)).scalar_one() is None


def test_open_leases_are_found_by_worker_and_by_job_until_they_are_closed(desk: Desk) -> None:
    first, second = desk.lease("a"), desk.lease("b")
    desk.absorb(first, ms=0)

    with desk.db.read() as connection:
        by_worker = open_leases_of(connection, WORKER)
        by_job = open_leases_of_job(connection, tenant=TENANT, job=JOB)
        of_nobody = open_leases_of(connection, WorkerId("wrk_2"))

    assert [found.id for found in by_worker] == [second]
    assert by_worker == by_job
    assert (by_worker[0].tenant, by_worker[0].stage, by_worker[0].nusd_per_s) == (
        TENANT,
        "b",
        1_000_000,
    )
    assert of_nobody == ()


def test_a_charge_that_is_rolled_back_leaves_no_trace(desk: Desk) -> None:
    desk.reserve(1_000)
    on = desk.lease()
    before = desk.balances()
    charge = Charge(lease=on, device_class="cpu", by_class={TimeClass.GOOD: DeviceUs(5 * MS)})

    with pytest.raises(RuntimeError), desk.db.write() as connection:
        post_charge(
            connection,
            tenant=TENANT,
            job=JOB,
            stage="plan",
            charge=charge,
            overrun=Overrun.EXTEND,
            now_us=3,
        )
        raise RuntimeError("the commit fails for another reason")

    assert desk.balances() == before
    assert desk.post(ms={TimeClass.GOOD: 5}, on=on) == 5


def test_the_rows_themselves_refuse_an_overdraft(desk: Desk) -> None:
    desk.limit(1_000)
    desk.reserve(1_000)

    with pytest.raises(sa.exc.IntegrityError), desk.db.write() as connection:
        connection.execute(account.update().values(debits_pending=1_001))
    with pytest.raises(sa.exc.IntegrityError), desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE reservation SET posted = 600, voided = 401")


def test_the_history_of_prices_holds_what_changed(desk: Desk) -> None:
    with desk.db.write() as connection:
        first = record_prices(connection, PriceBook({"cpu": 5, "gpu": 7}), now_us=1)
        same = record_prices(connection, PriceBook({"cpu": 5, "gpu": 7}), now_us=2)
        changed = record_prices(connection, PriceBook({"cpu": 6}), now_us=3)

    with desk.db.read() as connection:
        rows = [tuple(row)[1:] for row in connection.execute(sa.select(price))]
    assert (first, same, changed) == (2, 0, 2)
    assert rows == [("cpu", 5, 1), ("gpu", 7, 1), ("cpu", 6, 3), ("gpu", None, 3)]

"""Budgets hold what is reserved and spent, by tenant, key and label, in all and by the month."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from cinefab.core.clock import ManualClock
from cinefab.core.errors import BudgetTooSmall
from cinefab.core.ids import JobId, KeyId, PrincipalId, SeededIds, TenantId, WorkerId
from cinefab.core.stage import Charge, TimeClass
from cinefab.core.units import DeviceUs, Uusd
from cinefab.economics.budgets import (
    Budget,
    Period,
    Scope,
    Spenders,
    budgets_of,
    lift_budget,
    record_spenders,
    set_budget,
    spenders_of,
)
from cinefab.economics.check import check_ledger
from cinefab.economics.leases import open_lease
from cinefab.economics.ledger import Overrun, post_charge, reserve, void_rest
from cinefab.economics.prices import PriceBook
from cinefab.economics.tables import budget
from cinefab.store.database import Database
from cinefab.store.schema import METADATA, log_leaf

TENANT, OTHER = TenantId("ten_a"), TenantId("ten_b")
KEY = KeyId("cfk_1")
BY = PrincipalId("prn_owner")
CPU = PriceBook({"cpu": 1_000_000})  # one µUSD a millisecond


def at(year: int, month: int, day: int = 1, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 1_000_000


NOW = at(2026, 11, 25)


class Desk:
    """A ledger with dull defaults."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.ids = SeededIds(ManualClock(), 1)

    def order(
        self,
        job: str,
        amount: int,
        *,
        key: KeyId | None = None,
        labels: Mapping[str, str] | None = None,
        tenant: TenantId = TENANT,
        now_us: int = NOW,
    ) -> None:
        with self.db.write() as connection:
            record_spenders(
                connection,
                tenant=tenant,
                job=JobId(job),
                spenders=Spenders(key=key, labels=labels or {}),
            )
            reserve(
                connection,
                tenant=tenant,
                job=JobId(job),
                amount=Uusd(amount),
                key=job,
                now_us=now_us,
            )

    def end(self, job: str, *, now_us: int = NOW) -> None:
        with self.db.write() as connection:
            void_rest(connection, tenant=TENANT, job=JobId(job), now_us=now_us)

    def charge(self, job: str, ms: int, overrun: Overrun = Overrun.EXTEND) -> Uusd | None:
        with self.db.write() as connection:
            lease = open_lease(
                connection,
                tenant=TENANT,
                device_class="cpu",
                worker=WorkerId("wrk_1"),
                job=JobId(job),
                stage="render",
                prices=CPU,
                ids=self.ids,
                now_us=NOW,
            )
            charge = Charge(
                lease=lease, device_class="cpu", by_class={TimeClass.GOOD: DeviceUs(ms * 1000)}
            )
            return post_charge(
                connection,
                tenant=TENANT,
                job=JobId(job),
                stage="render",
                charge=charge,
                overrun=overrun,
                now_us=NOW,
            )

    def bound(
        self,
        limit: int,
        scope: Scope = Scope.TENANT,
        subject: str = "",
        *,
        period: Period = Period.TOTAL,
        now_us: int = NOW,
    ) -> Budget:
        with self.db.write() as connection:
            return set_budget(
                connection,
                tenant=TENANT,
                scope=scope,
                subject=subject,
                period=period,
                limit=Uusd(limit),
                by=BY,
                now_us=now_us,
            )

    def used(self, *, now_us: int = NOW) -> list[int]:
        with self.db.read() as connection:
            return [each.used for each in budgets_of(connection, tenant=TENANT, now_us=now_us)]

    def assert_balances(self) -> None:
        with self.db.read() as connection:
            assert [str(each) for each in check_ledger(connection, tenant=TENANT).findings] == []


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    db = Database(database_url)
    METADATA.create_all(db.engine)
    yield Desk(db)
    db.close()


def test_what_is_reserved_is_used_and_what_is_given_back_is_left_again(desk: Desk) -> None:
    desk.bound(100)

    desk.order("job_1", 70)
    with pytest.raises(
        BudgetTooSmall, match=r"the budget of the tenant is 0\.000100 USD.*0\.000030"
    ):
        desk.order("job_2", 31)
    desk.charge("job_1", 20)
    assert desk.used() == [70]
    desk.end("job_1")

    assert desk.used() == [20]
    desk.order("job_2", 80)
    desk.assert_balances()


def test_a_refused_order_leaves_nothing(desk: Desk) -> None:
    desk.bound(100)
    desk.bound(10, Scope.LABEL, "project=spot")

    with pytest.raises(BudgetTooSmall, match="budget of label project=spot is"):
        desk.order("job_1", 11, labels={"project": "spot"})

    assert desk.used() == [0, 0]
    desk.order("job_1", 10, labels={"project": "spot"})
    assert desk.used() == [10, 10]
    desk.assert_balances()


def test_only_jobs_of_a_key_or_a_label_come_under_its_budget(desk: Desk) -> None:
    desk.bound(50, Scope.KEY, KEY)
    desk.bound(60, Scope.LABEL, "project=spot")

    desk.order("job_1", 1000)
    desk.order("job_2", 50, key=KEY)
    desk.order("job_3", 60, labels={"project": "spot", "team": "north"})
    desk.order("job_4", 1000, key=KeyId("cfk_2"), labels={"project": "other"})

    assert desk.used() == [50, 60]
    with desk.db.read() as connection:
        known = spenders_of(connection, tenant=TENANT, job=JobId("job_3"))
        assert known == Spenders(labels={"project": "spot", "team": "north"})
        assert spenders_of(connection, tenant=OTHER, job=JobId("job_3")) == Spenders()
    with pytest.raises(BudgetTooSmall, match="budget of key cfk_1"):
        desk.order("job_5", 1, key=KEY)
    desk.assert_balances()


def test_a_months_budget_begins_anew_and_the_total_does_not(desk: Desk) -> None:
    desk.bound(100, period=Period.MONTH)
    desk.bound(150)
    desk.order("job_1", 100)
    with pytest.raises(BudgetTooSmall, match="for this month"):
        desk.order("job_2", 1, now_us=at(2026, 11, 30, 23))

    desk.order("job_2", 50, now_us=at(2026, 12))

    assert desk.used(now_us=at(2026, 12, 2)) == [50, 150]
    assert desk.used(now_us=at(2027, 1)) == [0, 150]
    # What November's job gives back in December is November's.
    desk.end("job_1", now_us=at(2026, 12, 3))
    assert desk.used(now_us=at(2026, 12, 3)) == [50, 50]
    desk.assert_balances()


def test_a_clock_that_lags_does_not_bring_the_month_before_back(desk: Desk) -> None:
    desk.bound(100, period=Period.MONTH)
    desk.order("job_1", 100, now_us=at(2026, 12))

    with pytest.raises(BudgetTooSmall):
        desk.order("job_2", 1, now_us=at(2026, 12) - 1)

    desk.assert_balances()


def test_a_budget_that_is_set_late_counts_what_was_spent_before(desk: Desk) -> None:
    desk.order("job_1", 70, labels={"project": "spot"}, now_us=at(2026, 10))
    desk.order("job_2", 30, labels={"project": "spot"})
    desk.charge("job_2", 10)
    desk.end("job_2")

    total = desk.bound(100, Scope.LABEL, "project=spot")
    month = desk.bound(100, Scope.LABEL, "project=spot", period=Period.MONTH)

    assert (total.used, month.used) == (80, 10)
    desk.assert_balances()


def test_a_limit_below_what_is_used_stops_what_is_new_and_can_be_lifted(desk: Desk) -> None:
    desk.order("job_1", 70)
    desk.bound(50)
    with pytest.raises(BudgetTooSmall, match=r"0\.000000 USD left"):
        desk.order("job_2", 1)

    with desk.db.write() as connection:
        lifted = [
            lift_budget(
                connection,
                tenant=TENANT,
                scope=Scope.TENANT,
                subject="",
                period=Period.TOTAL,
                by=BY,
                now_us=NOW,
            )
            for _ in range(2)
        ]

    assert lifted == [True, False]
    desk.order("job_2", 1)
    with desk.db.read() as connection:
        kinds = connection.execute(sa.select(log_leaf.c.kind).order_by(log_leaf.c.id)).scalars()
        assert list(kinds) == ["budget.set", "budget.lifted"]


def test_what_a_stage_costs_beyond_its_reservation_comes_under_the_budget_too(desk: Desk) -> None:
    desk.bound(100)
    desk.order("job_1", 50)

    with pytest.raises(BudgetTooSmall):
        desk.charge("job_1", 101)
    assert desk.charge("job_1", 100) == 100

    assert desk.used() == [100]
    desk.assert_balances()


def test_another_tenants_money_is_its_own(desk: Desk) -> None:
    desk.bound(10)

    desk.order("job_1", 1000, tenant=OTHER)

    assert desk.used() == [0]


def test_the_check_finds_a_budget_that_was_altered(desk: Desk) -> None:
    desk.bound(100, Scope.KEY, KEY)
    desk.order("job_1", 70, key=KEY)
    with desk.db.write() as connection:
        connection.execute(budget.update().values(used_uusd=60))

    with desk.db.read() as connection:
        (found,) = check_ledger(connection, tenant=TENANT).findings

    assert found.rule == "budget"
    assert "key cfk_1" in found.row
    assert (found.wanted[:8], found.found) == ("0.000070", "0.000060 USD")


@pytest.mark.parametrize(
    ("scope", "subject"), [(Scope.TENANT, ""), (Scope.KEY, KEY), (Scope.LABEL, "project=spot")]
)
def test_fifty_orders_at_once_against_a_budget_for_ten_are_ten(
    desk: Desk, scope: Scope, subject: str
) -> None:
    desk.bound(1000, scope, subject)

    def order(number: int) -> Callable[[], str]:
        def deliver() -> str:
            try:
                desk.order(f"job_{number}", 100, key=KEY, labels={"project": "spot"})
            except BudgetTooSmall:
                return "too small"
            return "reserved"

        return deliver

    with ThreadPoolExecutor(50) as pool:
        outcomes = Counter(pool.map(lambda deliver: deliver(), [order(n) for n in range(50)]))

    assert outcomes == {"reserved": 10, "too small": 40}
    assert desk.used() == [1000]
    desk.assert_balances()

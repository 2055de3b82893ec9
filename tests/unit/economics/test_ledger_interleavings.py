"""Whatever the order in which money moves, every invariant of the ledger holds at every step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from cinefab.core.clock import ManualClock
from cinefab.core.errors import BudgetTooSmall
from cinefab.core.ids import JobId, LeaseId, SeededIds, TenantId, WorkerId
from cinefab.core.stage import Charge, TimeClass
from cinefab.core.units import DeviceUs, Uusd
from cinefab.economics.check import LedgerCheck, check_ledger
from cinefab.economics.errors import JobClosed, KeyReused, LeaseClosed
from cinefab.economics.leases import open_lease
from cinefab.economics.ledger import (
    Overrun,
    absorb_lost_lease,
    post_charge,
    reserve,
    set_spend_limit,
    void_rest,
)
from cinefab.economics.prices import PriceBook
from cinefab.economics.report import job_costs
from cinefab.economics.tables import account
from cinefab.store.database import Database
from cinefab.store.schema import METADATA

TENANT = TenantId("ten_a")
JOBS = [JobId("job_1"), JobId("job_2")]
STAGES = ["plan", "render", "join"]
PRICES = [PriceBook({"cpu": 7_777}), PriceBook({"cpu": 0}), PriceBook({})]
TIMES = st.dictionaries(st.sampled_from(list(TimeClass)), st.integers(0, 10**7), max_size=4)


@contextmanager
def a_ledger() -> Iterator[Database]:
    db = Database("sqlite:///:memory:")
    METADATA.create_all(db.engine)
    try:
        yield db
    finally:
        db.close()


def charge_for(lease: LeaseId, by_class: dict[TimeClass, int]) -> Charge:
    times = {name: DeviceUs(us) for name, us in by_class.items()}
    return Charge(lease=lease, device_class="cpu", by_class=times)


def run_film(order: Sequence[int], times: Sequence[int], overrun: Overrun) -> tuple[int, ...]:
    """Charge stages in an order; return every sum that must not depend on it."""
    ids = SeededIds(ManualClock(), 1)
    job = JOBS[0]
    with a_ledger() as db, db.write() as connection:
        reserve(connection, tenant=TENANT, job=job, amount=Uusd(40), key="k", now_us=1)
        for stage in order:
            lease = open_lease(
                connection,
                tenant=TENANT,
                device_class="cpu",
                worker=WorkerId("wrk_1"),
                job=job,
                stage=f"stage-{stage}",
                prices=PRICES[0],
                ids=ids,
                now_us=2,
            )
            post_charge(
                connection,
                tenant=TENANT,
                job=job,
                stage=f"stage-{stage}",
                charge=charge_for(lease, {TimeClass.GOOD: times[stage]}),
                overrun=overrun,
                now_us=3,
            )
        void_rest(connection, tenant=TENANT, job=job, now_us=4)
        found = check_ledger(connection, tenant=TENANT, ended=[job])
        costs = job_costs(connection, tenant=TENANT, job=job)
    assert found.holds
    assert costs.total_uusd == costs.posted_uusd
    return (
        found.spend_uusd,
        found.overhead_uusd,
        found.provider_uusd,
        found.device_us,
        costs.reserved_uusd,
        costs.voided_uusd,
    )


@settings(max_examples=25, deadline=None)
@given(
    times=st.lists(st.integers(0, 4 * 10**6), min_size=2, max_size=5),
    overrun=st.sampled_from(Overrun),
    data=st.data(),
)
def test_sums_do_not_change_when_stages_are_charged_in_another_order(
    times: list[int], overrun: Overrun, data: st.DataObject
) -> None:
    in_order = list(range(len(times)))
    shuffled = data.draw(st.permutations(in_order))

    assert run_film(in_order, times, overrun) == run_film(shuffled, times, overrun)


class Books(RuleBasedStateMachine):
    """One tenant's ledger under any interleaving of its moves, each possibly sent twice."""

    leases: Bundle[tuple[LeaseId, JobId, str]] = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self._ledger = a_ledger()
        self.db = self._ledger.__enter__()
        self.ids = SeededIds(ManualClock(), 1)

    @initialize(limit=st.none() | st.integers(0, 300))
    def may_spend(self, limit: int | None) -> None:
        with self.db.write() as connection:
            set_spend_limit(connection, tenant=TENANT, limit=None if limit is None else Uusd(limit))

    @rule(job=st.sampled_from(JOBS), amount=st.integers(0, 120), key=st.integers(0, 9))
    def reserves(self, job: JobId, amount: int, key: int) -> None:
        try:
            with self.db.write() as connection:
                made = reserve(
                    connection,
                    tenant=TENANT,
                    job=job,
                    amount=Uusd(amount),
                    key=f"k{key}",
                    now_us=1,
                )
                again = reserve(
                    connection,
                    tenant=TENANT,
                    job=job,
                    amount=Uusd(amount),
                    key=f"k{key}",
                    now_us=1,
                )
        except (BudgetTooSmall, KeyReused):
            return
        assert again == made
        assert made.reserved == amount

    @rule(
        target=leases,
        job=st.sampled_from(JOBS),
        stage=st.sampled_from(STAGES),
        prices=st.sampled_from(PRICES),
    )
    def opens(self, job: JobId, stage: str, prices: PriceBook) -> tuple[LeaseId, JobId, str]:
        with self.db.write() as connection:
            lease = open_lease(
                connection,
                tenant=TENANT,
                device_class="cpu",
                worker=WorkerId("wrk_1"),
                job=job,
                stage=stage,
                prices=prices,
                ids=self.ids,
                now_us=2,
            )
        return lease, job, stage

    @rule(opened=leases, by_class=TIMES, overrun=st.sampled_from(Overrun))
    def charges(
        self,
        opened: tuple[LeaseId, JobId, str],
        by_class: dict[TimeClass, int],
        overrun: Overrun,
    ) -> None:
        lease, job, stage = opened
        costs = []
        for _delivery in range(2):
            try:
                with self.db.write() as connection:
                    cost = post_charge(
                        connection,
                        tenant=TENANT,
                        job=job,
                        stage=stage,
                        charge=charge_for(lease, by_class),
                        overrun=overrun,
                        now_us=3,
                    )
            except (LeaseClosed, JobClosed, BudgetTooSmall) as refusal:
                costs.append(type(refusal))
            else:
                costs.append(cost)
        assert costs[0] == costs[1]

    @rule(opened=leases, lost_us=st.integers(0, 10**7))
    def loses(self, opened: tuple[LeaseId, JobId, str], lost_us: int) -> None:
        with self.db.write() as connection:
            absorb_lost_lease(
                connection, tenant=TENANT, lease=opened[0], lost_us=DeviceUs(lost_us), now_us=4
            )

    @rule(job=st.sampled_from(JOBS))
    def ends(self, job: JobId) -> None:
        with self.db.write() as connection:
            void_rest(connection, tenant=TENANT, job=job, now_us=5)
            assert void_rest(connection, tenant=TENANT, job=job, now_us=5) == 0

    @invariant()
    def holds(self) -> None:
        assert [str(finding) for finding in self._check().findings] == []

    def teardown(self) -> None:
        with self.db.write() as connection:
            for job in JOBS:
                void_rest(connection, tenant=TENANT, job=job, now_us=6)
                costs = job_costs(connection, tenant=TENANT, job=job)
                assert costs.posted_uusd + costs.voided_uusd == costs.reserved_uusd
            spend = connection.execute(sa.select(account).where(account.c.code == "spend")).first()
        found = self._check()
        assert found.holds
        assert found.reserved_uusd == 0
        assert spend is None or spend.debits_pending == 0
        self._ledger.__exit__(None, None, None)

    def _check(self) -> LedgerCheck:
        with self.db.read() as connection:
            return check_ledger(connection, tenant=TENANT)


TestBooks: Any = Books.TestCase
TestBooks.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)

"""Eight threads at one tenant's money: no overdraft, no double post, and the journal agrees."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from cinefab.core.clock import ManualClock
from cinefab.core.errors import BudgetTooSmall
from cinefab.core.ids import JobId, LeaseId, SeededIds, TenantId, WorkerId
from cinefab.core.stage import Charge, TimeClass
from cinefab.core.units import DeviceUs, Uusd
from cinefab.economics.check import check_ledger
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
from cinefab.economics.tables import Kind, transfer
from cinefab.store.database import Database
from cinefab.store.schema import METADATA

pytestmark = pytest.mark.both_databases

TENANT = TenantId("ten_a")
THREADS = 8
PRICE_UUSD = 100
CPU = PriceBook({"cpu": 1_000_000})  # one µUSD a millisecond

SIZES = [pytest.param(120, id="120"), pytest.param(2_000, id="2000", marks=pytest.mark.long)]


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    METADATA.create_all(db.engine)
    yield db
    db.close()


def race(deliveries: Sequence[Callable[[], str]]) -> Counter[str]:
    """Send everything from all threads; return how often each outcome was met."""
    with ThreadPoolExecutor(THREADS) as pool:
        return Counter(pool.map(lambda deliver: deliver(), deliveries))


def twice_in_any_order(deliveries: Sequence[Callable[[], str]]) -> list[Callable[[], str]]:
    both = [*deliveries, *deliveries]
    random.Random(7).shuffle(both)
    return both


def reserving(db: Database, job: JobId) -> Callable[[], str]:
    def deliver() -> str:
        try:
            with db.write() as connection:
                reserve(
                    connection, tenant=TENANT, job=job, amount=Uusd(PRICE_UUSD), key=job, now_us=1
                )
        except BudgetTooSmall:
            return "too small"
        return "reserved"

    return deliver


def charging(db: Database, job: JobId, lease: LeaseId) -> Callable[[], str]:
    by_class = {TimeClass.GOOD: DeviceUs(60_000), TimeClass.SCRAP: DeviceUs(10_000)}
    charge = Charge(lease=lease, device_class="cpu", by_class=by_class)

    def deliver() -> str:
        with db.write() as connection:
            cost = post_charge(
                connection,
                tenant=TENANT,
                job=job,
                stage="render",
                charge=charge,
                overrun=Overrun.EXTEND,
                now_us=2,
            )
        return f"paid {cost}"

    return deliver


def voiding(db: Database, job: JobId) -> Callable[[], str]:
    def deliver() -> str:
        with db.write() as connection:
            return f"gave back {void_rest(connection, tenant=TENANT, job=job, now_us=3)}"

    return deliver


def lease_for(db: Database, ids: SeededIds, job: JobId) -> LeaseId:
    with db.write() as connection:
        return open_lease(
            connection,
            tenant=TENANT,
            device_class="cpu",
            worker=WorkerId("wrk_1"),
            job=job,
            stage="render",
            prices=CPU,
            ids=ids,
            now_us=1,
        )


def reserved_jobs(db: Database) -> list[JobId]:
    with db.read() as connection:
        query = sa.select(transfer.c.job_id).where(transfer.c.kind == Kind.RESERVE)
        return [JobId(job) for job in connection.execute(query.order_by(transfer.c.id)).scalars()]


@pytest.mark.parametrize("count", SIZES)
def test_twice_delivered_reservations_against_half_their_sum_are_made_once_and_never_overdrawn(
    db: Database, count: int
) -> None:
    jobs = [JobId(f"job_{number}") for number in range(count)]
    limit = Uusd(count // 2 * PRICE_UUSD)
    with db.write() as connection:
        set_spend_limit(connection, tenant=TENANT, limit=limit)

    outcomes = race(twice_in_any_order([reserving(db, job) for job in jobs]))

    made = reserved_jobs(db)
    assert len(made) == len(set(made)) == count // 2
    assert outcomes == {"reserved": count, "too small": count}
    with db.read() as connection:
        found = check_ledger(connection, tenant=TENANT)
    assert [str(finding) for finding in found.findings] == []
    assert found.reserved_uusd == limit


@pytest.mark.parametrize("count", SIZES)
def test_twice_delivered_charges_and_voids_are_made_once_and_the_ledger_balances(
    db: Database, count: int
) -> None:
    jobs = [JobId(f"job_{number}") for number in range(count // 4)]
    ids = SeededIds(ManualClock(), 1)
    for job in jobs:
        reserving(db, job)()
    leases = {job: lease_for(db, ids, job) for job in jobs}

    posted = race(twice_in_any_order([charging(db, job, leases[job]) for job in jobs]))
    voided = race(twice_in_any_order([voiding(db, job) for job in jobs]))

    assert posted == {"paid 60": 2 * len(jobs)}
    assert voided == {"gave back 40": len(jobs), "gave back 0": len(jobs)}
    with db.read() as connection:
        found = check_ledger(
            connection, tenant=TENANT, ended=jobs, committed=[(job, "render") for job in jobs]
        )
    assert [str(finding) for finding in found.findings] == []
    assert found.spend_uusd == 60 * len(jobs)
    assert found.overhead_uusd == 10 * len(jobs)


def test_a_stage_that_two_workers_finish_at_once_is_paid_once(db: Database) -> None:
    jobs = [JobId(f"job_{number}") for number in range(12)]
    ids = SeededIds(ManualClock(), 1)
    for job in jobs:
        reserving(db, job)()
    runs = [charging(db, job, lease_for(db, ids, job)) for job in jobs for _ in range(2)]

    outcomes = race(runs)

    assert outcomes == {"paid 60": 24}
    with db.read() as connection:
        found = check_ledger(connection, tenant=TENANT)
    assert found.holds
    assert (found.spend_uusd, found.overhead_uusd) == (12 * 60, 12 * (10 + 70))


def test_moves_of_every_kind_mixed_with_checks_never_deadlock_and_every_check_holds(
    db: Database,
) -> None:
    jobs = [JobId(f"job_{number}") for number in range(10)]
    ids = SeededIds(ManualClock(), 1)
    for job in jobs:
        reserving(db, job)()
    work: list[Callable[[], str]] = []
    for job in jobs:
        work.append(charging(db, job, lease_for(db, ids, job)))
        work.append(absorbing(db, lease_for(db, ids, job)))
        work.append(reserving(db, JobId(f"{job}_more")))
        work.append(checking(db))
    random.Random(3).shuffle(work)

    outcomes = race(work)

    assert outcomes == {"paid 60": 10, "absorbed": 10, "reserved": 10, "holds": 10}


def absorbing(db: Database, lease: LeaseId) -> Callable[[], str]:
    def deliver() -> str:
        with db.write() as connection:
            absorb_lost_lease(
                connection, tenant=TENANT, lease=lease, lost_us=DeviceUs(5_000), now_us=4
            )
        return "absorbed"

    return deliver


def checking(db: Database) -> Callable[[], str]:
    def deliver() -> str:
        with db.read() as connection:
            found = check_ledger(connection, tenant=TENANT)
        return "holds" if found.holds else "; ".join(map(str, found.findings))

    return deliver

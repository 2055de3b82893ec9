"""Buckets: how often somebody may ask, what they are told of it, and how doors share it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cinefab.core.clock import ManualClock
from cinefab.core.errors import QuotaExceeded
from cinefab.core.ids import PrincipalId, TenantId
from cinefab.store.database import Database
from cinefab.store.schema import METADATA
from cinefab.tenancy.quotas import Quota, check_jobs, check_upload
from cinefab.tenancy.rates import (
    Allowance,
    Exchange,
    Pace,
    RequestRates,
    Whose,
    exchange_taken,
    refusal_of,
)

ONE, TWO = TenantId("ten_one"), TenantId("ten_two")
ANN, BEN = (Whose(ONE, PrincipalId(name)) for name in ("prn_ann", "prn_ben"))


def a_pace(per_minute: int, whose: Whose | None = None) -> Pace:
    return Pace(whose=whose or Whose(ONE), per_minute=per_minute)


def take(rates: RequestRates, per_minute: int, whose: Whose | None = None) -> Allowance:
    return rates.take([a_pace(per_minute, whose)])[0]


def test_a_full_bucket_answers_as_many_as_the_quota_and_says_what_remains() -> None:
    rates = RequestRates(ManualClock())

    told = [take(rates, 3) for _ in range(4)]

    assert [each.passes for each in told] == [True, True, True, False]
    assert [each.remaining for each in told] == [2, 1, 0, 0]
    assert {each.limit for each in told} == {3}
    assert [each.resets_s for each in told] == pytest.approx([20, 40, 60, 60])
    assert told[3].retry_after_s == pytest.approx(20)


def test_who_waits_as_long_as_was_told_is_answered_and_who_waits_less_is_not() -> None:
    clock = ManualClock()
    rates = RequestRates(clock)
    while (told := take(rates, 60)).passes:
        pass

    clock.sleep(told.retry_after_s - 0.001)
    early = take(rates, 60)
    clock.sleep(0.001)
    in_time = take(rates, 60)

    assert not early.passes
    assert in_time.passes
    assert not take(rates, 60).passes


def test_an_hour_of_asking_as_often_as_possible_is_answered_as_often_as_the_quota_says() -> None:
    clock = ManualClock()
    rates = RequestRates(clock)
    answered = 0

    for _ in range(3600 * 4):
        answered += take(rates, 30).passes
        clock.sleep(0.25)

    assert 60 * 30 <= answered <= 61 * 30


def test_refusals_cost_nothing_and_one_tenants_do_not_touch_anothers() -> None:
    clock = ManualClock()
    rates = RequestRates(clock)
    for _ in range(100):
        take(rates, 1)

    assert take(rates, 1, Whose(TWO)).passes
    clock.sleep(60)
    assert take(rates, 1).passes


def test_a_principal_has_a_share_and_what_it_is_refused_takes_nothing_from_its_tenant() -> None:
    rates = RequestRates(ManualClock())
    ann, ben = ([a_pace(5), a_pace(2, whose)] for whose in (ANN, BEN))

    passed = [all(each.passes for each in rates.take(ann)) for _ in range(4)]
    others = [all(each.passes for each in rates.take(ben)) for _ in range(2)]

    assert passed == [True, True, False, False]
    assert others == [True, True]
    assert rates.look([a_pace(5)])[0].remaining == 1
    refused = refusal_of(rates.take(ann))
    assert refused is not None
    assert refused.violated == ("principal",)


def test_looking_takes_nothing_and_an_empty_bucket_says_when_to_ask_again() -> None:
    rates = RequestRates(ManualClock())
    assert all(rates.look([a_pace(1)])[0].passes for _ in range(9))
    assert refusal_of([take(rates, 1)]) is None

    refused = refusal_of(rates.look([a_pace(1)]))

    assert refused is not None
    assert refused.retry_after_s == pytest.approx(60)
    assert "1 times within a minute" in refused.found


@pytest.mark.parametrize("doors", [2, 3])
def test_each_further_door_lets_at_most_a_tenth_more_through(doors: int, database_url: str) -> None:
    clock = ManualClock()
    with _shared(database_url) as exchange:
        several = [RequestRates(clock, exchange=exchange) for _ in range(doors)]

        burst = sum(take(each, 100).passes for _ in range(120) for each in several)
        clock.sleep(60)
        later = 0
        for _ in range(1200):
            later += sum(take(each, 100).passes for each in several)
            clock.sleep(0.5)

    assert 100 <= burst <= 100 + 10 * doors
    assert later <= 100 * 11 + 10 * doors


def test_who_asks_seldom_is_never_refused_for_what_others_were_told_late(
    database_url: str,
) -> None:
    clock = ManualClock()
    with _shared(database_url) as exchange:
        rates = RequestRates(clock, exchange=exchange)

        for _ in range(200):
            assert take(rates, 60).passes
            clock.sleep(1)

        assert take(rates, 60).remaining >= 50


def test_doors_that_write_the_first_of_a_bucket_at_once_lose_nothing(database_url: str) -> None:
    with _shared(database_url) as exchange, ThreadPoolExecutor(4) as several:
        told = [several.submit(exchange, a_pace(60), 1, 1_000_000) for _ in range(8)]

        full = sorted(each.result() for each in told)

    assert full == [1_000_000 * (2 + count) for count in range(8)]


class _shared:  # noqa: N801 - it reads as a function
    def __init__(self, url: str) -> None:
        self.db = Database(url)

    def __enter__(self) -> Exchange:
        METADATA.create_all(self.db.engine)

        def exchange(pace: Pace, taken: int, since_us: int) -> int:
            with self.db.write() as connection:
                return exchange_taken(connection, pace, taken, since_us)

        return exchange

    def __exit__(self, *_: object) -> None:
        self.db.close()


def test_a_quota_is_met_and_not_passed() -> None:
    quota = Quota(jobs_in_flight=2, upload_bytes=100)

    check_jobs(quota, tenant=ONE, in_flight=1)
    check_upload(quota, tenant=ONE, held_bytes=40, more_bytes=60)
    check_jobs(Quota(), tenant=ONE, in_flight=10**9)
    check_upload(Quota(), tenant=ONE, held_bytes=10**18, more_bytes=1)

    with pytest.raises(QuotaExceeded, match="2 of its 2 jobs"):
        check_jobs(quota, tenant=ONE, in_flight=2)
    with pytest.raises(QuotaExceeded, match="40 of its 100 bytes"):
        check_upload(quota, tenant=ONE, held_bytes=40, more_bytes=61)

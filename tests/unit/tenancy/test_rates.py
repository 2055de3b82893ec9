"""A tenant's bucket: how often it may ask, and what it is told about it."""

from __future__ import annotations

import pytest

from cinefab.core.clock import ManualClock
from cinefab.core.errors import QuotaExceeded
from cinefab.core.ids import TenantId
from cinefab.tenancy.quotas import Quota, check_jobs, check_upload
from cinefab.tenancy.rates import RequestRates

ONE, TWO = TenantId("ten_one"), TenantId("ten_two")


def test_a_full_bucket_answers_as_many_as_the_quota_and_says_what_remains() -> None:
    rates = RequestRates(ManualClock())

    told = [rates.take(ONE, per_minute=3) for _ in range(4)]

    assert [each.passes for each in told] == [True, True, True, False]
    assert [each.remaining for each in told] == [2, 1, 0, 0]
    assert {each.limit for each in told} == {3}
    assert [each.resets_s for each in told] == pytest.approx([20, 40, 60, 60])
    assert told[3].retry_after_s == pytest.approx(20)


def test_who_waits_as_long_as_was_told_is_answered_and_who_waits_less_is_not() -> None:
    clock = ManualClock()
    rates = RequestRates(clock)
    while (told := rates.take(ONE, per_minute=60)).passes:
        pass

    clock.sleep(told.retry_after_s - 0.001)
    early = rates.take(ONE, per_minute=60)
    clock.sleep(0.001)
    in_time = rates.take(ONE, per_minute=60)

    assert not early.passes
    assert in_time.passes
    assert not rates.take(ONE, per_minute=60).passes


def test_an_hour_of_asking_as_often_as_possible_is_answered_as_often_as_the_quota_says() -> None:
    clock = ManualClock()
    rates = RequestRates(clock)
    answered = 0

    for _ in range(3600 * 4):
        answered += rates.take(ONE, per_minute=30).passes
        clock.sleep(0.25)

    assert 60 * 30 <= answered <= 61 * 30


def test_refusals_cost_nothing_and_one_tenants_do_not_touch_anothers() -> None:
    clock = ManualClock()
    rates = RequestRates(clock)
    for _ in range(100):
        rates.take(ONE, per_minute=1)

    assert rates.take(TWO, per_minute=1).passes
    clock.sleep(60)
    assert rates.take(ONE, per_minute=1).passes


def test_an_empty_bucket_says_when_to_ask_again() -> None:
    rates = RequestRates(ManualClock())
    rates.check(ONE, per_minute=1)

    with pytest.raises(QuotaExceeded, match="1 times within a minute") as caught:
        rates.check(ONE, per_minute=1)

    assert caught.value.retry_after_s == pytest.approx(60)


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

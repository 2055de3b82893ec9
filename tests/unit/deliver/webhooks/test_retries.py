"""What follows from an attempt: a day of tries, ever further apart, and who is left alone."""

from __future__ import annotations

from cinefab.deliver.webhooks.retries import (
    DELAYS_S,
    LAST_US,
    Again,
    Attempt,
    Dead,
    Delivered,
    Outcome,
    outcome_of,
)

NOW_US = 1_700_000_000_000_000


def after(attempt: Attempt, *, attempts: int = 1, failures: int = 0, age_us: int = 0) -> Outcome:
    return outcome_of(
        attempt,
        delivery="dlv_1",
        attempts=attempts,
        failures=failures,
        created_us=NOW_US - age_us,
        now_us=NOW_US,
    )


def test_a_message_is_tried_for_about_a_day_with_growing_pauses() -> None:
    pauses = []
    for attempts in range(1, len(DELAYS_S) + 1):
        again = after(Attempt(status=500, said=""), attempts=attempts)
        assert isinstance(again, Again)
        pauses.append((again.due_us - NOW_US) / 1e6)

    assert all(
        wanted <= pause <= 1.2 * wanted for wanted, pause in zip(DELAYS_S, pauses, strict=True)
    )
    assert 23 * 3600 < sum(DELAYS_S) < 24 * 3600
    assert after(Attempt(status=500, said=""), attempts=len(DELAYS_S) + 1) == Dead()
    assert after(Attempt(status=500, said=""), age_us=LAST_US) == Dead()


def test_any_success_is_one_and_a_redirect_is_none() -> None:
    assert after(Attempt(status=204, said="")) == Delivered()
    assert isinstance(after(Attempt(status=301, said="")), Again)


def test_gone_means_no_more() -> None:
    assert after(Attempt(status=410, said="")) == Dead(disables=True)


def test_who_does_not_answer_is_left_alone_for_longer_and_longer() -> None:
    holds = []
    for failures in range(12):
        again = after(Attempt(status=None, said="no answer"), failures=failures)
        assert isinstance(again, Again)
        holds.append((again.hold_us - NOW_US) // 1_000_000)

    assert holds[:4] == [5, 10, 20, 40]
    assert max(holds) == holds[-1] == 900
    # Who answers that something is wrong with one message may take the next.
    answered = after(Attempt(status=500, said=""))
    assert isinstance(answered, Again)
    assert answered.hold_us == 0


def test_who_asks_to_wait_is_waited_for_within_reason() -> None:
    asked = after(Attempt(status=429, said="", asked="60"))
    endless = after(Attempt(status=503, said="", asked="99999999"))
    nonsense = after(Attempt(status=503, said="", asked="tomorrow"))

    assert isinstance(asked, Again)
    assert asked.hold_us == asked.due_us == NOW_US + 60_000_000
    assert isinstance(endless, Again)
    assert endless.hold_us == NOW_US + 3_600_000_000
    assert isinstance(nonsense, Again)
    assert nonsense.hold_us <= NOW_US

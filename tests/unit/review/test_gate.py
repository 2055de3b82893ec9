"""Who is asked before a film may leave, and what an answer must say."""

from __future__ import annotations

import pytest

from cinefab.core.brief import Queue, Review, ReviewMode
from cinefab.core.verdict import NeedsPerson, Passed, Refused, Verdict
from cinefab.review.gate import (
    BY_BRIEF,
    BY_PREVIEW,
    Choice,
    Question,
    lacks_reason,
    question_of,
)

DOUBT = NeedsPerson(check="faces", question="Is this somebody?", frame=12)
REFUSAL = Refused(check="sharp", reason="blurred", frame=3)


def test_a_film_that_passed_leaves_unless_its_brief_wants_a_person() -> None:
    required = question_of(Review(mode=ReviewMode.REQUIRED), Passed())

    assert question_of(Review(), Passed()) is None
    assert required is not None
    assert required.check == BY_BRIEF


@pytest.mark.parametrize("mode", ReviewMode)
def test_a_checks_doubt_is_asked_about_whatever_the_brief_says(mode: ReviewMode) -> None:
    question = question_of(Review(mode=mode), DOUBT)

    assert question is not None
    assert (question.check, question.text, question.frame) == ("faces", "Is this somebody?", 12)


@pytest.mark.parametrize("mode", ReviewMode)
def test_nobody_is_asked_about_a_film_that_is_refused(mode: ReviewMode) -> None:
    assert question_of(Review(mode=mode), REFUSAL) is None


def test_what_a_required_review_asks_may_be_said_but_a_checks_doubt_comes_first() -> None:
    preview = Question(check=BY_PREVIEW, text="May the film be made like this?", frame=None)
    required = Review(mode=ReviewMode.REQUIRED)

    assert question_of(required, Passed(), else_asked=preview) == preview
    asked = question_of(required, DOUBT, else_asked=preview)
    assert asked is not None
    assert asked.check == "faces"


@pytest.mark.parametrize("verdict", [Passed(), DOUBT])
def test_the_question_of_a_required_review_is_never_lost(verdict: Verdict) -> None:
    assert question_of(Review(mode=ReviewMode.REQUIRED), verdict) is not None


def test_a_no_needs_a_reason_and_from_the_strict_queue_a_yes_does_too() -> None:
    assert not lacks_reason(Queue.STANDARD, Choice.APPROVED, "")
    assert lacks_reason(Queue.STRICT, Choice.APPROVED, "  ")
    assert lacks_reason(Queue.STANDARD, Choice.REJECTED, "")
    assert lacks_reason(Queue.STANDARD, Choice.SENT_BACK, "")
    assert not lacks_reason(Queue.STRICT, Choice.APPROVED, "Checked with the desk.")
    assert not lacks_reason(Queue.STRICT, Choice.EXPIRED, "")

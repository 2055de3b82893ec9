"""Findings come to one verdict."""

from __future__ import annotations

from cinefab.core.verdict import CheckFinding, NeedsPerson, Passed, Refused, Remark
from cinefab.review.check import conclude


def a_finding(
    check: str = "sharp", *, problems: tuple[Remark, ...] = (), questions: tuple[Remark, ...] = ()
) -> CheckFinding:
    return CheckFinding(check=check, version="1", problems=problems, questions=questions)


def test_a_cut_that_nothing_speaks_against_passes() -> None:
    assert conclude([a_finding(), a_finding("loud")]) == Passed()
    assert conclude([]) == Passed()


def test_a_problem_refuses_and_names_check_reason_and_frame() -> None:
    blurred = a_finding(problems=(Remark(text="blurred", frame=7), Remark(text="dim")))

    verdict = conclude([a_finding("loud"), blurred])

    assert verdict == Refused(check="sharp", reason="blurred", frame=7)


def test_a_question_waits_for_a_person() -> None:
    doubtful = a_finding(questions=(Remark(text="is this a logo?", frame=3),))

    verdict = conclude([a_finding("loud"), doubtful])

    assert verdict == NeedsPerson(check="sharp", question="is this a logo?", frame=3)


def test_nobody_is_asked_about_a_cut_that_is_refused_anyway() -> None:
    doubtful = a_finding(questions=(Remark(text="is this a logo?"),))
    blurred = a_finding("loud", problems=(Remark(text="clipped"),))

    verdict = conclude([doubtful, blurred])

    assert verdict == Refused(check="loud", reason="clipped", frame=None)

"""Who passes a film: nobody more than its checks, or a person who is asked a question.

What is asked is decided here, from plain values; who waits, and how, is the tier's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from cinefab.core.brief import Queue, Review, ReviewMode
from cinefab.core.verdict import NeedsPerson, Passed, Refused, Verdict

BY_BRIEF: Final = "brief"
"""Who asks, where no check does: the brief wanted a person's approval."""

BY_PREVIEW: Final = "preview"
"""Who asks, where no check does, about a preview: the brief wanted a yes before the film is made."""


class Choice(StrEnum):
    """What becomes of a film that waited: `EXPIRED` is nobody's choice, and publishes nothing."""

    APPROVED = "approved"
    REJECTED = "rejected"
    SENT_BACK = "sent_back"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a person is asked: by which check, in words, about which frame (None: no certain one)."""

    check: str
    text: str
    frame: int | None


PUBLISH: Final = Question(check=BY_BRIEF, text="May this film be published?", frame=None)
"""What is asked about a film that its checks passed."""


def question_of(
    review: Review, verdict: Verdict, *, else_asked: Question = PUBLISH
) -> Question | None:
    """Return what a person must answer before the film may leave, or None if it may.

    Where no check asks, the brief may want `else_asked`. A film that a check refused is never asked
    about: it does not leave at all.
    """
    match verdict:
        case NeedsPerson():
            return Question(check=verdict.check, text=verdict.question, frame=verdict.frame)
        case Passed() if review.mode is ReviewMode.REQUIRED:
            return else_asked
        case Passed() | Refused():
            return None
        case _:
            assert_never(verdict)


def lacks_reason(queue: Queue, choice: Choice, reason: str) -> bool:
    """Say whether this choice must be explained in writing and is not."""
    match choice:
        case Choice.APPROVED:
            return queue is Queue.STRICT and not reason.strip()
        case Choice.REJECTED | Choice.SENT_BACK:
            return not reason.strip()
        case Choice.EXPIRED:
            return False
        case _:
            assert_never(choice)

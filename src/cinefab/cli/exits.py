"""Exit codes: what scripts can act on, the same for every command."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from cinefab.core import errors


class Exit(IntEnum):
    """0 delivered, 1 fault, 2 bad brief, 3 refused by review, 4 budget, 5 waits for a person."""

    DELIVERED = 0
    FAULT = 1
    BAD_BRIEF = 2
    REFUSED = 3
    BUDGET = 4
    NEEDS_PERSON = 5


_BY_ERROR: Final[Mapping[type[errors.CinefabError], Exit]] = {
    errors.BriefInvalid: Exit.BAD_BRIEF,
    errors.RefusedByReview: Exit.REFUSED,
    errors.BudgetTooSmall: Exit.BUDGET,
}


def exit_for(error: errors.CinefabError) -> Exit:
    """Return the exit code of an error."""
    return next((code for kind, code in _BY_ERROR.items() if isinstance(error, kind)), Exit.FAULT)


def exit_for_report(report: Mapping[str, object]) -> Exit:
    """Return the exit code of a job that ended, from its report."""
    by_status = {
        "delivered": Exit.DELIVERED,
        "refused": Exit.REFUSED,
        "needs_person": Exit.NEEDS_PERSON,
    }
    known = by_status.get(str(report["status"]))
    return known if known is not None else _exit_for_failure(report["failure"])


def _exit_for_failure(failure: object) -> Exit:
    if not isinstance(failure, dict):
        return Exit.FAULT
    kind = getattr(errors, str(failure.get("error")), None)
    if isinstance(kind, type) and issubclass(kind, errors.BudgetTooSmall):
        return Exit.BUDGET
    # Whatever class it is of, an error that names a field of the brief is about the brief.
    return Exit.BAD_BRIEF if "field" in failure else Exit.FAULT

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
    match report["status"]:
        case "delivered":
            return Exit.DELIVERED
        case "refused":
            return Exit.REFUSED
        case "needs_person":
            return Exit.NEEDS_PERSON
    failure = report["failure"]
    name = failure.get("error", "") if isinstance(failure, dict) else ""
    kind = getattr(errors, name, errors.CinefabError)
    if not (
        isinstance(kind, type) and issubclass(kind, errors.BriefInvalid | errors.BudgetTooSmall)
    ):
        # A plug-in's own kind of bad brief names the place in it, as ours do.
        return Exit.BAD_BRIEF if isinstance(failure, dict) and "field" in failure else Exit.FAULT
    return Exit.BAD_BRIEF if issubclass(kind, errors.BriefInvalid) else Exit.BUDGET

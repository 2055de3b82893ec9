"""Where the checks draw their lines for a job: the studio's, moved as far as its brief may."""

from __future__ import annotations

from cinefab.core.brief import Brief
from cinefab.core.errors import BriefInvalid
from cinefab.jobs.workshop import Workshop
from cinefab.review.thresholds import Thresholds, moved, not_allowed


def check_lines_allowed(shop: Workshop, brief: Brief) -> None:
    """Raise `BriefInvalid`, with the path of the field, for a line that the brief may not draw."""
    lines = dict(brief.review.thresholds)
    wrong = not_allowed(shop.thresholds, lines, shop.threshold_bounds)
    if wrong is not None:
        raise BriefInvalid(
            attempted="have the film judged",
            field=f"review.thresholds.{wrong.name}",
            found=wrong.found,
            remedy=wrong.remedy,
        )


def lines_of(shop: Workshop, brief: Brief) -> Thresholds:
    """Return the lines that a brief's takes and cut are judged by."""
    return moved(shop.thresholds, dict(brief.review.thresholds))

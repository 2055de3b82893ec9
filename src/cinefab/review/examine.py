"""The process that reviews a cut: it runs the checks that it is told to, and returns findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinefab.core.brief import Size
from cinefab.core.canonical import Json
from cinefab.review.check import CutUnderReview
from cinefab.review.figures import figures_from_document, join_footage, ordered_from_document
from cinefab.review.judge import run_checks
from cinefab.review.proof import differences
from cinefab.review.thresholds import Thresholds


def examine(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Run every check of `checks` (`package.module:Class`) on the cut at `path`, in order.

    `argument` also has what was ordered (`size`, `fps`, `frames`), the `thresholds`, and `pieces`,
    each with its `figures` and what was `ordered` for it. The cut is not decoded: it is held
    against its pieces packet for packet.
    """
    width, height = argument["size"]
    fps = Fraction(argument["fps"])
    path = Path(argument["path"])
    footage = join_footage(
        [
            (figures_from_document(piece["figures"]), ordered_from_document(piece["ordered"]))
            for piece in argument["pieces"]
        ],
        fps=fps,
    )
    cut = CutUnderReview(
        path=path,
        size=Size(width, height),
        fps=fps,
        frames=argument["frames"],
        footage=footage,
        differences=differences(path, footage),
        thresholds=Thresholds(**argument["thresholds"]),
    )
    return [asdict(finding) for finding in run_checks(cut, argument["checks"])]

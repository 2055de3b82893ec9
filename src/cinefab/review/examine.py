"""The process that reviews a cut: it runs the checks that it is told to, and returns findings."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinefab.core.brief import Size
from cinefab.core.canonical import Json
from cinefab.review.check import Check, CutUnderReview


def examine(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Run every check of `checks` (`package.module:Class`) on the cut at `path`, in order.

    `argument` also has what was ordered: `size`, `fps`, `frames`.
    """
    width, height = argument["size"]
    cut = CutUnderReview(
        path=Path(argument["path"]),
        size=Size(width, height),
        fps=Fraction(argument["fps"]),
        frames=argument["frames"],
    )
    return [asdict(_check(entry).examine(cut)) for entry in argument["checks"]]


def _check(entry: str) -> Check:
    module, _, name = entry.partition(":")
    check: Check = getattr(importlib.import_module(module), name)()
    return check

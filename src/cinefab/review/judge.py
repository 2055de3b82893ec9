"""What can be said of one take alone, before there is a cut: for whoever decides to make it again."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from cinefab.core.brief import Size
from cinefab.core.canonical import Sha256
from cinefab.core.verdict import CheckFinding
from cinefab.media.inspect import FilmInspection
from cinefab.media.look import Look
from cinefab.review.check import Check, CutUnderReview
from cinefab.review.figures import Ordered, join_footage
from cinefab.review.thresholds import Thresholds


def judge_take(
    seen: FilmInspection,
    ordered: Ordered,
    *,
    path: Path,
    size: Size,
    fps: Fraction,
    checks: Sequence[str],
    thresholds: Thresholds,
    looks: Mapping[Sha256, Look] = MappingProxyType({}),
) -> tuple[CheckFinding, ...]:
    """Return the findings on one take, in the order of `checks` (`package.module:Class`).

    `seen` are its figures, `ordered` what its shot was to show, `looks` those of its references as
    far as they are known; frames are counted from the take's own first. Pure for checks that go by figures, about a millisecond each.
    """
    take = CutUnderReview(
        path=path,
        size=size,
        fps=fps,
        frames=ordered.frames,
        footage=join_footage([(seen, ordered)], fps=fps),
        thresholds=thresholds,
        looks=looks,
    )
    return run_checks(take, checks)


def run_checks(cut: CutUnderReview, checks: Sequence[str]) -> tuple[CheckFinding, ...]:
    """Return what each of `checks` (`package.module:Class`) finds in `cut`, in their order."""
    return tuple(_check(entry).examine(cut) for entry in checks)


def _check(entry: str) -> Check:
    module, _, name = entry.partition(":")
    check: Check = getattr(importlib.import_module(module), name)()
    return check

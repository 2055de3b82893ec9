"""The contract that every check keeps, ours and a stranger's, and what follows from findings.

A check is found through the entry-point group `cinefab.checks`; the entry point names a class
that is called without arguments. A film is decoded once, before any check looks: what was seen is
in the `footage` that each is handed. A check that needs more than that opens the file itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from cinefab.core.brief import Size
from cinefab.core.canonical import Sha256
from cinefab.core.verdict import CheckFinding, NeedsPerson, Passed, Refused, Remark, Verdict
from cinefab.media.hearing import Hearing
from cinefab.media.look import Look
from cinefab.review.figures import Footage
from cinefab.review.thresholds import DEFAULTS, Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A reference's video, by its name, and how much every so many frames must be like it."""

    name: str
    path: Path
    every: int
    at_least_db: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CutUnderReview:
    """A cut, or one take alone: what was ordered, what was seen, and where lines are drawn.

    `path` is the file, `size`, `fps` and `frames` are what was ordered of the whole. `differences`
    says where the file is not what was looked at; `looks` are those of the references, by the
    digest of their pictures, and `heard` how it sounds, None for a silent film or a take.
    `compared` is what the brief compares it with, most often nothing.
    """

    path: Path
    size: Size
    fps: Fraction
    frames: int
    footage: Footage
    differences: tuple[Remark, ...] = ()
    thresholds: Thresholds = DEFAULTS
    looks: Mapping[Sha256, Look] = field(default_factory=dict)
    heard: Hearing | None = None
    compared: Compared | None = None

    def frame_at(self, ms: int) -> int:
        """Return the frame that is shown at a time."""
        return min(int(ms * self.fps / 1000), max(0, self.frames - 1))


class Check(Protocol):
    """Tests one quality of a cut; the same cut always gives the same finding.

    A check whose class has `takes = True` is also asked about each take alone, as soon as it is
    made, so that a bad one can be made again. It must then be quick and go by the footage. What is
    worth changing then it may say by `advice`, a word of `core.verdict.Advice`.
    """

    @property
    def name(self) -> str:
        """The check's name, as verdicts and records give it."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same cut might give another finding."""
        ...

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Look at `cut` and say what was found; a bad cut is a finding, never an exception.

        Raises `StorageUnavailable` when the file cannot be read.
        """
        ...


def conclude(findings: Iterable[CheckFinding]) -> Verdict:
    """Return what `findings` come to: a problem refuses, else a question waits, else it passes.

    Of several, the first in the findings' order speaks for all.
    """
    all_of_them = tuple(findings)
    for finding in all_of_them:
        for problem in finding.problems:
            return Refused(check=finding.check, reason=problem.text, frame=problem.frame)
    for finding in all_of_them:
        for question in finding.questions:
            return NeedsPerson(check=finding.check, question=question.text, frame=question.frame)
    return Passed()

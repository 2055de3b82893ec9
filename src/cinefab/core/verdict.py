"""What review found and what it concludes.

A check gives a finding: figures, and the problems and questions that follow from them. All
findings together give one verdict: passed, refused, or a question that a person must answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class Advice(StrEnum):
    """What is worth changing where a take was refused, beside its seed."""

    ANOTHER_SEED = "another-seed"
    MORE_MOTION = "more-motion"
    LESS_MOTION = "less-motion"
    MORE_CARE = "more-care"


@dataclass(frozen=True, slots=True)
class Passed:
    """Every check was satisfied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A check failed; `frame` is the first frame it concerns, None where it concerns them all."""

    check: str
    reason: str
    frame: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsPerson:
    """A check cannot decide alone; by when somebody must is the waiting tier's to say."""

    check: str
    question: str
    frame: int | None


Verdict: TypeAlias = Passed | Refused | NeedsPerson


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What a check has to say of a cut: why, and from which frame on (None: of all of it)."""

    text: str
    frame: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinding:
    """One check's answer about one cut: what speaks against it, what a person must decide.

    `figures` are what it measured, whole numbers with their unit in the name; they are recorded
    whatever the verdict is.
    """

    check: str
    version: str
    problems: tuple[Remark, ...] = ()
    questions: tuple[Remark, ...] = ()
    figures: Mapping[str, int] = field(default_factory=dict)

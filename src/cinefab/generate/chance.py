"""Choices that a seed makes: the same on every machine, in every version of Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from cinefab.core.canonical import digest_of

Option = TypeVar("Option")


def pick(options: Sequence[Option], *, seed: int, what: str, index: int) -> Option:
    """Return one of `options` (at least one), chosen by the seed for `what` number `index`.

    Drawn from a digest rather than a generator: one choice never moves because another was added.
    """
    assert options, "there is something to choose from"
    return options[int(digest_of([seed, what, index]), 16) % len(options)]

"""What is done about a run of a model that fails: how long it may be silent, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Containment:
    """How much of a failure is borne before it is one; every number is a setting.

    A model that tells its steps may tell nothing for `silence_s`.
    """

    silence_s: float = 600.0


USUAL_CONTAINMENT: Final = Containment()

"""What is worth changing when a check refuses a take: data, by the check that failed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from cinefab.core.verdict import Advice

ADVICE: Final[Mapping[str, Advice]] = MappingProxyType(
    {
        "black": Advice.ANOTHER_SEED,
        "blocks": Advice.MORE_CARE,
        "blur": Advice.LESS_MOTION,
        "clipping": Advice.ANOTHER_SEED,
        "colour": Advice.ANOTHER_SEED,
        "rhythm": Advice.MORE_MOTION,
        "flicker": Advice.LESS_MOTION,
        "freeze": Advice.MORE_MOTION,
    }
)
"""By the name of a check; one that is not here, and says nothing itself, advises another seed."""


def advice_of(check: str, said: str | None) -> Advice:
    """Return what to change after `check` refused a take; `said` is the check's own word, if any.

    Raises `ValueError` for a word that is no advice.
    """
    return ADVICE.get(check, Advice.ANOTHER_SEED) if said is None else Advice(said)

"""Typed identifiers and where they come from.

A public id is a type prefix and 26 base-32 characters that sort by creation time:
`job_01j9…`. Rows also have integer ids, in insertion order, that never leave the database.
"""

from __future__ import annotations

import random
import secrets
from typing import NewType, Protocol

from cinefab.core.clock import Clock

TenantId = NewType("TenantId", str)
PrincipalId = NewType("PrincipalId", str)
JobId = NewType("JobId", str)
AssetId = NewType("AssetId", str)
LeaseId = NewType("LeaseId", str)
WorkerId = NewType("WorkerId", str)
KeyId = NewType("KeyId", str)
SignInId = NewType("SignInId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32
_RANDOM_BITS = 80


class IdSource(Protocol):
    """Makes public ids that never repeat."""

    def new(self, prefix: str, /) -> str:
        """Return `prefix_` and 26 characters that sort by creation time."""
        ...


class RandomIds:
    """Ids from the clock and the system's randomness."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def new(self, prefix: str, /) -> str:
        """Return a fresh id; two calls never agree, in any process."""
        return _public_id(prefix, self._clock.now_us(), secrets.randbits(_RANDOM_BITS))


class SeededIds:
    """Ids from a clock and a seed, for tests and simulations that must repeat."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._random = random.Random(seed)

    def new(self, prefix: str, /) -> str:
        """Return the seed's next id."""
        return _public_id(prefix, self._clock.now_us(), self._random.getrandbits(_RANDOM_BITS))


def _public_id(prefix: str, now_us: int, entropy: int) -> str:
    value = ((now_us // 1000) << _RANDOM_BITS) | entropy
    digits = [_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"

"""Secrets that are shown once: an id to find the row by, and 256 bits of chance beside it.

    cfk_01j9…_k4x…      an API key
    cfs_01j9…_k4x…      a browser's sign-in
    cfo_01j9…_k4x…      the link that makes an owner

Only the SHA-256 is stored. A slow hash guards what people think up; nothing is gained by slowing
down who would have to try 2^256 values, and every request would pay for it.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass, field

from cinefab.core.canonical import sha256_of
from cinefab.core.ids import IdSource

_RANDOM_BYTES = 32
_WRITTEN = re.compile(r"((cf[kso])_[0-9a-z]{26})_[0-9a-z]{52}\Z", re.ASCII)
_NOBODYS = sha256_of(b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """A secret on its way to whoever it is for; `text` is never stored and never shown again."""

    id: str
    text: str = field(repr=False)
    digest: str


def new_secret(prefix: str, ids: IdSource) -> NewSecret:
    """Draw a secret; its id has the prefix too."""
    name = ids.new(prefix)
    chance = base64.b32encode(secrets.token_bytes(_RANDOM_BYTES)).decode().rstrip("=").lower()
    text = f"{name}_{chance}"
    return NewSecret(id=name, text=text, digest=sha256_of(text.encode()))


def id_in(text: str, *, prefix: str) -> str | None:
    """Return the id that a secret says it is of, None for what cannot be one."""
    match = _WRITTEN.match(text)
    return match[1] if match is not None and match[2] == prefix else None


def is_secret(text: str, *, digest: str | None) -> bool:
    """Say whether a secret is the one behind a digest; as slow where there is no digest."""
    given = sha256_of(text.encode("utf-8", "surrogatepass"))
    same = hmac.compare_digest(given, digest or _NOBODYS)
    return same and digest is not None

"""One spelling for every value that is hashed or signed.

Canonical JSON here: UTF-8, keys sorted, no spaces, strings in NFC, no floats (a float has
several spellings, and a key or a signature must have one).
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NewType

Sha256 = NewType("Sha256", str)
"""A SHA-256 digest in lower-case hexadecimal, 64 characters."""

_NOT_CANONICAL = "canonical JSON holds null, booleans, integers, strings, lists and objects, not "

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def canonical_json(value: Json) -> bytes:
    """Return the one spelling of `value`; raise `TypeError` for floats and foreign types."""
    return json.dumps(
        _normal(value), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    ).encode()


def sha256_of(content: bytes) -> Sha256:
    """Return the digest of `content`."""
    return Sha256(hashlib.sha256(content).hexdigest())


def digest_of(value: Json) -> Sha256:
    """Return the digest of the canonical spelling of `value`."""
    return sha256_of(canonical_json(value))


def _normal(value: Json) -> Json:
    match value:
        case None | bool() | int():
            return value
        case str():
            return unicodedata.normalize("NFC", value)
        case Mapping():
            return {unicodedata.normalize("NFC", key): _normal(item) for key, item in value.items()}
        case list() | tuple():
            return [_normal(item) for item in value]
        case _:
            raise TypeError(_NOT_CANONICAL + type(value).__name__)

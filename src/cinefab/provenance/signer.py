"""Who signs: a small port, because a key may live in a file here or in a key service elsewhere."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """Signs records and credentials with a key that may live elsewhere."""

    @property
    def chain_pem(self) -> bytes:
        """The certificates as PEM: the signing one first, then what leads to the root, without it."""
        ...

    @property
    def key_id(self) -> str:
        """The SHA-256 of the signing key's SubjectPublicKeyInfo, in hexadecimal."""
        ...

    def sign(self, message: bytes, /) -> bytes:
        """Return the ES256 signature of `message` as 64 bytes, r and s."""
        ...

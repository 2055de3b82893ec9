"""Secrets that are needed again in clear, kept so that the database alone does not give them away.

A key that is stored as a digest can be recognised; what signs for others has to be read again. It
is sealed with AES-256-GCM under the studio's own key, which is not in the database: the setting
`secrets_key`, or a file in the studio's home that only its user may read.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cinefab.core.canonical import sha256_of
from cinefab.core.errors import CinefabError

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_ID_LENGTH: Final = 16


class SecretsUnreadable(CinefabError):
    """A sealed secret that the studio's own key does not open, or no such key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Seals and opens; `id` names its key, so that one sealed by another is not even tried."""

    id: str
    _key: bytes = field(repr=False)

    @classmethod
    def of(cls, key: bytes) -> Self:
        """Return the seal of a key of 32 bytes; raise `SecretsUnreadable` for another length."""
        if len(key) != _KEY_BYTES:
            raise SecretsUnreadable(
                attempted="read the key of the studio's secrets",
                found=f"it has {len(key)} bytes",
                remedy=f"Give {_KEY_BYTES} bytes in base 64, such as `openssl rand -base64 32` draws.",
            )
        return cls(id=sha256_of(b"cinefab seal\n" + key)[:_ID_LENGTH], _key=key)

    def close(self, secret: str, *, of: str) -> str:
        """Return a secret sealed as the secret of one thing, by its id; nothing else opens it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        closed = AESGCM(self._key).encrypt(nonce, secret.encode(), of.encode())
        return base64.b64encode(nonce + closed).decode()

    def open(self, closed: str, *, of: str) -> str:
        """Return a sealed secret; raise `SecretsUnreadable`."""
        try:
            raw = base64.b64decode(closed, validate=True)
            opened = AESGCM(self._key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], of.encode())
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise SecretsUnreadable(
                attempted=f"read the secret of {of}",
                found="the studio's key does not open it",
                remedy="Give this process the same secrets_key, or rotate the secret.",
            ) from error
        return opened.decode()

    def derive(self, purpose: str) -> bytes:
        """Return a secret of the key for one purpose: the same each time, and kept nowhere."""
        return hmac.digest(self._key, b"cinefab derived\n" + purpose.encode(), "sha256")


def open_seal(configured: str, *, file: Path) -> Seal:
    """Return the seal of the key that was configured, or else of the file, which is made if need be.

    Raises `SecretsUnreadable`.
    """
    if configured:
        try:
            return Seal.of(base64.b64decode(configured, validate=True))
        except (binascii.Error, ValueError):
            return Seal.of(b"")
    return Seal.of(key_in_file(file))


def key_in_file(path: Path) -> bytes:
    """Return the secret in a file of its owner's alone, made now if there is none."""
    # Written beside and linked, so that whoever starts at the same moment never reads half of it.
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{secrets.token_urlsafe(8)}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    return path.read_bytes()

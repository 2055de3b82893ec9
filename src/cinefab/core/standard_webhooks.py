"""Signatures of Standard Webhooks 1.0: who sent a message, that it is whole, and when.

What is signed is the message's id, its time in Unix seconds and the very bytes of its body, joined
by dots, by HMAC-SHA-256; the header carries one signature `v1,…` for each secret in force.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from cinefab.core.errors import CinefabError

PREFIX: Final = "whsec_"
ID_HEADER: Final = "webhook-id"
TIME_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"

TOLERANCE_S: Final = 300
"""How far a message's time may be from ours: what is older may be a replay."""

_KEY_BYTES: Final = 32
_KEY_BYTES_MIN: Final = 24
_KEY_BYTES_MAX: Final = 64


class MessageForged(CinefabError):
    """A message that no secret in force signed, or that was sent at another time than it says."""


def new_secret() -> str:
    """Draw a secret, as it is shown to whoever verifies with it."""
    return secret_of(secrets.token_bytes(_KEY_BYTES))


def secret_of(key: bytes) -> str:
    """Return a key as it is shown to whoever verifies with it."""
    return PREFIX + base64.b64encode(key).decode()


def sign(body: bytes, *, message: str, at_s: int, secrets: Sequence[str]) -> dict[str, str]:
    """Return the three headers of a message, signed by each of the secrets in their order."""
    assert "." not in message, "an id with a dot could be read as another message"
    signatures = [_signature(_key(each), body, message=message, at=str(at_s)) for each in secrets]
    return {
        ID_HEADER: message,
        TIME_HEADER: str(at_s),
        SIGNATURE_HEADER: " ".join(signatures),
    }


def verify(body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str], now_s: int) -> str:
    """Return the id of a message that one of the secrets signed, to know it again by.

    `headers` are asked by their names in small letters. Raises `MessageForged`.
    """
    message, at = headers.get(ID_HEADER, ""), headers.get(TIME_HEADER, "")
    if not message or not (at.isascii() and at.isdigit() and len(at) <= 16):
        raise _forged(f"its headers {ID_HEADER} and {TIME_HEADER} are missing or no such thing")
    if abs(now_s - int(at)) > TOLERANCE_S:
        raise _forged(f"it was sent {abs(now_s - int(at))} s away from now")
    given = [each.encode() for each in headers.get(SIGNATURE_HEADER, "").split(" ")[:16]]
    right = [_signature(_key(each), body, message=message, at=at).encode() for each in secrets]
    # Each is compared with each, so that the time it takes says nothing of which is right.
    matches = [hmac.compare_digest(one, other) for one in given for other in right]
    if not any(matches):
        raise _forged("none of its signatures is right")
    return message


def _signature(key: bytes, body: bytes, *, message: str, at: str) -> str:
    signed = hmac.new(key, f"{message}.{at}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    assert _KEY_BYTES_MIN <= len(key) <= _KEY_BYTES_MAX, "a secret is 24 to 64 bytes in base 64"
    return key


def _forged(found: str) -> MessageForged:
    return MessageForged(
        attempted="take a signed message",
        found=found,
        remedy="Send it with the secret that was agreed on, and a clock that is right.",
    )

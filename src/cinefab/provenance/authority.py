"""The development authority: a home-made root, so that films are signed from the first day.

It is made on first use, in a folder of its own:

    root.pem     the certificate that others import to trust what is signed here
    chain.pem    the signing certificate and the intermediate above it
    signer.key   the signing key, unencrypted, readable by its owner alone

The root's and the intermediate's keys are thrown away as soon as they have signed: whoever
trusts the root trusts this one signer, and nobody can issue a second.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cinefab.core.clock import Clock
from cinefab.core.errors import CredentialsInvalid, StorageUnavailable
from cinefab.provenance.certificates import Untrusted, certified_key, issue_chain, key_id_of

ROOT_FILE: Final = "root.pem"
CHAIN_FILE: Final = "chain.pem"
KEY_FILE: Final = "signer.key"

_FILES: Final = (ROOT_FILE, CHAIN_FILE, KEY_FILE)
_HALF_BYTES: Final = 32


class LocalSigner:
    """Signs with a P-256 key that this process holds; safe to share between threads."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, chain_pem: bytes) -> None:
        self._key = key
        self._chain_pem = chain_pem
        self._key_id = key_id_of(key.public_key())

    @property
    def chain_pem(self) -> bytes:
        """The certificates as PEM: the signing one first, then the intermediate."""
        return self._chain_pem

    @property
    def key_id(self) -> str:
        """The SHA-256 of the signing key's SubjectPublicKeyInfo, in hexadecimal."""
        return self._key_id

    def sign(self, message: bytes, /) -> bytes:
        """Return the ES256 signature of `message` as 64 bytes, r and s."""
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_HALF_BYTES, "big") + s.to_bytes(_HALF_BYTES, "big")


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs here, whom to trust for it, and whether it was made by this very call."""

    signer: LocalSigner
    trust_anchors_pem: bytes
    created: bool


def open_authority(folder: Path, *, clock: Clock) -> Authority:
    """Return the authority in `folder`, made now if there is none.

    Any number of processes may call this at once and all get the same one. Raises
    `CredentialsInvalid` if the files are unreadable, broken, incomplete, expired or open to
    others, and `StorageUnavailable` if the folder cannot be written.
    """
    folder = folder.absolute()
    created = False
    if not folder.exists() or not any(_entries(folder)):
        created = _create(folder, now_us=clock.now_us())
    root_pem, chain_pem, key_pem = (_load(folder, name) for name in _FILES)
    key = _parse_key(folder, key_pem)
    certified = certified_key(chain_pem, anchors_pem=root_pem, at_us=clock.now_us())
    if isinstance(certified, Untrusted):
        raise _invalid(folder, certified.reason)
    if key_id_of(certified) != key_id_of(key.public_key()):
        raise _invalid(folder, f"{KEY_FILE} is not the key that {CHAIN_FILE} certifies")
    return Authority(LocalSigner(key, chain_pem), root_pem, created)


def _create(folder: Path, *, now_us: int) -> bool:
    # A folder is renamed into place whole: of two processes that start at once one succeeds, and
    # the other finds the first one's, because a folder that is not empty is never replaced.
    chain = issue_chain(now_us=now_us)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        _write(part / ROOT_FILE, chain.root_pem)
        _write(part / CHAIN_FILE, chain.chain_pem)
        key_pem = chain.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write(part / KEY_FILE, key_pem)
        _sync(part)
        part.rename(folder)
        _sync(folder.parent)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        if folder.is_dir() and any(_entries(folder)):
            return False
        raise _unwritable(folder, error) from error
    return True


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names only; an unreadable folder is answered here
    except OSError as error:
        raise _invalid(folder, f"it cannot be read ({error.strerror})") from error


def _load(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        content = path.read_bytes()
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise _invalid(folder, f"{name} is missing") from error
    except OSError as error:
        raise _invalid(folder, f"{name} cannot be read ({error.strerror})") from error
    if name == KEY_FILE and mode & 0o077:
        raise CredentialsInvalid(
            attempted=f"open the development authority in {folder}",
            found=f"{name} may be read by other users",
            remedy=f"Run chmod 600 {path}; if others may have copied it, move the folder away.",
        )
    return content


def _parse_key(folder: Path, key_pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(key_pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _invalid(folder, f"{KEY_FILE} is not an unencrypted PEM key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _invalid(folder, f"{KEY_FILE} is not a P-256 key")
    return key


def _invalid(folder: Path, found: str) -> CredentialsInvalid:
    return CredentialsInvalid(
        attempted=f"open the development authority in {folder}",
        found=found,
        remedy=(
            "Restore the folder from a backup, or move it away to have a new authority made; "
            f"keep {ROOT_FILE}, which earlier films are verified with."
        ),
    )


def _unwritable(folder: Path, error: OSError) -> StorageUnavailable:
    return StorageUnavailable(
        attempted=f"create the development authority in {folder}",
        found=error.strerror or str(error),
        remedy="Make sure that the folder above it exists, may be written and has room; run again.",
    )

"""X.509 for content credentials: issue a chain of three, follow a chain up to a trusted root."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

C2PA_CLAIM_SIGNING: Final = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
TRUSTED_USES: Final = (ExtendedKeyUsageOID.EMAIL_PROTECTION, C2PA_CLAIM_SIGNING)
"""The extended key usages by which a verifier takes a certificate for a signer of claims."""

_NAME: Final = "Cinefab development authority"
_VALID: Final = timedelta(days=3650)
_CLOCK_SKEW: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class IssuedChain:
    """A fresh chain; the keys of the two authorities are gone, so nothing more can be issued."""

    root_pem: bytes
    chain_pem: bytes
    key: ec.EllipticCurvePrivateKey


def issue_chain(*, now_us: int) -> IssuedChain:
    """Return a root, an intermediate and a leaf that C2PA accepts, valid for ten years.

    The names carry the key's first digits, so that two authorities can be told apart.
    """
    start = _moment(now_us).replace(microsecond=0) - _CLOCK_SKEW
    root_key, middle_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    tag = key_id_of(leaf_key.public_key())[:8]
    root_name, middle_name = _name(f"root {tag}"), _name(f"intermediate {tag}")
    root = _certificate(root_name, root_key, issuer=(root_name, root_key), start=start, depth=1)
    middle = _certificate(
        middle_name, middle_key, issuer=(root_name, root_key), start=start, depth=0
    )
    leaf = _certificate(
        _name(f"signer {tag}"), leaf_key, issuer=(middle_name, middle_key), start=start, depth=None
    )
    chain = leaf.public_bytes(Encoding.PEM) + middle.public_bytes(Encoding.PEM)
    return IssuedChain(root.public_bytes(Encoding.PEM), chain, leaf_key)


def key_id_of(key: ec.EllipticCurvePublicKey) -> str:
    """Return the SHA-256 of the key's SubjectPublicKeyInfo, in hexadecimal."""
    return hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


@dataclass(frozen=True, slots=True)
class Untrusted:
    """Why a chain of certificates does not vouch for its key."""

    reason: str


def certified_key(
    chain_pem: bytes, *, anchors_pem: bytes, at_us: int
) -> ec.EllipticCurvePublicKey | Untrusted:
    """Return the chain's signing key if it led to one of the anchors at `at_us`, or why not."""
    try:
        leaf, *above = x509.load_pem_x509_certificates(chain_pem)
        anchors = x509.load_pem_x509_certificates(anchors_pem)
    except ValueError:
        return Untrusted("its certificates cannot be read")
    if not _links_hold((leaf, *above), anchors):
        return Untrusted("its certificates do not lead to an authority that is trusted here")
    at = _moment(at_us)
    if any(not c.not_valid_before_utc <= at <= c.not_valid_after_utc for c in (leaf, *above)):
        return Untrusted(f"its certificates are not valid at that time ({at:%Y-%m-%d})")
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return Untrusted("its certificate is not for an ES256 key")
    return key


def _links_hold(chain: tuple[x509.Certificate, ...], anchors: list[x509.Certificate]) -> bool:
    if not all(_issued(subject, by=issuer) for subject, issuer in pairwise(chain)):
        return False
    return any(_issued(chain[-1], by=anchor) for anchor in anchors)


def _issued(subject: x509.Certificate, *, by: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(by)
        return by.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False


def _certificate(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey],
    start: datetime,
    depth: int | None,
) -> x509.Certificate:
    # A depth makes it an authority with that many authorities below it at most.
    issuer_name, issuer_key = issuer
    ca = depth is not None
    builder = (
        x509.CertificateBuilder(issuer_name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _VALID)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=depth), critical=True)
        .add_extension(_key_usage(ca=ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(TRUSTED_USES), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(part: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _NAME),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{_NAME}, {part}"),
        ]
    )


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, tz=UTC)

"""The development authority is made once, kept safe, and refuses to be broken quietly."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from cinefab.core.clock import ManualClock
from cinefab.core.errors import CredentialsInvalid, StorageUnavailable
from cinefab.provenance.authority import open_authority

CLOCK = ManualClock()
TEN_YEARS_US = 3_650 * 86_400 * 1_000_000


def test_an_authority_is_made_on_first_use_and_found_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "authority"

    first = open_authority(folder, clock=CLOCK)
    second = open_authority(folder, clock=CLOCK)

    assert first.created
    assert not second.created
    assert second.trust_anchors_pem == first.trust_anchors_pem
    assert second.signer.key_id == first.signer.key_id
    assert second.signer.chain_pem == first.signer.chain_pem


def test_nobody_else_may_read_the_key_and_only_the_signing_key_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "authority"

    open_authority(folder, clock=CLOCK)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in folder.iterdir()} == {"root.pem", "chain.pem", "signer.key"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["authority"]


def test_the_certificates_are_what_c2pa_asks_for(tmp_path: Path) -> None:
    authority = open_authority(tmp_path / "authority", clock=CLOCK)

    leaf, middle = x509.load_pem_x509_certificates(authority.signer.chain_pem)
    root = x509.load_pem_x509_certificate(authority.trust_anchors_pem)

    leaf.verify_directly_issued_by(middle)
    middle.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    for certificate in (leaf, middle, root):
        assert "Cinefab development authority" in certificate.subject.rfc4514_string()
        assert certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        assert certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.EMAIL_PROTECTION in uses
    assert "1.3.6.1.4.1.62558.2.1" in {use.dotted_string for use in uses}


def test_a_signature_is_64_bytes_that_the_certified_key_verifies(tmp_path: Path) -> None:
    signer = open_authority(tmp_path / "authority", clock=CLOCK).signer
    key = x509.load_pem_x509_certificates(signer.chain_pem)[0].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)

    signatures = [signer.sign(b"message %d" % n) for n in range(50)]

    for n, signature in enumerate(signatures):
        assert len(signature) == 64
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(encode_dss_signature(r, s), b"message %d" % n, ec.ECDSA(hashes.SHA256()))
    public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert signer.key_id == hashlib.sha256(public).hexdigest()


def test_threads_that_start_at_once_end_up_with_one_authority(tmp_path: Path) -> None:
    folder = tmp_path / "authority"

    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: open_authority(folder, clock=CLOCK), range(16)))

    assert len({authority.signer.key_id for authority in opened}) == 1
    assert sum(authority.created for authority in opened) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["authority"]


def test_processes_that_start_at_once_end_up_with_one_authority(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cinefab.core.clock import SystemClock\n"
        "from cinefab.provenance.authority import open_authority\n"
        "sys.stdin.read()\n"
        "a = open_authority(Path(sys.argv[1]), clock=SystemClock())\n"
        "print(a.signer.key_id, a.created)"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "authority")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]

    answers = [process.communicate()[0].split() for process in started]

    assert len({key for key, _ in answers}) == 1
    assert sorted(created for _, created in answers) == ["False", "False", "True"]


def test_an_empty_folder_becomes_the_authority(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    folder.mkdir()

    assert open_authority(folder, clock=CLOCK).created
    assert folder.stat().st_mode & 0o777 == 0o700


def a_key(of: str) -> bytes:
    key = {
        "another key": lambda: ec.generate_private_key(ec.SECP256R1()),
        "another curve": lambda: ec.generate_private_key(ec.SECP384R1()),
        "rsa": lambda: rsa.generate_private_key(65_537, 1_024),
    }[of]()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda f: (f / "signer.key").unlink(), "signer.key is missing"),
        (lambda f: (f / "root.pem").unlink(), "root.pem is missing"),
        (lambda f: (f / "chain.pem").write_bytes(b""), "certificates cannot be read"),
        (lambda f: (f / "root.pem").write_text("nonsense"), "certificates cannot be read"),
        (lambda f: (f / "signer.key").write_text("x"), "not an unencrypted PEM key"),
        (lambda f: (f / "signer.key").write_bytes(a_key("another key")), "is not the key that"),
        (lambda f: (f / "signer.key").write_bytes(a_key("another curve")), "not a P-256 key"),
        (lambda f: (f / "signer.key").write_bytes(a_key("rsa")), "not a P-256 key"),
        (lambda f: (f / "signer.key").chmod(0o644), "may be read by other users"),
        (
            lambda f: (f / "root.pem").write_bytes(
                open_authority(f.parent / "other", clock=CLOCK).trust_anchors_pem
            ),
            "do not lead to an authority",
        ),
    ],
    ids=range(10),
)
def test_a_broken_authority_is_refused_with_a_remedy_and_left_as_it_is(
    tmp_path: Path, harm: Callable[[Path], object], found: str
) -> None:
    folder = tmp_path / "authority"
    open_authority(folder, clock=CLOCK)
    harm(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    with pytest.raises(CredentialsInvalid, match=found) as caught:
        open_authority(folder, clock=CLOCK)

    assert caught.value.remedy
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("shift_us", [-TEN_YEARS_US, TEN_YEARS_US])
def test_an_authority_outside_its_time_is_refused(tmp_path: Path, shift_us: int) -> None:
    open_authority(tmp_path / "authority", clock=CLOCK)
    later = ManualClock(CLOCK.now_us() + shift_us)

    with pytest.raises(CredentialsInvalid, match="not valid at that time"):
        open_authority(tmp_path / "authority", clock=later)


def test_a_place_that_cannot_be_written_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StorageUnavailable, match="create the development authority"):
        open_authority(tmp_path / "file" / "authority", clock=CLOCK)
    with pytest.raises(CredentialsInvalid, match="cannot be read"):
        open_authority(tmp_path / "file", clock=CLOCK)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_an_error_that_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    open_authority(folder, clock=CLOCK)
    folder.chmod(0)

    with pytest.raises(CredentialsInvalid, match="cannot be read"):
        open_authority(folder, clock=CLOCK)
    folder.chmod(0o700)

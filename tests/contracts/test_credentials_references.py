"""Credentials that references carry: read in the sandbox, bounded, and kept in the database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cinefab.core.canonical import sha256_of
from cinefab.core.clock import ManualClock, SystemClock
from cinefab.core.errors import SandboxUnavailable
from cinefab.core.ids import JobId, SeededIds, TenantId
from cinefab.core.stage import Content, Lineage
from cinefab.media.sandbox.outcome import Confinement, SandboxLimits
from cinefab.media.sandbox.sandbox import Sandbox
from cinefab.provenance.assets import Asset, record_asset
from cinefab.provenance.authority import Authority, open_authority
from cinefab.provenance.credential_rows import (
    Credential,
    CredentialState,
    RecordedRelease,
    find_credential,
    find_release,
    found_credential,
    record_credential,
)
from cinefab.provenance.credentials import (
    FilmClaims,
    SignedFilm,
    Software,
    may_carry_credentials,
    read_embedded,
    sign_film,
)
from cinefab.store.database import Database
from cinefab.store.schema import METADATA

TENANT = TenantId("ten_a")
CLOCK = ManualClock()
IDS = SeededIds(CLOCK, seed=3)
FORMATS = {"image/png": ".png", "image/jpeg": ".jpeg", "image/webp": ".webp", "image/tiff": ".tiff"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return open_authority(tmp_path_factory.mktemp("ours"), clock=SystemClock())


@pytest.fixture(scope="module")
def pictures(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[bytes, bytes, SignedFilm]]:
    """Give a bare picture, the same one signed, and what was signed, of every format."""
    folder = tmp_path_factory.mktemp("pictures")
    made = {}
    for media_type, suffix in FORMATS.items():
        bare, signed = folder / f"bare{suffix}", folder / f"signed{suffix}"
        Image.new("RGB", (48, 32), "teal").save(bare)
        claims = FilmClaims(
            title="Photo",
            made_by=Software(name="camera", version="1"),
            digital_source_type="digitalCapture",
            agent=Software(name="Cam", version="2"),
            job=JobId("job_1"),
            created_us=1_700_000_000_000_000,
            brief_digest=sha256_of(b""),
            seed=0,
            media_type=media_type,
        )
        film = sign_film(bare, signed, claims=claims, signer=authority.signer)
        made[media_type] = (bare.read_bytes(), signed.read_bytes(), film)
    return made


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    METADATA.create_all(db.engine)
    yield db
    db.close()


def an_asset(db: Database, authority: Authority, tenant: TenantId = TENANT) -> Asset:
    with db.write() as connection:
        return record_asset(
            connection,
            tenant=tenant,
            job=JobId("job_1"),
            content=Content(
                digest=sha256_of(b"film"), kind="film", media_type="video/mp4", size_bytes=4
            ),
            lineage=Lineage(
                made_by="cinefab@0.1.0", sources=(), digital_source_type="algorithmicMedia"
            ),
            signer=authority.signer,
            ids=IDS,
            now_us=CLOCK.now_us(),
        )


@pytest.mark.parametrize("media_type", FORMATS)
def test_credentials_are_read_from_memory(
    pictures: dict[str, tuple[bytes, bytes, SignedFilm]], media_type: str
) -> None:
    bare, signed, film = pictures[media_type]

    facts, blobs = read_embedded(signed, media_type=media_type)

    assert blobs == []
    assert facts["state"] == "valid"
    assert facts["label"] == film.label
    assert facts["title"] == "Photo"
    assert facts["claim_generator"] == "Cam 2"
    assert facts["actions"] == ["c2pa.created"]
    assert facts["digital_source_types"] == [
        "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    ]
    assert read_embedded(bare, media_type=media_type) == ({"state": "absent"}, [])
    assert may_carry_credentials(signed)
    assert not may_carry_credentials(bare)


@pytest.mark.parametrize("media_type", FORMATS)
def test_what_was_altered_is_invalid_and_says_why(
    pictures: dict[str, tuple[bytes, bytes, SignedFilm]], media_type: str
) -> None:
    signed = bytearray(pictures[media_type][1])
    signed[signed.index(b"digitalCapture")] ^= 1

    facts, _ = read_embedded(bytes(signed), media_type=media_type)

    assert facts["state"] == "invalid"
    assert "assertion.hashedURI.mismatch" in str(facts["failures"])


@pytest.mark.parametrize("media_type", FORMATS)
def test_no_damage_makes_reading_fail(
    pictures: dict[str, tuple[bytes, bytes, SignedFilm]], media_type: str
) -> None:
    signed = pictures[media_type][1]
    chance = np.random.default_rng(5)

    states = set()
    for _ in range(60):
        damaged = bytearray(signed[: int(chance.integers(1, len(signed) + 1))])
        for at in chance.integers(0, len(damaged), 3):
            damaged[at] = int(chance.integers(256))
        states.add(read_embedded(bytes(damaged), media_type=media_type)[0]["state"])

    assert states <= {"absent", "invalid", "valid"}
    assert "invalid" in states


def test_what_is_no_picture_has_no_credentials() -> None:
    for payload, media_type in (
        (b"", "image/png"),
        (b"hello", "image/jpeg"),
        (b"BM" + bytes(60), "image/bmp"),
        (b"hello", "no type at all"),
    ):
        assert read_embedded(payload, media_type=media_type)[0]["state"] == "absent"


def test_credentials_are_read_behind_the_sandboxs_lock(
    pictures: dict[str, tuple[bytes, bytes, SignedFilm]],
) -> None:
    _, signed, film = pictures["image/png"]
    try:
        with Sandbox(SandboxLimits(), confinement=Confinement.REQUIRED) as sandbox:
            result = sandbox.run(
                "cinefab.provenance.credentials:read_embedded",
                signed,
                arguments={"media_type": "image/png"},
            )
    except SandboxUnavailable as error:
        pytest.skip(str(error))

    assert result.facts == read_embedded(signed, media_type="image/png")[0]
    assert result.facts["label"] == film.label


def test_credentials_are_kept_with_their_asset(db: Database, authority: Authority) -> None:
    asset, other = an_asset(db, authority), an_asset(db, authority)
    found = found_credential(
        {"state": "valid", "label": "urn:c2pa:1", "issuer": "Cam", "actions": ["c2pa.created"]}
    )

    with db.write() as connection:
        record_credential(connection, asset, found)

    with db.read() as connection:
        assert find_credential(connection, asset) == found
        assert find_credential(connection, other) is None


BROKEN_READERS: list[tuple[dict[str, Any], CredentialState]] = [
    ({}, CredentialState.INVALID),
    ({"state": "signed"}, CredentialState.INVALID),
    ({"state": ["valid"]}, CredentialState.INVALID),
    ({"state": "absent", "label": 7}, CredentialState.ABSENT),
    ({"state": "valid", "title": "a\x00b\x1b[2J", "x": 1.5}, CredentialState.VALID),
    ({"state": "valid", "issuer": "i" * 9_999, "y": {"z": [1]}}, CredentialState.VALID),
    ({"state": "valid", "actions": ["a"] * 9_999 + [None]}, CredentialState.VALID),
    ({"state": "valid", **{f"k{n}": "v" for n in range(9_999)}}, CredentialState.VALID),
]


def test_whatever_a_broken_reader_says_can_be_stored_and_never_counts_as_ours(
    db: Database, authority: Authority
) -> None:
    for facts, kept in BROKEN_READERS:
        asset = an_asset(db, authority)

        found = found_credential(facts)
        with db.write() as connection:
            record_credential(connection, asset, found)

        assert found.state is kept
        assert len(str(found.body)) < 3_000
        assert "\x00" not in str(found.body)
        with db.read() as connection:
            assert find_credential(connection, asset) == found


def test_a_release_is_found_by_its_label_by_its_own_tenant_only(
    db: Database, authority: Authority
) -> None:
    asset = an_asset(db, authority)
    reference = an_asset(db, authority)
    with db.write() as connection:
        for of, state in ((asset, CredentialState.SIGNED), (reference, CredentialState.VALID)):
            label = f"urn:c2pa:{state}"
            found = Credential(state=state, label=label, issuer="us", body={})
            record_credential(connection, of, found)

    with db.read() as connection:
        ours = find_release(connection, TENANT, "urn:c2pa:signed")
        theirs = find_release(connection, TenantId("ten_b"), "urn:c2pa:signed")
        not_ours = find_release(connection, TENANT, "urn:c2pa:valid")
    assert ours == RecordedRelease(sha256=asset.sha256, asset=asset.public_id, job=JobId("job_1"))
    assert theirs is None
    assert not_ours is None


@pytest.mark.parametrize("place", [".", "libs", "x86_64-unknown-linux-gnu"])
def test_a_native_library_planted_in_the_working_directory_is_refused_unloaded(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "libc2pa_c.so").write_bytes(b"not a library, but it would be loaded")

    done = subprocess.run(
        [sys.executable, "-c", "import cinefab.provenance.credentials"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "which would be loaded in its place" in done.stderr

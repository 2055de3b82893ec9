"""Whether a file is what its content credentials say, and whether anyone here vouches for it."""

from __future__ import annotations

import hashlib
import io
import json
import mimetypes
import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from cinefab.core.canonical import Json, Sha256
from cinefab.core.errors import CredentialsInvalid, Unavailable
from cinefab.provenance.c2pa_library import c2pa, open_context
from cinefab.provenance.claims import JOB_ASSERTION
from cinefab.provenance.credential_rows import RecordedRelease
from cinefab.provenance.credentials import may_carry_credentials
from cinefab.provenance.validation import (
    UNTRUSTED,
    assertion,
    broken_ingredients,
    failures_of,
    in_words,
    summary_of,
)


class VerifyState(StrEnum):
    """What a file's credentials are worth here."""

    TRUSTED = "trusted"
    VALID = "valid"
    INVALID = "invalid"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The state, why in words, and what the credentials say.

    `details` holds at least `sha256` and `size_bytes` of the whole file and, where there are
    credentials, the fields of `validation.summary_of` and `job`.
    """

    state: VerifyState
    reasons: tuple[str, ...]
    details: Mapping[str, Json]


Recorded = Callable[[str], RecordedRelease | None]
"""Says what is recorded here of the file that was signed with credentials of a given label."""

# Media that cannot carry credentials in a way that is read here, by their first bytes: a film of
# these kinds has none, while bytes that are no media at all are an error.
_BARE_MEDIA: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x1aE\xdf\xa3", "WebM and Matroska files"),
    (b"OggS", "Ogg files"),
    (b"BM", "BMP pictures"),
    (b"G@", "MPEG transport streams"),
)


def verify_file(path: Path, *, anchors_pem: bytes, recorded: Recorded) -> Verification:
    """Say what the credentials in the file at `path` are worth, without asking the network.

    Trusted: nothing was altered, the signer's certificates lead to one of the anchors, and what
    is recorded here does not contradict. Valid: nothing was altered, but the signer is not known.
    Raises `Unavailable` if there is no such file or it cannot be opened, `CredentialsInvalid` if
    it is empty or not media.
    """
    with _open(path) as file:
        sha256 = Sha256(hashlib.file_digest(file, "sha256").hexdigest())
        size_bytes = file.tell()
        if size_bytes == 0:
            raise _not_media(path, "an empty file")
        file.seek(0)
        found = _read(path, file, anchors_pem)
    facts: dict[str, Json] = {"sha256": sha256, "size_bytes": size_bytes}
    if isinstance(found, _NoStore):
        return Verification(state=found.state, reasons=(found.reason,), details=facts)
    facts |= summary_of(found.store)
    job = assertion(found.store, JOB_ASSERTION).get("job")
    facts["job"] = job if isinstance(job, str) else None
    state, reasons = _judge(found, sha256, recorded(str(facts["label"])))
    notes = [
        f"the credentials that {title} brought along did not hold when it was used"
        for title in broken_ingredients(found.store)
    ]
    return Verification(state=state, reasons=(*reasons, *notes), details=facts)


@dataclass(frozen=True, slots=True)
class _Store:
    """A manifest store, and c2pa's word for it: Trusted, Valid or Invalid."""

    store: Mapping[str, Any]
    validation: str


@dataclass(frozen=True, slots=True)
class _NoStore:
    """No manifest store that could be read, and what that makes of the file."""

    state: VerifyState
    reason: str


def _judge(
    found: _Store, sha256: Sha256, release: RecordedRelease | None
) -> tuple[VerifyState, tuple[str, ...]]:
    failures = failures_of(found.store)
    if found.validation not in {"Trusted", "Valid"}:
        return VerifyState.INVALID, tuple(in_words(f) for f in failures) or ("not valid",)
    if release is not None and release.sha256 != sha256:
        # Padding and a few boxes lie outside what the credentials hash: c2pa does not see them.
        reason = (
            "bytes outside the hashed range were changed: the file recorded here as "
            f"{release.asset} with these credentials has the digest {release.sha256}"
        )
        return VerifyState.INVALID, (reason,)
    known = (
        f"it is, byte for byte, the file recorded here as {release.asset}"
        if release is not None
        else "there is no record of this file here"
    )
    if found.validation == "Trusted":
        return VerifyState.TRUSTED, ("its signer is trusted here and nothing was changed", known)
    untrusted = tuple(in_words(f) for f in failures if f.get("code") == UNTRUSTED)
    return VerifyState.VALID, (*(untrusted or ("the signer is not trusted here",)), known)


def _read(path: Path, file: io.BufferedReader, anchors_pem: bytes) -> _Store | _NoStore:
    try:
        with open_context(anchors_pem=anchors_pem) as context:
            hint = mimetypes.guess_type(path.name)[0]
            reader = c2pa.Reader.try_create(hint, file, context=context)
            if reader is None:
                return _NoStore(VerifyState.ABSENT, "the file carries no content credentials")
            with reader:
                return _Store(json.loads(reader.json()), str(reader.get_validation_state()))
    except c2pa.C2paError as error:
        return _without_store(path, file, error)


def _without_store(path: Path, file: io.BufferedReader, error: Exception) -> _NoStore:
    text = str(error)
    if text.startswith("Remote"):
        return _NoStore(
            VerifyState.ABSENT,
            f"the file only points to credentials at {text.rpartition(' ')[2]}; nothing is fetched",
        )
    head, carries = _look_at(file)
    if carries:
        return _NoStore(
            VerifyState.INVALID, f"the file is damaged or cut short, and cannot be checked ({text})"
        )
    for start, kind in _BARE_MEDIA:
        if head.startswith(start):
            return _NoStore(VerifyState.ABSENT, f"{kind} carry no content credentials")
    raise _not_media(path, f"a file that cannot be read ({text})") from error


def _look_at(file: io.BufferedReader) -> tuple[bytes, bool]:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content[:16], may_carry_credentials(content)


def _open(path: Path) -> io.BufferedReader:
    found = ""
    try:
        if path.is_file():
            return path.open("rb")
        found = "no file of that name" if not path.exists() else "not a file"
    except OSError as error:
        found = error.strerror or str(error)
    raise Unavailable(
        attempted=f"verify {path}",
        found=found,
        remedy="Give the path of a film or picture that may be read.",
    )


def _not_media(path: Path, found: str) -> CredentialsInvalid:
    return CredentialsInvalid(
        attempted=f"verify {path}",
        found=found,
        remedy="Give a whole MP4, JPEG, PNG, WebP or another media file.",
    )

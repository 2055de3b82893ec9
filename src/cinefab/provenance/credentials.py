"""Content credentials: read those that a stranger's file carries, sign those of a film of ours.

`read_embedded` and `judge_embedded` are tasks for the sandbox: they work on bytes in memory alone,
and everything they load is loaded when this module is imported or warmed up.
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from cinefab.core.canonical import Json, Sha256
from cinefab.core.errors import CredentialsInvalid, StorageUnavailable, Unavailable
from cinefab.provenance.c2pa_library import c2pa, open_context
from cinefab.provenance.claims import (
    Action,
    FilmClaims,
    Ingredient,
    Mining,
    Software,
    build_definition,
    ingredient_definition,
)
from cinefab.provenance.signer import Signer
from cinefab.provenance.validation import model_of, summary_of

__all__ = [
    "Action",
    "FilmClaims",
    "Ingredient",
    "Mining",
    "SignedFilm",
    "Software",
    "judge_embedded",
    "may_carry_credentials",
    "read_embedded",
    "sign_film",
    "warm_up",
]

_STATES: Final = {"Trusted": "trusted", "Valid": "valid"}
_MARKERS: Final = (b"jumdc2pa", b"c2pa:manifest", b"dcterms:provenance")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFilm:
    """A film with its credentials inside: the digest of the whole file, its size, their label."""

    sha256: Sha256
    size_bytes: int
    label: str
    issuer: str


def may_carry_credentials(payload: bytes | mmap.mmap) -> bool:
    """Say whether reading is worth it: False is certain, True may be a coincidence of bytes."""
    # A manifest store opens with a JUMBF description of type c2pa, whole in every container but
    # SVG, which wraps it in base64; a store held elsewhere is named in the XMP.
    return any(payload.find(marker) >= 0 for marker in _MARKERS)


def read_embedded(payload: bytes, *, media_type: str) -> tuple[dict[str, Json], list[bytes]]:
    """Return what the credentials in `payload` say, and no blobs.

    `state` is `absent`, `valid` or `invalid`; valid means that nothing was altered since it was
    signed, not that the signer is trusted. The other fields are those of `validation.summary_of`,
    with `remote` where the file only points to credentials held elsewhere: nothing is fetched.
    """
    found = _read_embedded(payload, media_type=media_type, anchors_pem=None)
    state = "valid" if found["state"] == "trusted" else found["state"]
    said = {name: value for name, value in found.items() if name != "model"}
    return {**said, "state": state}, []


def judge_embedded(payload: bytes, *, anchors_pem: str) -> tuple[dict[str, Json], list[bytes]]:
    """Return what the credentials in media of any kind say, as `read_embedded` does, and no blobs.

    `state` may be `trusted`, too: the signer's certificates lead to one of the anchors. `model` is
    what is said to have made it, empty where that is not said.
    """
    return _read_embedded(payload, media_type=None, anchors_pem=anchors_pem.encode()), []


def _read_embedded(
    payload: bytes, *, media_type: str | None, anchors_pem: bytes | None
) -> dict[str, Json]:
    try:
        with open_context(anchors_pem=anchors_pem) as context:
            reader = c2pa.Reader.try_create(media_type, io.BytesIO(payload), context=context)
            if reader is None:
                return {"state": "absent"}
            with reader:
                store = json.loads(reader.json())
                state = _STATES.get(str(reader.get_validation_state()), "invalid")
    except c2pa.C2paError.NotSupported:
        return {"state": "absent"}
    except c2pa.C2paError as error:
        found = str(error)[:300]
        if found.startswith("Remote"):
            return {"state": "absent", "remote": found.rpartition(" ")[2]}
        damaged = may_carry_credentials(payload)
        return {"state": "invalid" if damaged else "absent", "failures": [found]}
    return {"state": state, "model": model_of(store), **summary_of(store)}


def warm_up() -> None:
    """Have everything loaded that reading credentials needs, while files can still be opened."""
    read_embedded(b"\x89PNG\r\n\x1a\n", media_type="image/png")


def sign_film(
    source: Path,
    destination: Path,
    *,
    claims: FilmClaims,
    signer: Signer,
    anchors_pem: bytes | None = None,
    timestamp_url: str | None = None,
) -> SignedFilm:
    """Write `source` to `destination` with its content credentials inside, whole or not at all.

    The anchors say whose credentials count as trusted where an ingredient brings some along; what
    does not hold there is still kept, and the film's credentials say so. Without a time-stamp
    server the credentials count only as long as the signer's certificate is valid. Raises
    `CredentialsInvalid` if c2pa refuses to sign, `Unavailable` if the time-stamp server does not
    answer, `StorageUnavailable` if a file cannot be read or written.
    """
    part = destination.with_name(f".{destination.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with part.open("w+b") as file:
            _sign(source, file, claims, signer, anchors_pem, timestamp_url)
            file.flush()
            os.fsync(file.fileno())
            signed = _describe(file, claims, anchors_pem)
        part.replace(destination)
    except OSError as error:
        raise StorageUnavailable(
            attempted=f"sign {source.name} into {destination}",
            found=error.strerror or str(error),
            remedy="Check that the files are there, may be read and written, and that the disk has room.",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return signed


def _sign(
    source: Path,
    file: BinaryIO,
    claims: FilmClaims,
    signer: Signer,
    anchors_pem: bytes | None,
    timestamp_url: str | None,
) -> None:
    readable = set(c2pa.Builder.get_supported_mime_types())
    unreadable = {i.name for i in claims.ingredients if i.media_type not in readable}
    definition = build_definition(claims, unreadable=unreadable)
    sign, failed = _watched(signer)
    try:
        with ExitStack() as stack:
            native = c2pa.Signer.from_callback(
                sign, c2pa.C2paSigningAlg.ES256, signer.chain_pem.decode(), timestamp_url
            )
            context = stack.enter_context(open_context(anchors_pem=anchors_pem, signer=native))
            builder = stack.enter_context(c2pa.Builder(definition, context))
            for ingredient in claims.ingredients:
                if ingredient.name not in unreadable:
                    _add(builder, ingredient)
            film = stack.enter_context(source.open("rb"))
            builder.sign(claims.media_type, film, file)
    except c2pa.C2paError as error:
        cause = failed[0] if failed else error
        if timestamp_url and not failed:
            raise Unavailable(
                attempted=f"sign {source.name} with a time stamp from {timestamp_url}",
                found=str(error),
                remedy="Try again when the time-stamp server answers, or sign without one.",
            ) from error
        raise CredentialsInvalid(
            attempted=f"sign {source.name} with its content credentials",
            found=str(cause),
            remedy="Check that the film plays and that the signer's certificate is valid.",
        ) from cause


def _watched(signer: Signer) -> tuple[Callable[[bytes], bytes], list[Exception]]:
    # c2pa reports an error in the callback as "signing failed": the cause is kept beside it.
    failed: list[Exception] = []

    def sign(message: bytes) -> bytes:
        try:
            return signer.sign(message)
        except Exception as error:
            failed.append(error)
            raise

    return sign, failed


def _add(builder: Any, ingredient: Ingredient) -> None:
    with ingredient.path.open("rb") as file:
        builder.add_ingredient(ingredient_definition(ingredient), ingredient.media_type, file)


def _describe(file: io.BufferedRandom, claims: FilmClaims, anchors_pem: bytes | None) -> SignedFilm:
    # What leaves the building is read back first: credentials that do not verify are worse than
    # none.
    file.seek(0)
    sha256 = Sha256(hashlib.file_digest(file, "sha256").hexdigest())
    size_bytes = file.tell()
    file.seek(0)
    with (
        open_context(anchors_pem=anchors_pem) as context,
        c2pa.Reader(claims.media_type, file, context=context) as reader,
    ):
        store = json.loads(reader.json())
        state = reader.get_validation_state()
    summary = summary_of(store)
    if state == "Invalid":
        raise CredentialsInvalid(
            attempted=f"sign {claims.title!r}",
            found=f"credentials that do not verify: {summary['failures']}",
            remedy="This is a fault of the claims or the signer: nothing was written.",
        )
    return SignedFilm(
        sha256=sha256,
        size_bytes=size_bytes,
        label=str(summary["label"]),
        issuer=str(summary["issuer"]),
    )

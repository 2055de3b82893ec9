"""What requests bring: a brief as JSON, as YAML, or in a form beside the files that it names."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Header, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from cinefab.api.problems import malformed, media_type_refused, too_large
from cinefab.core.canonical import Sha256, canonical_json, sha256_of
from cinefab.core.errors import RequestInvalid
from cinefab.store.file_digest import file_sha256

BRIEF_BYTES_MAX: Final = 1 << 20
_FILES_MAX: Final = 64
_BRIEF_PART: Final = "brief"
_PART_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")
_PATH: Final = re.compile(r"[^=\s]{1,200}\Z")

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Sending the same request again under the same key leads to the same job.",
        max_length=255,
    ),
]


class Changes(BaseModel):
    """What is to be different from the film that there is."""

    model_config = ConfigDict(extra="forbid")

    set: dict[str, JsonValue] = Field(
        default_factory=dict,
        max_length=64,
        description="Fields of the brief by their path, such as `shots[0].caption`.",
        examples=[{"shots[0].caption": "Open on Sundays"}],
    )
    reseed: list[Annotated[int, Field(ge=0, le=9999)]] = Field(
        default_factory=list, max_length=64, description="Shots, from 0, that get another seed."
    )

    def overrides(self) -> list[str]:
        """Return the changes as the brief's own `path=value`; raise `RequestInvalid`."""
        for path in self.set:
            if not _PATH.match(path):
                raise RequestInvalid(
                    attempted="read the request",
                    field="set",
                    found=f"{path[:40]!r} is no path to a field",
                    remedy="Write it as in shots[0].caption.",
                )
        return [f"{path}={json.dumps(value)}" for path, value in self.set.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBrief:
    """A brief as it came, the files that came with it, and the digest of all of it."""

    text: str
    files: Mapping[str, Path]
    folder: Path | None
    digest: Sha256


def checked_key(key: str | None) -> str | None:
    """Return an idempotency key; raise `RequestInvalid` for one that cannot be one."""
    if key is not None and not _KEY.match(key):
        raise RequestInvalid(
            attempted="read the request",
            field="Idempotency-Key",
            found=f"{key[:40]!r}",
            remedy="Give 1 to 255 visible ASCII characters, such as a UUID.",
        )
    return key


@asynccontextmanager
async def sent_brief(request: Request, scratch: Path) -> AsyncIterator[SentBrief]:
    """Read a brief, and give its files until the block is left; raise what is wrong with it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with _sent_form(request, scratch) as sent:
            yield sent
    elif kind in ("application/json", "application/yaml"):
        text = _text(await limited_body(request), is_json=kind == "application/json")
        yield SentBrief(text=text, files={}, folder=None, digest=_digest(text, {}))
    else:
        raise media_type_refused(kind)


async def sent_document(request: Request) -> tuple[str, Sha256]:
    """Return a document as JSON or YAML, and the digest of what it says."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", "application/yaml"):
        raise media_type_refused(kind)
    text = _text(await limited_body(request), is_json=kind == "application/json")
    return text, _digest(text, {})


def digest_of(what: str, asked: BaseModel) -> Sha256:
    """Return the digest of what a create asked for, which no other kind of create has."""
    return sha256_of(f"{what} {asked.model_dump_json()}".encode())


async def limited_body(request: Request) -> bytes:
    """Return a body of the size that a brief may have; raise `BodyTooLarge`."""
    announced = request.headers.get("content-length", "0")
    body = b""
    if announced.isdigit() and int(announced) <= BRIEF_BYTES_MAX:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BRIEF_BYTES_MAX:
                break
        else:
            return body
    raise too_large(f"a brief is at most {BRIEF_BYTES_MAX >> 20} MiB")


def object_in(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is; raise `MalformedRequest`."""
    found: dict[str, Any] = json.loads(_text(body, is_json=True))
    return found


def _text(body: bytes, *, is_json: bool) -> str:
    try:
        text = body.decode()
        if is_json and not isinstance(json.loads(text), dict):
            raise malformed("a brief is a JSON object")
    except UnicodeDecodeError as error:
        raise malformed("it is not UTF-8") from error
    except ValueError as error:
        raise malformed(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise malformed("it is nested too deep") from error
    return text


@asynccontextmanager
async def _sent_form(request: Request, scratch: Path) -> AsyncIterator[SentBrief]:
    async with request.form(
        max_files=_FILES_MAX, max_fields=4, max_part_size=BRIEF_BYTES_MAX
    ) as form:
        text: str | None = None
        parts: dict[str, UploadFile] = {}
        for name, value in form.multi_items():
            if name == _BRIEF_PART and text is None:
                body = await value.read() if isinstance(value, UploadFile) else value.encode()
                if len(body) > BRIEF_BYTES_MAX:
                    raise too_large(f"a brief is at most {BRIEF_BYTES_MAX >> 20} MiB")
                text = _text(body, is_json=_is_json(value))
            elif isinstance(value, UploadFile) and _PART_NAME.match(name) and name not in parts:
                parts[name] = value
            else:
                raise _part_refused(name)
        if text is None:
            raise RequestInvalid(
                attempted="read the request",
                field=_BRIEF_PART,
                found="the form has no such part",
                remedy="Send the brief as a part named brief, JSON or YAML.",
            )
        async with form_with_files(text, parts, scratch) as sent:
            yield sent


@asynccontextmanager
async def form_with_files(
    text: str, parts: Mapping[str, UploadFile], scratch: Path
) -> AsyncIterator[SentBrief]:
    """Give a brief and the files of a form, under their names, until the block is left."""
    folder = await run_in_threadpool(_new_folder, scratch)
    try:
        files, digest = await run_in_threadpool(_written, text, parts, folder)
        yield SentBrief(text=text, files=files, folder=folder, digest=digest)
    finally:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)


def _is_json(value: UploadFile | str) -> bool:
    kind = value.content_type if isinstance(value, UploadFile) else None
    return kind is not None and kind.partition(";")[0].strip() == "application/json"


def _new_folder(scratch: Path) -> Path:
    scratch.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="sent-", dir=scratch))


def _written(
    text: str, parts: Mapping[str, UploadFile], folder: Path
) -> tuple[dict[str, Path], Sha256]:
    files = {}
    for name, part in parts.items():
        files[name] = folder / name
        with files[name].open("wb") as file:
            shutil.copyfileobj(part.file, file)
    return files, _digest(text, {name: file_sha256(path) for name, path in files.items()})


def _digest(text: str, files: Mapping[str, str]) -> Sha256:
    # Where the spaces are in a document is nothing that it says.
    try:
        said: Any = json.loads(text)
    except ValueError:
        said = text
    return sha256_of(canonical_json([json.dumps(said, sort_keys=True), dict(files)]))


def _part_refused(name: str) -> RequestInvalid:
    return RequestInvalid(
        attempted="read the request",
        field=name[:40],
        found="this part is neither the brief nor a file under a name of its own",
        remedy="Name a file as the brief does, in letters, digits, dots, dashes and underscores.",
    )

"""Uploads that go on where they were broken off: tus 1.0, with what a browser or a script wants beside.

What comes is counted against the tenant's quota before a byte of it is read, and stays in quarantine
until it was decoded. Extensions: creation, creation-with-upload, termination, expiration, checksum.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Coroutine
from email.utils import formatdate
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from cinefab.api.bodies import IdempotencyKey, checked_key
from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving, caller_of
from cinefab.api.errors import ChecksumRefused, TusVersionRefused
from cinefab.api.jobs import once_of
from cinefab.api.paging import After, Limit, page_of
from cinefab.api.problems import answer_invalid, media_type_refused, problem_response, too_large
from cinefab.app.service import Service
from cinefab.app.serving.uploads import UPLOAD_BYTES_MAX
from cinefab.core.canonical import canonical_json, sha256_of
from cinefab.core.clock import iso_utc
from cinefab.core.errors import CinefabError, RequestInvalid
from cinefab.ingest.uploads import OPEN, Piece, Upload, offset_refused
from cinefab.tenancy.caller import Caller

VERSION: Final = "1.0.0"
MEDIA_TYPE: Final = "application/offset+octet-stream"

_ABLE: Final = {
    "tus-version": VERSION,
    "tus-extension": "creation,creation-with-upload,termination,expiration,checksum",
    "tus-max-size": str(UPLOAD_BYTES_MAX),
    "tus-checksum-algorithm": "sha256,sha1,md5",
}
_PIECE_BYTES: Final = 1 << 20
_METADATA_MAX: Final = 4096
_DIGITS: Final = 16
_BODY: Final = {
    "requestBody": {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
}


class _TusRoute(APIRoute):
    """Says the version on every answer, refusals too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer_of = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await answer_of(request)
            except CinefabError as error:
                response = problem_response(error)
                if isinstance(error, TusVersionRefused):
                    response.headers["tus-version"] = VERSION
            except RequestValidationError as error:
                response = await answer_invalid(request, error)
            response.headers["tus-resumable"] = VERSION
            return response

        return answer


def _check_version(
    request: Request,
    tus_resumable: Annotated[
        str | None, Header(max_length=20, description="The version of tus, which may be left out.")
    ] = None,
) -> None:
    if tus_resumable not in (None, VERSION) and request.method != "OPTIONS":
        raise TusVersionRefused(
            attempted="take an upload",
            found=f"the client speaks tus {tus_resumable!r}",
            remedy=f"Speak tus {VERSION}.",
        )


routes: Final = APIRouter(
    prefix="/v1/uploads",
    tags=["uploads"],
    route_class=_TusRoute,
    dependencies=[Depends(_check_version)],
)

UploadName = Annotated[str, Path(max_length=64, description="An upload's id: upl_…")]
Checksum = Annotated[
    str | None,
    Header(max_length=200, description="`sha256`, `sha1` or `md5`, and the digest in base 64."),
]


class UploadDocument(BaseModel):
    """An upload: how far it is, and the asset that it became or why it did not."""

    id: str
    object: Literal["upload"] = "upload"
    name: str
    media_type: str | None = Field(description="What the client called it; nothing goes by it.")
    bytes: int
    bytes_received: int
    state: Literal["open", "received", "ready", "refused"]
    asset: str | None
    refusal: dict[str, str] | None
    created: str
    expires: str | None
    links: dict[str, str | None]


class UploadPage(BaseModel):
    """Uploads, newest first."""

    object: Literal["list"] = "list"
    data: list[UploadDocument]
    has_more: bool
    next: str | None


@routes.options(
    "",
    status_code=204,
    summary="Say what uploads can",
    dependencies=[Depends(caller_of)],
    response_class=Response,
)
async def describe_uploads() -> Response:
    """Say which version and extensions of tus are spoken, and how large an upload may be."""
    return Response(status_code=204, headers=_ABLE)


@routes.post(
    "",
    status_code=201,
    summary="Begin an upload",
    responses={201: {"description": "It was begun; `Location` says where it goes on."}},
    openapi_extra=_BODY,
    response_class=Response,
)
async def create_upload(
    request: Request,
    asking: Asking,
    service: Serving,
    upload_length: Annotated[str, Header(max_length=20, description="Its bytes, all in all.")],
    upload_metadata: Annotated[
        str | None,
        Header(max_length=_METADATA_MAX, description="`filename` and `filetype`, in base 64."),
    ] = None,
    upload_checksum: Checksum = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Begin an upload of so many bytes; the body may have the first of them."""
    length = _number(upload_length, "Upload-Length")
    if length > UPLOAD_BYTES_MAX:
        raise too_large(f"an upload is at most {UPLOAD_BYTES_MAX >> 20} MiB")
    if length == 0:
        raise _wrong("Upload-Length", "nothing", "Send a file that has something in it.")
    said = _metadata(upload_metadata)
    has_body = _has_body(request)
    if has_body:
        _check_body(request, room=length)
    asked = sha256_of(canonical_json(["upload", length, said]))
    upload, before = await run_in_threadpool(
        service.uploads.create,
        asking,
        name=said.get("filename", said.get("name", "")),
        media_type=said.get("filetype", said.get("type", "")),
        length_bytes=length,
        once=once_of(service, checked_key(idempotency_key), asked),
    )
    if has_body and not before:
        upload = await _take(request, service, asking, upload, upload_checksum)
    headers = {"location": f"/v1/uploads/{upload.id}"}
    return Response(status_code=201, headers={**headers, **_standing(upload)})


@routes.head(
    "/{upload}",
    summary="Say how far an upload is",
    responses={200: {"description": "`Upload-Offset` of `Upload-Length` bytes are there."}},
    response_class=Response,
)
def head_upload(asking: Asking, service: Serving, upload: UploadName) -> Response:
    """Say how far it is, for whoever goes on with it."""
    found = service.uploads.show(asking, upload)
    length = {"upload-length": str(found.length_bytes)}
    return Response(status_code=200, headers={**length, **_standing(found)})


@routes.patch(
    "/{upload}",
    status_code=204,
    summary="Go on with an upload",
    openapi_extra=_BODY,
    response_class=Response,
)
async def patch_upload(
    request: Request,
    asking: Asking,
    service: Serving,
    upload: UploadName,
    upload_offset: Annotated[str, Header(max_length=20, description="Where the body begins.")],
    upload_checksum: Checksum = None,
) -> Response:
    """Send what comes next. Of a request that breaks off, what came is kept."""
    offset = _number(upload_offset, "Upload-Offset")
    found = await run_in_threadpool(service.uploads.show, asking, upload)
    if found.offset_bytes != offset or (found.state != OPEN and _has_body(request)):
        raise offset_refused(found, offset)
    _check_body(request, room=found.length_bytes - offset)
    found = await _take(request, service, asking, found, upload_checksum)
    return Response(status_code=204, headers=_standing(found))


@routes.delete("/{upload}", status_code=204, summary="Give an upload up", response_class=Response)
def remove_upload(asking: Asking, service: Serving, upload: UploadName) -> Response:
    """Give it up and forget its bytes; one that became an asset stays."""
    service.uploads.remove(asking, upload)
    return Response(status_code=204)


@routes.get(
    "", summary="List uploads", responses={200: {"model": UploadPage}}, response_class=Response
)
def list_uploads(
    request: Request, asking: Asking, service: Serving, limit: Limit = 20, after: After = None
) -> Response:
    """List the tenant's uploads, newest first."""
    page = page_of(
        service.uploads.list(asking),
        limit=limit,
        after=after,
        name=lambda each: each.id,
        document=_document,
    )
    return document_response(request, page)


@routes.get(
    "/{upload}",
    summary="Show an upload",
    responses={200: {"model": UploadDocument}},
    response_class=Response,
)
def show_upload(request: Request, asking: Asking, service: Serving, upload: UploadName) -> Response:
    """Show how far it is, and the asset that it became or why it did not."""
    return document_response(request, _document(service.uploads.show(asking, upload)))


async def _take(
    request: Request, service: Service, caller: Caller, upload: Upload, checksum: str | None
) -> Upload:
    """Keep what comes, piece by piece; with a checksum, all of it or nothing."""
    digest = None if checksum is None else _digest_of(checksum)
    kept: list[Piece] = []
    room = upload.length_bytes - upload.offset_bytes
    try:
        async for content in _pieces(request, room):
            if digest is not None:
                digest[0].update(content)
            kept.append(await run_in_threadpool(service.uploads.put, upload.id, content))
            if digest is None:
                pieces, kept = kept, []
                upload = await _append(service, caller, upload, pieces)
    except BaseException:
        await run_in_threadpool(service.uploads.take_back, upload.id, kept)
        raise
    if digest is not None:
        if not hmac.compare_digest(digest[0].digest(), digest[1]):
            await run_in_threadpool(service.uploads.take_back, upload.id, kept)
            raise ChecksumRefused(
                attempted=f"go on with {upload.id}",
                found="the bytes are not those of Upload-Checksum",
                remedy="Send the same piece again.",
            )
        upload = await _append(service, caller, upload, kept)
    return upload


async def _append(service: Service, caller: Caller, upload: Upload, pieces: list[Piece]) -> Upload:
    if not pieces:
        return upload
    return await run_in_threadpool(
        service.uploads.append, caller, upload.id, pieces, offset_bytes=upload.offset_bytes
    )


async def _pieces(request: Request, room: int) -> AsyncIterator[bytes]:
    """Yield the body in pieces, and what came of one that broke off; raise `BodyTooLarge`."""
    piece = b""
    try:
        async for chunk in request.stream():
            piece += chunk
            room -= len(chunk)
            if room < 0:
                raise too_large("it is more than was announced as Upload-Length")
            while len(piece) >= _PIECE_BYTES:
                yield piece[:_PIECE_BYTES]
                piece = piece[_PIECE_BYTES:]
    except ClientDisconnect:
        # Whoever comes back asks how far it is, and goes on from there.
        if request.headers.get("upload-checksum") is not None:
            raise
    if piece:
        yield piece


def _has_body(request: Request) -> bool:
    length = request.headers.get("content-length", "0")
    return length != "0" or "transfer-encoding" in request.headers


def _check_body(request: Request, *, room: int) -> None:
    """Refuse a body of another type, or that says it is more than is missing, before it is read."""
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise media_type_refused(kind, f"Send what comes next as {MEDIA_TYPE}.")
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced) > room:
        raise too_large("it is more than was announced as Upload-Length")


def _digest_of(checksum: str) -> tuple[Any, bytes]:
    name, _, given = checksum.partition(" ")
    try:
        wanted = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        wanted = b""
    if name not in _ABLE["tus-checksum-algorithm"].split(",") or not wanted:
        raise _wrong(
            "Upload-Checksum",
            repr(checksum[:40]),
            "Give one of sha256, sha1 and md5, a space, and the digest in base 64.",
        )
    # It guards against accidents on the way, as the protocol has it, and against nobody.
    return hashlib.new(name, usedforsecurity=False), wanted


def _metadata(given: str | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in (given or "").split(","):
        name, _, value = pair.strip().partition(" ")
        if not name:
            continue
        try:
            found[name[:40]] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise _wrong(
                "Upload-Metadata",
                f"the value of {name[:40]!r} is no UTF-8 in base 64",
                "Write it as in `filename Y3VwLnBuZw==,filetype aW1hZ2UvcG5n`.",
            ) from error
    return found


def _number(given: str, name: str) -> int:
    if not (given.isascii() and given.isdigit() and len(given) <= _DIGITS):
        raise _wrong(name, repr(given[:20]), "Give a number of bytes.")
    return int(given)


def _wrong(name: str, found: str, remedy: str) -> RequestInvalid:
    return RequestInvalid(attempted="take an upload", field=name, found=found, remedy=remedy)


def _standing(upload: Upload) -> dict[str, str]:
    said = {"upload-offset": str(upload.offset_bytes), "cache-control": "no-store"}
    if upload.state == OPEN:
        said["upload-expires"] = formatdate(upload.expires_us // 1_000_000, usegmt=True)
    return said


def _document(upload: Upload) -> dict[str, Any]:
    here = f"/v1/uploads/{upload.id}"
    return {
        "id": upload.id,
        "object": "upload",
        "name": upload.name,
        "media_type": upload.media_type or None,
        "bytes": upload.length_bytes,
        "bytes_received": upload.offset_bytes,
        "state": upload.state,
        "asset": upload.asset,
        "refusal": upload.refusal,
        "created": iso_utc(upload.created_us),
        "expires": iso_utc(upload.expires_us) if upload.state == OPEN else None,
        "links": {
            "self": here,
            "asset": None if upload.asset is None else f"/v1/assets/{upload.asset}",
        },
    }

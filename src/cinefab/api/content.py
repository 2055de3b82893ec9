"""An asset's bytes: whole or in ranges, kept for ever by their digest."""

from __future__ import annotations

import re
from mimetypes import guess_extension
from pathlib import Path
from typing import Final

from fastapi import Request
from fastapi.responses import FileResponse, Response

from cinefab.api.caching import is_known
from cinefab.api.errors import RangeRefused
from cinefab.provenance.asset import Asset

_RANGES: Final = re.compile(
    r"bytes=\s*(?:\d{1,18}-\d{0,18}|-\d{1,18})(?:\s*,\s*(?:\d{1,18}-\d{0,18}|-\d{1,18})){0,15}\s*\Z",
    re.ASCII,
)

FOR_EVER: Final = "private, max-age=31536000, immutable"
"""How long what never changes may be kept: by the client alone, and a year."""


class _Content(FileResponse):
    """A file in larger pieces than the usual ones, each of which costs a change of threads."""

    chunk_size = 256 << 10


def content_response(
    request: Request, asset: Asset, path: Path, *, immutable: bool = True
) -> Response:
    """Return the bytes of an asset, or what was asked of them, or 304 where the client has them.

    With `immutable`, the URL never leads to other bytes. Raises `RangeRefused`.
    """
    tag = f'"{asset.sha256}"'
    headers = {
        "etag": tag,
        "cache-control": FOR_EVER if immutable else "private, no-cache",
        "accept-ranges": "bytes",
        # Whatever the bytes turn out to be, a browser runs nothing of them.
        "content-security-policy": "default-src 'none'; media-src 'self'; sandbox",
    }
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    _heed_ranges(request, asset, tag)
    name = f"{asset.kind}-{asset.public_id}{guess_extension(asset.media_type) or ''}"
    return _Content(
        path,
        media_type=asset.media_type,
        headers=headers,
        filename=name,
        content_disposition_type="inline",
    )


def _heed_ranges(request: Request, asset: Asset, tag: str) -> None:
    """Leave a range that is none, or is of other bytes, out of account, as RFC 9110 says."""
    given = request.headers.get("range")
    if given is None:
        return
    condition = request.headers.get("if-range")
    stale = condition is not None and condition.strip() != tag
    if stale or not _RANGES.match(given):
        _without_ranges(request)
        return
    size = asset.size_bytes
    wanted = [each.strip() for each in given.partition("=")[2].split(",")]
    bounds = [_bounds(each, size) for each in wanted]
    if any(first > last for first, last in bounds if last < size and first < size):
        _without_ranges(request)
    elif not any(first < size and last >= first for first, last in bounds):
        raise RangeRefused(
            attempted=f"read {given[:80]} of {asset.public_id}",
            found=f"it has {size} bytes",
            remedy="Ask for a range within them.",
            size_bytes=size,
        )


def _bounds(written: str, size: int) -> tuple[int, int]:
    first, _, last = written.partition("-")
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) else (size, size)
    return int(first), min(int(last), size - 1) if last else size - 1


def _without_ranges(request: Request) -> None:
    headers = request.scope["headers"]
    request.scope["headers"] = [pair for pair in headers if pair[0] not in (b"range", b"if-range")]

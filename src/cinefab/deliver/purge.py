"""Telling a CDN to forget what changed: one request for each URL, as the settings say.

Only files with plain names ever change, so only they are purged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx

from cinefab.core.errors import StorageUnavailable
from cinefab.deliver.places import PurgeHook
from cinefab.deliver.target import Access, MayPass, with_attempts

_TIMEOUT_S: Final = 20
_URL: Final = "{url}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What became of one URL: forgotten, or why not."""

    url: str
    failure: str | None


def purge(hook: PurgeHook, urls: Sequence[str], *, access: Access) -> tuple[Purged, ...]:
    """Call the hook for each URL, each with its own attempts; a failure is told, never raised."""
    with httpx.Client(timeout=_TIMEOUT_S, headers=dict(hook.headers), trust_env=False) as client:
        return tuple(_purge(client, hook, url, access) for url in urls)


def _purge(client: httpx.Client, hook: PurgeHook, url: str, access: Access) -> Purged:
    # A hook that is the URL itself takes it as it is, as servers with a PURGE method do.
    address = url if hook.url == _URL else hook.url.replace(_URL, quote(url, safe=""))
    body = None if hook.body is None else hook.body.replace(_URL, json.dumps(url)[1:-1])

    def send() -> None:
        try:
            response = client.request(hook.method, address, content=body)
        except httpx.TransportError as error:
            raise MayPass(type(error).__name__) from error
        if not response.is_success:
            raise MayPass(f"the hook answered {response.status_code}")

    try:
        with_attempts(send, what=f"purge {url}", access=access)
    except (StorageUnavailable, httpx.InvalidURL) as error:
        return Purged(url=url, failure=getattr(error, "found", str(error)))
    return Purged(url=url, failure=None)

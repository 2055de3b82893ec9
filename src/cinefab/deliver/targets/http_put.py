"""A server that takes files by HTTP PUT, such as a WebDAV folder or an origin's upload door."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

import httpx

from cinefab.core.errors import StorageUnavailable
from cinefab.deliver.files import Caching
from cinefab.deliver.target import Access, MayPass, Parcel, Placed, Placing, with_attempts

_T = TypeVar("_T")

_TIMEOUT: Final = httpx.Timeout(connect=10, read=60, write=60, pool=10)
_CHUNK_BYTES: Final = 1 << 18
_ENTRY_BYTES_MAX: Final = 4 << 20
_ABSENT: Final = frozenset({404, 410})
_MAY_PASS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSED: Final = frozenset({401, 403})


class HttpPut:
    """Sends each file by PUT to the place's URL and its name; redirects are not followed.

    What is named by its digest is asked for by HEAD first; of the few files with plain names,
    what is there is read and compared.
    """

    name = "http"

    def publish(
        self, place: str, parcels: Sequence[Parcel], /, *, access: Access
    ) -> tuple[Placed, ...]:
        """Send the parcels to the URL `place`; raise `StorageUnavailable`."""
        with httpx.Client(
            timeout=_TIMEOUT, headers=dict(access.headers), trust_env=False
        ) as client:
            return tuple(_publish(client, place, parcel, access) for parcel in parcels)


def _publish(client: httpx.Client, place: str, parcel: Parcel, access: Access) -> Placed:
    url = f"{place.rstrip('/')}/{quote(parcel.name)}"
    what = f"put {parcel.name} to {place}"
    how = with_attempts(lambda: _what_is_there(client, url, parcel), what=what, access=access)
    if how is not Placing.KEPT:
        with_attempts(lambda: _put(client, url, parcel, what), what=what, access=access)
    return Placed(name=parcel.name, url=url, how=how)


def _what_is_there(client: httpx.Client, url: str, parcel: Parcel) -> Placing:
    if parcel.caching is Caching.IMMUTABLE:
        response = _asked(lambda: client.head(url))
        same = response.headers.get("content-length") == str(parcel.size_bytes)
    else:
        content = _asked_for_entry(client, url)
        response, same = content[0], content[1] == parcel.sha256
    if response.status_code in _MAY_PASS:
        raise MayPass(f"the server answered {response.status_code}")
    # A door that only takes files answers whatever it likes to a question; then it is sent.
    if not response.is_success:
        return Placing.SENT
    return Placing.KEPT if same else Placing.REPLACED


def _asked_for_entry(client: httpx.Client, url: str) -> tuple[httpx.Response, str]:
    def ask() -> tuple[httpx.Response, str]:
        digest, size_bytes = hashlib.sha256(), 0
        with client.stream("GET", url, headers={"Cache-Control": "no-cache"}) as response:
            if response.is_success:
                for chunk in response.iter_bytes():
                    digest.update(chunk)
                    size_bytes += len(chunk)
                    if size_bytes > _ENTRY_BYTES_MAX:
                        return response, "something larger than any entry"
        return response, digest.hexdigest()

    return _asked(ask)


def _put(client: httpx.Client, url: str, parcel: Parcel, what: str) -> None:
    headers = {
        "Content-Type": parcel.media_type,
        "Content-Length": str(parcel.size_bytes),
        "Cache-Control": parcel.caching.value,
    }
    response = _asked(lambda: client.put(url, content=_chunks(parcel.path), headers=headers))
    if response.is_success:
        return
    if response.status_code in _MAY_PASS:
        raise MayPass(f"the server answered {response.status_code}")
    remedy = "Check the address and what it allows."
    if response.status_code in _REFUSED:
        remedy = "Check the place's headers in the settings: it does not let us in."
    elif response.is_redirect:
        remedy = "Set the final address in the settings: redirects are not followed."
    elif response.status_code in _ABSENT:
        remedy = "Create the folder there, or correct the address."
    found = f"the server answered {response.status_code} {response.reason_phrase}".strip()
    raise StorageUnavailable(attempted=what, found=found, remedy=remedy)


def _asked(ask: Callable[[], _T]) -> _T:
    try:
        return ask()
    except httpx.TransportError as error:
        raise MayPass(f"{type(error).__name__}: {error}") from error


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk

"""Messages to addresses that strangers name: checked, sent once, and little of the answer read.

The connection goes to the very address that was checked. There are no proxies, cookies or
credentials, and no redirect is followed. One event loop has any number of messages under way.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpcore
import httpx

from cinefab.media.fetching.addresses import Address
from cinefab.media.fetching.fetched import Refusal
from cinefab.media.fetching.guard import Guard, parse_url, plain, shown_url

_SHOWN_MAX: Final = 500
_LOOKUPS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PostLimits:
    """What sending one message may take; `total_seconds` covers all of it, the lookup too."""

    total_seconds: float = 15.0
    connect_seconds: float = 5.0
    answer_bytes_max: int = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a receiver answered: its status, the beginning of its body, and when it asks to wait."""

    status: int
    excerpt: str
    retry_after: str | None


class Poster:
    """Posts to http(s) URLs that lead to public or allowed addresses; without TLS to the latter only."""

    def __init__(self, guard: Guard, limits: PostLimits, *, tls: ssl.SSLContext | None) -> None:
        self._guard = guard
        self._limits = limits
        self._tls = tls
        # Names that are looked up for long are nothing that others wait for.
        self._lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="resolve")

    def check(self, location: str) -> None:
        """Raise `Refusal` unless a message may be posted there, as things stand now; it may block."""
        self._addresses_of(parse_url(location))

    async def post(self, location: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post a message and return what was answered; raise `Refusal`, also where nobody answers."""
        url = parse_url(location)
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                return await self._post(url, body, headers)
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise Refusal(
                shown=shown_url(url),
                found=f"there was no answer within {self._limits.total_seconds:g} s",
                remedy="Answer at once, and do what takes long afterwards.",
            ) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
            raise Refusal(
                shown=shown_url(url),
                found=f"the connection failed ({type(error).__name__}: {plain(str(error))})",
                remedy="Check the URL and the server behind it.",
            ) from error

    async def _post(self, url: httpx.URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        loop = asyncio.get_running_loop()
        addresses = await loop.run_in_executor(self._lookups, partial(self._addresses_of, url))
        backend = _Pinned(addresses, connect_seconds=self._limits.connect_seconds)
        sent = [
            ("Host", url.netloc.decode("ascii")),
            ("Content-Length", str(len(body))),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
            *headers.items(),
        ]
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        # Its own connection: what one receiver keeps open is nothing that another waits for.
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=self._trust(), network_backend=backend
            ) as pool,
            pool.stream("POST", target, headers=sent, content=body) as response,
        ):
            return await self._read(response)

    async def _read(self, response: httpcore.Response) -> Answer:
        headers = httpx.Headers(response.headers)
        begun = b""
        async for piece in response.aiter_stream():
            begun += piece
            if len(begun) >= self._limits.answer_bytes_max:
                break
        text = begun[: self._limits.answer_bytes_max].decode("utf-8", "replace")
        shown = "".join(c if c.isprintable() else " " for c in text)[:_SHOWN_MAX]
        asked = headers.get("retry-after")
        return Answer(
            status=response.status,
            excerpt=shown,
            retry_after=None if asked is None else plain(asked),
        )

    def _trust(self) -> ssl.SSLContext:
        # Reading the authorities takes longer than a message does, so it is done once.
        self._tls = self._tls or httpx.create_ssl_context()
        return self._tls

    def _addresses_of(self, url: httpx.URL) -> tuple[Address, ...]:
        addresses = self._guard.addresses_of(url, within_s=self._limits.connect_seconds)
        if url.scheme != "https" and not self._guard.is_allowed(addresses):
            raise Refusal(
                shown=shown_url(url),
                found="it is an address without encryption",
                remedy=f"Use https, or have the operator allow the network ({self._guard.setting}).",
            )
        return addresses


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked, whatever the host's name says by now."""

    def __init__(self, addresses: Sequence[Address], *, connect_seconds: float) -> None:
        self._addresses = addresses
        self._connect_seconds = connect_seconds
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a stream to the first checked address that answers."""
        failure: Exception | None = None
        for address in self._addresses:
            try:
                return await self._sockets.connect_tcp(
                    str(address),
                    port,
                    timeout=self._connect_seconds,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None, "there is at least one address"
        raise failure

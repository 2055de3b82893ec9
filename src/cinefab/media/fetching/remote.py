"""References from the network: every hop's address is looked up once, checked, and then used.

The connection goes to the very address that was checked, so a name that answers differently the
second time gains nothing. There are no proxies, cookies, credentials or content encodings.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote

import httpcore
import httpx

from cinefab.core.clock import Clock
from cinefab.media.fetching.addresses import Address, Network
from cinefab.media.fetching.fetched import Fetched, FetchLimits, Refusal
from cinefab.media.fetching.guard import Guard, parse_url, plain, shown_url

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# A server that negotiates must not answer a link to a .png with something more modern.
_ACCEPT: Final = "image/png,image/jpeg;q=0.9,*/*;q=0.5"


class Remote:
    """Fetches http(s) URLs that lead to public or allowed addresses."""

    def __init__(
        self,
        limits: FetchLimits,
        *,
        allow_networks: Sequence[Network],
        resolve: Callable[[str, int], Sequence[Address]],
        tls: ssl.SSLContext | None,
        clock: Clock,
    ) -> None:
        self._limits = limits
        self._guard = Guard(allow_networks=allow_networks, ports=limits.ports, resolve=resolve)
        self._tls = tls
        self._clock = clock

    def fetch(self, location: str) -> Fetched:
        """Follow `location` to its bytes; raise `Refusal`."""
        deadline = _Deadline(self._clock, self._limits.total_seconds)
        url = parse_url(location)
        for _ in range(self._limits.redirects_max + 1):
            answer = self._get(url, deadline)
            if isinstance(answer, bytes):
                return Fetched(data=answer, name=_name(url), location=shown_url(url))
            if url.scheme == "https" and answer.scheme != "https":
                raise Refusal(
                    shown=shown_url(url),
                    found="it redirects from https to an address without encryption",
                    remedy="Name the final URL, if you trust it.",
                )
            url = answer
        raise Refusal(
            shown=shown_url(url),
            found=f"it redirects more than {self._limits.redirects_max} times",
            remedy="Name the final URL.",
        )

    def _get(self, url: httpx.URL, deadline: _Deadline) -> bytes | httpx.URL:
        """Return the body, or where the server sends us."""
        addresses = self._guard.addresses_of(url, within_s=deadline.left())
        backend = _Pinned(addresses, deadline, connect_seconds=self._limits.connect_seconds)
        headers = [
            ("Host", url.netloc.decode("ascii")),
            ("User-Agent", "cinefab"),
            ("Accept", _ACCEPT),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        ]
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend) as pool,
                pool.stream(
                    "GET",
                    httpcore.URL(
                        scheme=url.raw_scheme,
                        host=url.raw_host,
                        port=url.port,
                        target=url.raw_path,
                    ),
                    headers=headers,
                    extensions={"timeout": self._timeouts()},
                ) as response,
            ):
                return self._read(url, response)
        except httpcore.TimeoutException as error:
            raise Refusal(
                shown=shown_url(url),
                found="the server took too long",
                remedy="Try again later, or download it beside the brief.",
            ) from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Refusal(
                shown=shown_url(url),
                found=f"the connection failed ({type(error).__name__}: {plain(str(error))})",
                remedy="Check the URL, or download it beside the brief.",
            ) from error

    def _timeouts(self) -> dict[str, float]:
        silence = self._limits.silence_seconds
        connect = self._limits.connect_seconds
        return {"connect": connect, "read": silence, "write": silence, "pool": connect}

    def _read(self, url: httpx.URL, response: httpcore.Response) -> bytes | httpx.URL:
        headers = httpx.Headers(response.headers)
        if response.status in _REDIRECTS and "location" in headers:
            return parse_url(headers["location"], relative_to=url)
        if response.status != 200:
            raise Refusal(
                shown=shown_url(url),
                found=f"the server answered {response.status}",
                remedy="Check that the URL opens without signing in.",
            )
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise Refusal(
                shown=shown_url(url),
                found="the server compresses it though it was asked not to",
                remedy="Download it beside the brief.",
            )
        announced = headers.get("content-length", "0")
        if announced.isascii() and announced.isdigit() and int(announced) > self._limits.bytes_max:
            raise self._too_large(url)
        return self._body(url, response.iter_stream())

    def _body(self, url: httpx.URL, pieces: Iterable[bytes]) -> bytes:
        body = bytearray()
        for piece in pieces:
            body += piece
            if len(body) > self._limits.bytes_max:
                raise self._too_large(url)
        if not body:
            raise Refusal(
                shown=shown_url(url), found="the answer is empty", remedy="Check the URL."
            )
        return bytes(body)

    def _too_large(self, url: httpx.URL) -> Refusal:
        return Refusal(
            shown=shown_url(url),
            found=f"it is larger than {self._limits.bytes_max:,} bytes",
            remedy="Make it smaller.",
        )


class _Deadline:
    """A moment on the clock, and what is left until then."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._until_us = clock.elapsed_us() + round(seconds * 1_000_000)

    def left(self, at_most: float | None = None) -> float:
        """Return the seconds left; raise `httpcore.ReadTimeout` when there are none."""
        seconds = (self._until_us - self._clock.elapsed_us()) / 1_000_000
        if seconds <= 0:
            raise httpcore.ReadTimeout("the total time is up")
        return seconds if at_most is None else min(seconds, at_most)


class _Pinned(httpcore.NetworkBackend):
    """Connects to addresses that were checked, whatever the host's name says by now."""

    def __init__(
        self, addresses: Sequence[Address], deadline: _Deadline, *, connect_seconds: float
    ) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._connect_seconds = connect_seconds
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a stream to the first checked address that answers."""
        failure: Exception | None = None
        for address in self._addresses:
            try:
                stream = self._sockets.connect_tcp(
                    str(address),
                    port,
                    timeout=self._deadline.left(self._connect_seconds),
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Timed(stream, self._deadline)
        assert failure is not None, "there is at least one address"
        raise failure


class _Timed(httpcore.NetworkStream):
    """A stream whose every wait also ends at the deadline, so dripping bytes do not extend it."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read as the stream does."""
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write as the stream does."""
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return the stream with TLS for the name that was asked for."""
        left = self._deadline.left(timeout)
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return what the stream knows of itself."""
        return self._stream.get_extra_info(info)


def _name(url: httpx.URL) -> str:
    name = PurePosixPath(unquote(url.raw_path.decode("ascii").partition("?")[0])).name
    return plain(name) or url.host

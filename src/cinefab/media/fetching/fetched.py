"""What a fetch may take, what it gives, and how it says no; and where addresses come from."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_address

from cinefab.media.fetching.addresses import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What fetching one reference may take; `total_seconds` covers all its hops."""

    bytes_max: int = 64 << 20
    connect_seconds: float = 5.0
    silence_seconds: float = 10.0
    total_seconds: float = 60.0
    redirects_max: int = 5
    ports: frozenset[int] = frozenset({80, 443})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A reference's bytes, its file name, and where it came from, without query or secrets."""

    data: bytes
    name: str
    location: str


class Refusal(Exception):
    """A location that is not fetched; `shown` is the location as it may be shown."""

    def __init__(self, *, shown: str, found: str, remedy: str) -> None:
        super().__init__(f"{shown}: {found}. {remedy}")
        self.shown = shown
        self.found = found
        self.remedy = remedy


def resolve_by_system(host: str, port: int) -> tuple[Address, ...]:
    """Return the addresses of `host` as this machine finds them; raise `OSError` if none."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ip_address(str(answer[4][0])) for answer in answers))

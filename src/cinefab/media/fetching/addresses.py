"""Which network addresses a stranger's link may lead to: the public internet, nothing else.

Several IPv6 ranges carry an IPv4 address that a gateway on the way unwraps, so an address is
refused if it, or any address inside it, is refused. The tables follow the IANA special-purpose
registries; Python's `is_global` alone calls `64:ff9b::7f00:1`, which may lead to loopback, global.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_REFUSED: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ip_network(network), why)
    for network, why in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "a carrier's own"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "a private translator's"),
        ("2001::/23", "reserved"),  # Teredo is in here
        ("2001:db8::/32", "for documentation"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
# Mapped, compatible, and by NAT64: the last 32 bits are where the packets go.
_TRANSLATED: Final = tuple(
    IPv6Network(network) for network in ("::ffff:0:0/96", "::/96", "64:ff9b::/96")
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_ISATAP: Final = (0x00005EFE, 0x02005EFE)
_LOW_32: Final = (1 << 32) - 1


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Say whether the operator allowed the address, or all that is wrapped in it."""
    wrapped = list(_wrapped(address))
    return _is_in(address, networks) or (
        bool(wrapped) and all(_is_in(inner, networks) for inner in wrapped)
    )


def why_refused(address: Address) -> str | None:
    """Return what kind of address it is if it is not a public one, None if it is."""
    why = _why(address)
    if why is not None:
        return why
    for inner in _wrapped(address):
        why = _why(inner)
        if why is not None:
            return f"{why} ({inner}, wrapped in IPv6)"
    return None


def _why(address: Address) -> str | None:
    for network, why in _REFUSED:
        if _is_in(address, [network]):
            return why
    if _is_in(address, _TRANSLATED):
        return None  # the address inside decides
    in_space = isinstance(address, IPv4Address) or address in _GLOBAL_UNICAST
    return None if in_space and address.is_global else "reserved"


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _wrapped(address: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that gateways may take out of an IPv6 address."""
    if isinstance(address, IPv4Address):
        return
    low = IPv4Address(int(address) & _LOW_32)
    if _is_in(address, _TRANSLATED) or int(address) >> 32 & _LOW_32 in _ISATAP:
        yield low
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo

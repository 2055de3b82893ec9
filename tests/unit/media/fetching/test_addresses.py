"""Which addresses are public, however they are written or wrapped."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis.strategies import integers, ip_addresses

from cinefab.media.fetching.addresses import is_allowed, why_refused

PUBLIC = [
    "8.8.8.8",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]
NOT_PUBLIC = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "10.1.2.3": "private",
    "100.64.0.1": "carrier",
    "100.127.255.255": "carrier",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.8": "reserved",
    "192.0.2.1": "documentation",
    "192.88.99.1": "reserved",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarks",
    "198.51.100.7": "documentation",
    "203.0.113.9": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:169.254.169.254": "link-local",
    "::ffff:0:127.0.0.1": "reserved",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::a9fe:a9fe": "link-local",
    "64:ff9b:1::808:808": "translator",
    "100::1": "reserved",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "reserved",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "loopback",
    "2002:a00:1::1": "private",
    "2002:a9fe:a9fe::1": "link-local",
    "2a00::5efe:a00:1": "private",
    "2a00::200:5efe:7f00:1": "loopback",
    "3fff::1": "documentation",
    "4000::1": "reserved",
    "5f00::1": "reserved",
    "fc00::1": "private",
    "fd12:3456::1": "private",
    "fe80::1": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_not_refused(address: str) -> None:
    assert why_refused(ip_address(address)) is None


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused_by_its_kind(address: str) -> None:
    why = why_refused(ip_address(address))

    assert why is not None
    assert NOT_PUBLIC[address] in why


@given(ip_addresses(v=4))
def test_wrapping_never_makes_an_address_public(address: IPv4Address) -> None:
    refused = why_refused(address) is not None
    number = int(address)
    wrappings = [
        (0xFFFF << 32) | number,
        (0x64FF9B << 96) | number,
        (0x2002 << 112) | (number << 80) | 1,
        (0x2A00 << 112) | (0x5EFE << 32) | number,
    ]

    for wrapped in wrappings:
        wrapper = ip_address(wrapped.to_bytes(16, "big"))
        assert (why_refused(wrapper) is not None) == refused, wrapper


@given(integers(0, 2**128 - 1))
def test_whatever_python_calls_private_is_refused(number: int) -> None:
    address = ip_address(number.to_bytes(16, "big"))

    assert address.is_global or why_refused(address) is not None or address.ipv4_mapped


def test_an_allowed_network_holds_its_addresses_also_when_wrapped() -> None:
    networks = [ip_network("127.0.0.0/8"), ip_network("fd00::/8")]

    assert is_allowed(ip_address("127.0.0.1"), networks)
    assert is_allowed(ip_address("::ffff:127.0.0.1"), networks)
    assert is_allowed(ip_address("fd00::5"), networks)
    assert not is_allowed(ip_address("10.0.0.1"), networks)
    assert not is_allowed(ip_address("::1"), networks)


def test_teredo_is_allowed_only_if_both_addresses_inside_are() -> None:
    # The server is 127.0.0.1, the client 10.0.0.1 (stored inverted).
    teredo = ip_address("2001:0:7f00:1::f5ff:fffe")

    assert not is_allowed(teredo, [ip_network("127.0.0.0/8")])

"""Which URLs of strangers are connected to at all, and to which very addresses.

A host's name is looked up once, every address that it has is checked, and whoever connects does so
to those addresses: a name that answers differently the second time gains nothing.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import httpx

from cinefab.media.fetching.addresses import Address, Network, is_allowed, why_refused
from cinefab.media.fetching.fetched import Refusal, resolve_by_system

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SHOWN_MAX: Final = 200
_NUMBER_LABEL: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Lets through what leads to public addresses on some ports, or to networks that were allowed.

    `setting` is what an operator allows networks by, `verb` what is done at these addresses.
    """

    allow_networks: Sequence[Network]
    ports: frozenset[int]
    resolve: Callable[[str, int], Sequence[Address]] = resolve_by_system
    setting: str = "allow_networks"
    verb: str = "references come from"

    def addresses_of(self, url: httpx.URL, *, within_s: float) -> tuple[Address, ...]:
        """Return the checked addresses of a URL's host, at least one; raise `Refusal`."""
        port = _DEFAULT_PORTS[url.scheme] if url.port is None else url.port
        addresses = self._looked_up(url, port, within_s)
        allowed = [is_allowed(address, self.allow_networks) for address in addresses]
        for address, known in zip(addresses, allowed, strict=True):
            why = None if known else why_refused(address)
            if why is not None:
                raise Refusal(
                    shown=shown_url(url),
                    found=f"it leads to {address}, which is {why}",
                    remedy=f"Use a public URL, or have the operator allow the network ({self.setting}).",
                )
        if port not in self.ports and not all(allowed):
            raise Refusal(
                shown=shown_url(url),
                found=f"port {port} is not one that {self.verb}",
                remedy=f"Serve it on one of {sorted(self.ports)}.",
            )
        return addresses

    def is_allowed(self, addresses: Sequence[Address]) -> bool:
        """Say whether an operator allowed every one of these addresses, public or not."""
        return all(is_allowed(address, self.allow_networks) for address in addresses)

    def _looked_up(self, url: httpx.URL, port: int, within_s: float) -> tuple[Address, ...]:
        host = url.raw_host.decode("ascii").removesuffix(".")
        with suppress(ValueError):
            address = ip_address(host)
            if getattr(address, "scope_id", None) is None:
                return (address,)
        if _NUMBER_LABEL.fullmatch(host.rpartition(".")[2]) or "%" in host:
            raise Refusal(
                shown=shown_url(url),
                found="its host is an address in an unusual spelling",
                remedy="Write the host's name, or the address as four plain numbers.",
            )
        try:
            addresses = tuple(_within(within_s, lambda: self.resolve(host, port)))
        except (OSError, UnicodeError) as error:
            raise Refusal(
                shown=shown_url(url),
                found=f"its host is not found ({plain(str(error))})",
                remedy="Check the host's name and the connection.",
            ) from error
        if not addresses:
            raise Refusal(
                shown=shown_url(url),
                found="its host has no address",
                remedy="Check the host's name.",
            )
        return addresses


def parse_url(location: str, *, relative_to: httpx.URL | None = None) -> httpx.URL:
    """Return an http or https URL without a fragment; raise `Refusal` for every other one."""
    shown = location.partition("?")[0].partition("#")[0][:_SHOWN_MAX]
    shown = plain(re.sub(r"//[^/]*@", "//", shown))
    try:
        url = httpx.URL(location) if relative_to is None else relative_to.join(location)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise Refusal(
            shown=shown, found=f"it is no URL ({plain(str(error))})", remedy="Correct it."
        ) from error
    if url.scheme not in {"http", "https"} or not url.raw_host:
        raise Refusal(
            shown=shown, found="only http and https are fetched", remedy="Name such a URL."
        )
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise Refusal(shown=shown, found=f"there is no port {url.port}", remedy="Correct the URL.")
    if url.userinfo:
        raise Refusal(
            shown=shown_url(url),
            found="it holds a user name or password",
            remedy="Remove it; use a link that opens without signing in.",
        )
    return url.copy_with(fragment=None)


def shown_url(url: httpx.URL) -> str:
    """Return the URL as it may appear in messages: no query, no fragment, no user."""
    return plain(str(url.copy_with(query=None, fragment=None, username=None, password=None)))


def plain(text: str) -> str:
    """Return text as it may be shown: short, and without what does not print."""
    return "".join(c if c.isprintable() else "?" for c in text[:_SHOWN_MAX])


def _within(seconds: float, ask: Callable[[], Sequence[Address]]) -> Sequence[Address]:
    """Return what `ask` returns; a lookup cannot be interrupted, so it is left behind if late."""
    answers: queue.SimpleQueue[Sequence[Address] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(ask())
        except Exception as error:  # noqa: BLE001 - handed to the caller's thread, raised there
            answers.put(error)

    threading.Thread(target=run, name="lookup", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty as error:
        raise TimeoutError("the lookup took too long") from error
    if isinstance(answer, Exception):
        raise answer
    return answer

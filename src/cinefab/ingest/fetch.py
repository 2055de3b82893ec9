"""A reference's location goes in; its bytes come out, or a refusal that names the field.

A location is a file, relative to the folder of its brief, or an http(s) URL. What a URL may
reach is decided in `media.fetching.addresses`, how it is reached in `media.fetching.remote`.
"""

from __future__ import annotations

import os
import re
import ssl
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cinefab.core.clock import Clock, SystemClock
from cinefab.core.errors import ReferenceRefused
from cinefab.media.fetching.addresses import Address, Network
from cinefab.media.fetching.fetched import Fetched, FetchLimits, Refusal, resolve_by_system

__all__ = ["FetchLimits", "Fetched", "Fetcher"]

_MACHINE: Final = SystemClock()  # sockets wait by the machine's clock
_LIMITS: Final = FetchLimits()
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_SHOWN_MAX: Final = 200


class Fetcher:
    """Fetches references; holds no state, so many threads may use one at once.

    `allow_networks` are reached though they are not public, on any port. `resolve` turns a host
    and a port into addresses and is asked once per hop. `tls` replaces the trust in the public
    certificate authorities.
    """

    def __init__(
        self,
        limits: FetchLimits = _LIMITS,
        *,
        allow_networks: Sequence[Network] = (),
        resolve: Callable[[str, int], Sequence[Address]] = resolve_by_system,
        tls: ssl.SSLContext | None = None,
        clock: Clock = _MACHINE,
    ) -> None:
        self._limits = limits
        self._allow_networks = tuple(allow_networks)
        self._resolve = resolve
        self._tls = tls
        self._clock = clock

    def fetch(self, location: str, *, base: Path, field: str) -> Fetched:
        """Return the bytes at `location`; `base` is the folder that a relative file starts from.

        Raises `ReferenceRefused` naming `field` for what is missing, forbidden, private, empty,
        too large or too slow. A URL's query never appears in a message: it may hold a secret.
        """
        try:
            return self._fetch(location, base)
        except Refusal as refusal:
            raise ReferenceRefused(
                field=field,
                attempted=f"fetch {refusal.shown}",
                found=refusal.found,
                remedy=refusal.remedy,
            ) from refusal

    def _fetch(self, location: str, base: Path) -> Fetched:
        scheme = _SCHEME.match(location)
        if scheme is None:
            return self._read_file(location, base)
        if scheme.group(1).lower() in {"http", "https"}:
            return self._fetch_remote(location)
        raise Refusal(
            shown=f"{scheme.group(1)[:20]}:…",
            found="references are files or http(s) URLs",
            remedy="Download it beside the brief; a file whose name has a colon is ./NAME.",
        )

    def _fetch_remote(self, location: str) -> Fetched:
        # Most briefs name files only, and an HTTP client takes a tenth of a second to import.
        from cinefab.media.fetching.remote import Remote  # noqa: PLC0415 - see above

        remote = Remote(
            self._limits,
            allow_networks=self._allow_networks,
            resolve=self._resolve,
            tls=self._tls,
            clock=self._clock,
        )
        return remote.fetch(location)

    def _read_file(self, location: str, base: Path) -> Fetched:
        shown = "".join(c if c.isprintable() else "?" for c in location[:_SHOWN_MAX])
        try:
            data = self._read_regular(base / location, shown)
        except FileNotFoundError as error:
            raise Refusal(
                shown=shown,
                found="there is no such file",
                remedy=f"Put it there, or correct the path; it starts from {base}.",
            ) from error
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise Refusal(
                shown=shown,
                found=f"it cannot be read ({why})",
                remedy="Let the user who runs Cinefab read it, or name another file.",
            ) from error
        if not data:
            raise Refusal(shown=shown, found="the file is empty", remedy="Export it again.")
        return Fetched(data=data, name=Path(location).name, location=shown)

    def _read_regular(self, path: Path, shown: str) -> bytes:
        # Opened without waiting: a named pipe would otherwise hang until somebody writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Refusal(
                    shown=shown, found="it is not a regular file", remedy="Name a picture file."
                )
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(self._limits.bytes_max + 1)
        finally:
            os.close(descriptor)
        if len(data) > self._limits.bytes_max:
            raise Refusal(
                shown=shown,
                found=f"it is larger than {self._limits.bytes_max:,} bytes",
                remedy="Make it smaller.",
            )
        return data

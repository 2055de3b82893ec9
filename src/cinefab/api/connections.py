"""Connections that are begun and not gone on with: they are let go, so that others have room."""

from __future__ import annotations

import asyncio
import resource
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S: Final = 20.0
"""How long somebody may take to send the head of a request, from the first byte or the start on."""

_FILES_MAX: Final = 65_536


class PatientProtocol(H11Protocol):
    """uvicorn's own, which waits for ever for the end of a request's head, but for `HEAD_S`."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait on while what came is no whole head."""
        super().data_received(data)
        # It has none before the first request, whatever its annotation says.
        cycle = self.__dict__.get("cycle")
        if cycle is None or cycle.response_complete:
            self._wait()
        else:
            self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._rest()
        super().connection_lost(exc)

    def _wait(self) -> None:
        # Not anew with each byte: whoever sends one now and then would be waited for for ever.
        if self._late is None:
            self._late = self.loop.call_later(HEAD_S, self.transport.close)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def make_room() -> None:
    """Let this process have as many connections as the machine allows it; a shell's usual is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_MAX if hard == resource.RLIM_INFINITY else min(_FILES_MAX, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

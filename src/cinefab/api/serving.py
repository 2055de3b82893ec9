"""The server: bound before it is announced, and closed without cutting anybody off."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any, Final

import uvicorn

from cinefab.api.app import build_app
from cinefab.api.connections import PatientProtocol, make_room
from cinefab.app.service import Service
from cinefab.app.telling import SenderProcess
from cinefab.core.errors import CinefabError

_CLOSING_S: Final = 10
_IDLE_S: Final = 30
_BACKLOG: Final = 2048


class AddressRefused(CinefabError):
    """The service cannot listen where it was told to."""


class _Server(uvicorn.Server):
    """Lets the caller say when it ends; the usual one takes the process's signals for itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is a free one. Raises `AddressRefused`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(_BACKLOG)
    except OSError as error:
        raise AddressRefused(
            attempted=f"listen on {host} port {port}",
            found=str(error.strerror or error),
            remedy="Give another --port, 0 for any that is free, or a --host of this machine.",
        ) from error
    return found


def is_loopback(listening: socket.socket) -> bool:
    """Say whether only this machine can reach a socket."""
    return ip_address(listening.getsockname()[0]).is_loopback


def url_of(listening: socket.socket) -> str:
    """Return the address that a socket is reached at."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(service: Service, listening: socket.socket, *, started: Callable[[], None]) -> None:
    """Answer until SIGTERM or SIGINT, or this process is taken for dead; then let go of the work.

    Call it in the main thread.
    """
    config: Any = uvicorn.Config(
        build_app(service, loopback=is_loopback(listening)),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_CLOSING_S,
        http=PatientProtocol,
        ws="none",
    )
    make_room()
    server = _Server(config)

    def end(*_: object) -> None:
        server.should_exit = True
        # Whoever follows a job is told so by the end of the stream, and comes back to another. In
        # a thread: a signal may come while this one has the lock.
        threading.Thread(target=service.events.close).start()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    telling = SenderProcess(service.settings, service.studio.shop.recorder.db)
    try:
        service.start(end)
        telling.start()
        started()
        server.run(sockets=[listening])
    finally:
        telling.close()
        for number, handler in before.items():
            signal.signal(number, handler)
        listening.close()

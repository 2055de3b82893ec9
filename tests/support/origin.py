"""A real HTTP server that takes files by PUT, serves them, and can be told to falter."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Origin:
    """What the server holds, what it was asked, and how it answers next."""

    address: str = ""
    key: str | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    hooked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers to PUT and to the hook, in order; then all goes well."""

    def puts(self) -> list[str]:
        """Return the paths that were put, in order."""
        return [path for method, path in self.asked if method == "PUT"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, origin: Origin) -> None:
        self._origin = origin
        super().__init__(*args)

    def _answer(self, status: int, body: bytes = b"", *, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _is_let_in(self) -> bool:
        self._origin.asked.append((self.command, self.path))
        key = self._origin.key
        if key is None or self.headers["Authorization"] == key:
            return True
        self._answer(401)
        return False

    def do_HEAD(self) -> None:
        if self._is_let_in():
            content = self._origin.files.get(self.path)
            self._answer(404 if content is None else 200, length=len(content or b""))

    def do_GET(self) -> None:
        if self._is_let_in():
            content = self._origin.files.get(self.path)
            self._answer(404 if content is None else 200, content or b"")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._is_let_in():
            return
        if self.path.startswith("/closed"):
            self._answer(403)
            return
        if self._origin.answers:
            self._answer(self._origin.answers.pop(0))
            return
        self._origin.files[self.path] = body
        self._origin.headers[self.path] = (
            self.headers["Content-Type"],
            self.headers["Cache-Control"],
        )
        self._answer(201)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._origin.hooked.append((self.command, self.path, dict(self.headers), body))
        self._answer(self._origin.answers.pop(0) if self._origin.answers else 200)

    def do_PURGE(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@contextmanager
def an_origin(key: str | None = None) -> Iterator[Origin]:
    """Serve on a free loopback port until the block ends."""
    origin = Origin(key=key)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, origin=origin)) as server:
        server.daemon_threads = True
        origin.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield origin
        server.shutdown()
        thread.join()

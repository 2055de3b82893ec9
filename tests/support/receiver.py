"""A receiver of webhooks on loopback: keeps what came, and answers as it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Message:
    """What came: where, under which headers (names in small letters), and the body."""

    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Message], int]


@dataclass
class Receiver:
    """A receiver that runs; `answer` returns a status, and may wait first."""

    url: str
    answer: Answer
    came: list[Message] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def wait(self, count: int, within_s: float = 30) -> list[Message]:
        """Return what came once it is so many."""
        for _ in range(int(within_s / 0.02)):
            if len(self.came) >= count:
                return list(self.came)
            time.sleep(0.02)
        raise AssertionError(f"{len(self.came)} of {count} messages came")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a sender that hangs up is what some tests are about."""


@contextmanager
def receiving(answer: Answer = lambda _message: 204) -> Iterator[Receiver]:
    """Receive until the block is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            message = Message(
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(length),
            )
            receiver.came.append(message)
            status = receiver.answer(message)
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("location", f"{receiver.url}/elsewhere")
            if status == 429:
                self.send_header("retry-after", "1")
            self.end_headers()
            if status not in (204, 304):
                self.wfile.write(b"said: <b>\x00" + b"x" * 10_000)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}", answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.shutdown()
        server.server_close()
        thread.join()

"""What the engines of ours share: a server on a port of its own, faults, and slow answers."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass
class Fault:
    """Something that goes wrong on a path, `times` times.

    `kind`: `hang` (the connection is cut without an answer), `slow` (a byte at a time), `garbage`
    (no JSON, or half a file), `after` (done, and then answered with `status`), `other` (another
    job's answer), or `status` (answered with `status`, and not done).
    """

    method: str
    path: str
    kind: str
    times: int = 1
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)


class Served:
    """Something that answers on a port of its own; use it as a context manager."""

    handler: type[Handler]

    def __init__(self, *, key: str = "") -> None:
        self.key = key
        self.faults: list[Fault] = []
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        stub = self

        class OfThis(self.handler):  # type: ignore[name-defined, misc]
            served = stub

        self._server = _Server(("127.0.0.1", 0), OfThis)
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.cut()
        self._server.server_close()
        self._thread.join()

    def fault_on(self, method: str, path: str) -> Fault | None:
        """Return the fault that is due on a path, once less than before."""
        with self._lock:
            for fault in self.faults:
                if fault.method == method and path.startswith(fault.path) and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        """Cut what clients keep open: a thread waits on each."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Reads a request, lets what is to go wrong go wrong, and answers."""

    served: Any
    protocol_version = "HTTP/1.1"
    file_type = "application/octet-stream"
    other_id = "of_somebody_else"

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def path_asked(self) -> str:
        return urlsplit(self.path).path

    def is_let_in(self, path: str) -> bool:
        given = self.headers.get("authorization", "").partition(" ")[2]
        return not self.served.key or given == self.served.key

    def not_let_in(self) -> Any:
        return {"detail": "Unauthenticated"}

    def says(self, message: str) -> Any:
        return {"detail": message}

    def more_headers(self, method: str, path: str) -> dict[str, str]:
        return {}

    def answered(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        raise NotImplementedError

    def _serve(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path = self.path_asked()
        self.served.asked[f"{method} {path}"] += 1
        if not self.is_let_in(path):
            self._answer(401, self.not_let_in())
            return
        fault = self.served.fault_on(method, path)
        if fault is not None and fault.kind == "hang":
            self.close_connection = True
            return
        if fault is not None and fault.kind == "status":
            self._answer(fault.status, self.says("no"), headers=fault.headers)
            return
        status, answer = self.answered(method, path, body)
        headers = self.more_headers(method, path)
        if fault is None:
            self._answer(status, answer, headers=headers)
            return
        is_file = isinstance(answer, bytes)
        match fault.kind:
            case "after":
                self._answer(fault.status, self.says("too late"))
            case "other" if not is_file:
                self._answer(status, answer | {"id": self.other_id}, headers=headers)
            case "garbage":
                half = answer[: len(answer) // 2] if is_file else b"<html>not what you asked for"
                self._answer(status, half, headers=headers)
            case kind:
                self._answer(status, answer, headers=headers, slow=kind == "slow")

    def _answer(
        self,
        status: int,
        answer: Any,
        *,
        headers: dict[str, str] | None = None,
        slow: bool = False,
    ) -> None:
        is_file = isinstance(answer, bytes)
        content = answer if is_file else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", self.file_type if is_file else "application/json")
        self.send_header("content-length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        step = max(1, len(content) // 20) if slow else max(1, len(content))
        for first in range(0, len(content), step):
            self.wfile.write(content[first : first + step])
            if slow:
                self.wfile.flush()
                time.sleep(0.01)

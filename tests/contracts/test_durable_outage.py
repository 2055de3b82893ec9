"""The workflows' database goes away and comes back: a short while nobody notices, a long one is told.

PostgreSQL stands behind a wire that the test can cut; SQLite has no wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from cinefab.core.canonical import Json
from cinefab.core.errors import StorageUnavailable
from cinefab.core.ids import WorkerId
from cinefab.engine.durable import Durable, Status, step


class Wire:
    """A port that leads to another one, until it is cut, and again once it is mended."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._ends: list[socket.socket] = []
        self._listener: socket.socket | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.mend()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        assert self._listener is not None
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self._ends += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def wire(postgres_url: str) -> Iterator[Wire]:
    port = urlsplit(postgres_url).port
    assert port is not None
    wire = Wire(port)
    yield wire
    wire.cut()


@pytest.fixture
def durable(request: pytest.FixtureRequest, postgres_url: str, wire: Wire) -> Iterator[Durable]:
    database = urlsplit(postgres_url).path
    opened = Durable(
        system_url=f"postgresql://cinefab@127.0.0.1:{wire.port}{database}",
        worker=WorkerId("wrk_1"),
        application_version="1",
        patience_s=request.param,
    )

    async def film(argument: str) -> Json:
        try:
            return [await step(f"step-{i}", lambda i=i: asyncio.sleep(0.1, i)) for i in range(10)]
        except Exception:  # noqa: BLE001 - the point: an outage is none
            return "failed"

    opened.workflow("film", film)
    opened.launch()
    yield opened
    opened.close()


@pytest.mark.parametrize("durable", [5.0], indirect=True)
def test_a_short_outage_is_waited_out(durable: Durable, wire: Wire) -> None:
    durable.start("film", "job-1", "")
    time.sleep(0.3)
    wire.cut()
    time.sleep(0.5)
    wire.mend()

    assert durable.result("job-1", timeout_s=20) == list(range(10))


@pytest.mark.parametrize("durable", [0.3], indirect=True)
def test_a_long_outage_is_told_and_the_workflow_goes_on_afterwards(
    durable: Durable, wire: Wire
) -> None:
    durable.start("film", "job-1", "")
    time.sleep(0.3)
    wire.cut()
    with pytest.raises(StorageUnavailable, match="Finished stages are kept"):
        durable.result("job-1", timeout_s=10)
    with pytest.raises(StorageUnavailable):
        durable.status("job-1")
    wire.mend()

    for _ in range(200):
        with contextlib.suppress(StorageUnavailable):
            if durable.status("job-1") is Status.DONE:
                break
        time.sleep(0.05)

    assert durable.result("job-1", timeout_s=10) == list(range(10))

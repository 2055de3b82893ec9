"""Clients that are slow, vanish or say nothing hurt nobody else."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from served import Served, a_brief, served

from cinefab.api.connections import HEAD_S

HALF_OPEN = 1000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def film(service: Served) -> str:
    created = service.client.post("/v1/jobs", json=a_brief("A film"))
    made = service.wait(created.json()["id"])
    assert made["status"] == "delivered"
    return str(made["links"]["film"])


def connect(service: Served) -> socket.socket:
    host, _, port = service.url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def test_a_thousand_half_open_connections_are_borne_and_let_go(service: Served) -> None:
    with ExitStack() as stack:
        began = time.monotonic()
        mute = [stack.enter_context(connect(service)) for _ in range(HALF_OPEN)]
        for each in mute[::2]:
            each.sendall(b"GET /v1/jobs HTTP/1.1\r\nhost: loc")

        answered = [service.client.get("/v1/jobs").status_code for _ in range(20)]
        made = service.client.post("/v1/jobs", json=a_brief("Beside the mute")).status_code

        assert answered == [200] * 20
        assert made == 201
        mute[0].sendall(b"a")  # a byte now and then is no reason to wait on
        assert mute[0].recv(1) == b""
        assert mute[1].recv(1) == b""
        assert time.monotonic() - began >= HEAD_S / 2, "they were let go too soon"


def test_whoever_reads_slowly_or_vanishes_holds_up_nobody(service: Served, film: str) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            slow = stack.enter_context(connect(service))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sendall(f"GET {film} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        for _ in range(50):
            with connect(service) as gone:
                body = b"POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999\r\n"
                gone.sendall(body + b"content-type: application/json\r\n\r\n{")
        before = service.client.get("/v1/jobs").json()

        whole = service.client.get(film)

        assert whole.status_code == 200
        assert len(whole.content) == int(whole.headers["content-length"])
        after = service.client.get("/v1/jobs").json()
        assert [each["id"] for each in after["data"]] == [each["id"] for each in before["data"]]


def test_a_service_started_with_room_for_few_files_makes_itself_more(
    service: Served, tmp_path: Path
) -> None:
    limits = Path(f"/proc/{service.process.pid}/limits").read_text()
    soft, hard = next(
        line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files")
    )

    assert int(soft) == min(int(hard), 65_536)

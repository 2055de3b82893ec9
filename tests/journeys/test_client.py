"""The Python client against the real service, over connections that break, too."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Served, a_brief, served

from cinefab.client import ApiError, AsyncClient, Client, StudioUnreachable

PHOTO = Path(__file__).parents[2] / "examples" / "coffee.png"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home")) as running:
        yield running


class Cutter:
    """Stands before a service and cuts each of the first connections after so many bytes of answer."""

    def __init__(self, url: str, cuts: list[int]) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._to = (host, int(port))
        self._cuts = cuts
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.connections = 0
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                room = self._cuts[self.connections] if self.connections < len(self._cuts) else None
                self.connections += 1
                threading.Thread(target=self._pass, args=(client, room), daemon=True).start()

    def _pass(self, client: socket.socket, room: int | None) -> None:
        with client, socket.create_connection(self._to) as server:
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            left = room
            with contextlib.suppress(OSError):
                while left is None or left > 0:
                    data = server.recv(65536 if left is None else min(65536, left))
                    if not data:
                        return
                    client.sendall(data)
                    left = None if left is None else left - len(data)
            for end in (client, server):  # else nobody is told while the other thread still reads
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


@pytest.fixture
def cut(service: Served, request: pytest.FixtureRequest) -> Iterator[Cutter]:
    cutter = Cutter(service.url, list(request.param))
    yield cutter
    cutter.close()


def test_a_film_is_ordered_followed_and_downloaded(service: Served, tmp_path: Path) -> None:
    brief = tmp_path / "brief.yaml"
    brief.write_text(
        "title: From a file\n"
        "shots: [{seconds: 1, caption: Hello, references: [cup]}]\n"
        "references: {cup: {file: coffee.png, role: product}}\n"
        "output: {size: 320x180, fps: 12}\nquality: preview\n"
    )
    with Client(service.url) as studio:
        ordered = studio.create(brief, files=[PHOTO], idempotency_key="once")
        same = studio.create(brief, files=[PHOTO], idempotency_key="once")
        made = studio.wait(ordered.id, bar=True)
        told = list(studio.events(ordered.id))
        rest = list(studio.events(ordered.id, after=told[-2].id))
        film = studio.download(made, tmp_path / "film.mp4")
        remixed = studio.remix(made.id, {"shots[0].caption": "Bye"})
        stopped = studio.cancel(remixed.id)
        page = studio.list(limit=1)
        report = studio.report(made.id)

    assert same.id == ordered.id
    assert made.status == "delivered"
    assert [event.type for event in told][-1] == "job.delivered"
    assert [event.id for event in rest] == [told[-1].id]
    assert hashlib.sha256(film.read_bytes()).hexdigest() in str(report)
    assert not list(tmp_path.glob("*.part"))
    assert stopped.status in {"cancelled", "running", "waiting"}
    assert page.jobs[0].id == remixed.id
    assert page.next is not None


def test_what_the_studio_refuses_is_its_own_report(service: Served) -> None:
    with Client(service.url) as studio:
        with pytest.raises(ApiError) as refused:
            studio.create(a_brief(shots=[{"seconds": -1}]))
        with pytest.raises(ApiError) as absent:
            studio.show("../jobs")
        with pytest.raises(ApiError) as reused:
            studio.create("title: A\nshots: [{seconds: 1}]\n", idempotency_key="k")
            studio.create("title: B\nshots: [{seconds: 1}]\n", idempotency_key="k")

    assert (refused.value.status, refused.value.type) == (422, "/errors/brief-invalid")
    assert refused.value.field == "shots[0].seconds"
    assert refused.value.remedy
    assert absent.value.status == 404
    assert reused.value.type == "/errors/idempotency-key-reused"


@pytest.mark.parametrize("cut", [[20, 900, 400]], indirect=True)
def test_a_connection_that_breaks_makes_no_second_film_and_loses_no_event(
    service: Served, cut: Cutter
) -> None:
    before = service.client.get("/v1/jobs", params={"limit": 100}).json()["data"]
    with Client(cut.url) as studio:
        ordered = studio.create(a_brief("Over a bad line"))
        told = [event for event in studio.events(ordered.id) if event.id is not None]

    after = service.client.get("/v1/jobs", params={"limit": 100}).json()["data"]
    assert len(after) == len(before) + 1
    ids = [int(event.id or 0) for event in told]
    assert ids == sorted(set(ids))
    assert told[0].type == "job.created"
    assert told[-1].type == "job.delivered"
    with Client(service.url) as studio:
        assert [each for each in studio.events(ordered.id) if each.id is not None] == told
    assert cut.connections >= 3


def test_several_films_are_followed_at_once(service: Served, tmp_path: Path) -> None:
    async def run() -> list[bytes]:
        async with AsyncClient(service.url) as studio:
            ordered = [await studio.create(a_brief(f"Film {n}")) for n in range(2)]
            made = await asyncio.gather(*(studio.wait(each.id) for each in ordered))
            with pytest.raises(ApiError):
                await studio.show("job_none")
            paths = [await studio.download(each, tmp_path / f"{each.id}.mp4") for each in made]
        return [path.read_bytes() for path in paths]

    films = asyncio.run(run())

    assert len({hashlib.sha256(film).digest() for film in films}) == 2
    assert all(b"ftyp" in film[:12] for film in films)


def test_a_studio_that_is_not_there_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cinefab.client.calls.ATTEMPTS_MAX", 2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with Client(f"http://127.0.0.1:{port}") as studio, pytest.raises(StudioUnreachable):
        studio.show("job_1")

"""Files that attack whoever opens them end in one clear error, and nothing else happens.

Each goes through the real door and the real ingest stage of a studio, on a job of its own. After
it: no asset, no reference, no charge; our processes live, and neither the file nor the server
that it points to was touched.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from hostile_files import HOSTILE, aim
from studio_runs import Studio as CommandLine

from cinefab.app.settings import load_settings
from cinefab.app.studio import Studio
from cinefab.core.brief import Brief, Reference, Shot
from cinefab.core.errors import ReferenceRefused
from cinefab.economics.tables import lease, reservation
from cinefab.ingest.tables import reference as reference_table
from cinefab.jobs.door import open_job
from cinefab.jobs.film import load_order
from cinefab.jobs.ingesting import ingest
from cinefab.provenance.tables import asset

_IN_OPEN = 0x20


@dataclass
class Canary:
    """A file and a server that nobody may touch."""

    file: Path
    server: tuple[str, int]
    watch: int
    touched: list[str] = field(default_factory=list)

    def opened(self) -> bool:
        try:
            return bool(os.read(self.watch, 4096))
        except BlockingIOError:
            return False


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    file = tmp_path_factory.mktemp("canary") / "secret.txt"
    file.write_text("swordfish")
    file.chmod(0o644)
    libc = ctypes.CDLL(None)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, str(file).encode(), _IN_OPEN) >= 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        canary = Canary(file=file, server=server.getsockname(), watch=watch)
        aim(str(file), host)

        def listen() -> None:
            while True:
                try:
                    connection, peer = server.accept()
                except OSError:
                    return
                canary.touched.append(str(peer))
                connection.close()

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        yield canary
    os.close(watch)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    home = tmp_path_factory.mktemp("studio")
    os.environ["CINEFAB_HOME"] = str(home)
    try:
        settings = load_settings({"workers": 1, "out": home / "out"})
    finally:
        del os.environ["CINEFAB_HOME"]
    with Studio(settings, tell=lambda _news: None) as studio:
        yield studio


def refusal(studio: Studio, data: bytes, name: str, folder: Path) -> ReferenceRefused:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    brief = Brief(
        title=f"Shows {name}",
        shots=(Shot(length_ms=1000, references=("it",)),),
        references=(Reference(name="it", location=name),),
    )

    async def take_in() -> None:
        opened = open_job(
            studio.shop, brief, base=folder, out=folder / "out", requested_us=1_800_000_000_000_000
        )
        order = load_order(studio.shop, opened.job)
        await ingest(studio.shop, order, order.brief.references[0])

    with pytest.raises(ReferenceRefused) as caught:
        asyncio.run(take_in())
    return caught.value


def what_is_left(studio: Studio) -> dict[str, int]:
    count = sa.select(sa.func.count())
    with studio.shop.recorder.db.read() as connection:
        charged = connection.execute(sa.select(sa.func.sum(reservation.c.posted))).scalar_one()
        return {
            "assets": connection.execute(count.select_from(asset)).scalar_one(),
            "references": connection.execute(count.select_from(reference_table)).scalar_one(),
            "open leases": connection.execute(
                count.select_from(lease).where(lease.c.closed_us.is_(None))
            ).scalar_one(),
            "charged": charged or 0,
        }


def test_the_canary_notices_whoever_opens_it(canary: Canary) -> None:
    canary.file.read_bytes()
    socket.create_connection(canary.server, timeout=5).close()

    assert canary.opened()
    for _ in range(250):
        if canary.touched:
            break
        time.sleep(0.02)
    assert canary.touched.pop()


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_ends_in_one_clear_error(
    studio: Studio, canary: Canary, tmp_path: Path, what: str
) -> None:
    build, name, words = HOSTILE[what]
    data = build()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    error = refusal(studio, data, name, tmp_path / "in")

    assert error.field == "references.it"
    assert words in error.found
    assert name in error.attempted
    assert error.remedy
    assert str(error).isprintable()
    assert "swordfish" not in str(error)
    assert set(what_is_left(studio).values()) == {0}
    assert not list(studio.shop.scratch.rglob("*.*"))
    assert not canary.opened()
    assert canary.touched == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 64 << 10


@pytest.mark.parametrize("what", ["half-an-mp4", "hls-called-mp4", "svg-xxe"])
def test_the_command_line_says_it_in_one_error_and_leaves_nothing(
    tmp_path: Path, canary: Canary, what: str
) -> None:
    build, name, words = HOSTILE[what]
    command = CommandLine(tmp_path, f"sqlite:///{tmp_path}/a.db")
    text = f"title: T\nshots: [{{seconds: 1, references: [it]}}]\nreferences: {{it: {{file: {name}}}}}\n"
    (tmp_path / name).write_bytes(build())

    done = command.run("make", command.brief(text), "--json", "--out", tmp_path / "out")

    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    failure = json.loads(done.stdout)["failure"]
    assert failure["field"] == "references.it"
    assert words in failure["found"]
    assert not list(tmp_path.glob("out/*/film.mp4"))
    assert not canary.opened()
    assert canary.touched == []

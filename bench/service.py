#!/usr/bin/env python3
"""What the service bears: creates, status reads, listeners, content, and what it takes while idle.

    .venv/bin/python bench/service.py [creates|status|listeners|content|idle ...]

Everything is asked over loopback by this process, whose own share of the two cores' time is told
beside each figure. Peers run in the same round: a bare FastAPI route under the same server, and
nginx with `sendfile off`, where it is installed. PostgreSQL is the machine's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

CREATES, CONNECTIONS, READS, LISTENERS, FOLLOWED = 600, 8, 4000, 1000, 20
IDLE_S, RANGE_BYTES, DOWNLOADS, RANGES = 30, 1 << 20, 12, 200
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def brief(title: str) -> bytes:
    shot = {"seconds": 1, "caption": title}
    return json.dumps({"title": title, "shots": [shot], "quality": "preview"}).encode()


class Served:
    """`cinefab up` in a home of its own; the bytes that its processes take, and their time."""

    def __init__(self, home: Path, **environment: str) -> None:
        around = {**os.environ, "CINEFAB_HOME": str(home), "CINEFAB_WORKERS": "1", **environment}
        command = [sys.executable, "-m", "cinefab", "up", "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=around)
        assert self.process.stdout is not None
        found = None
        while found is None:
            line = self.process.stdout.readline()
            assert line, "it did not start"
            found = re.search(r"ready at (http://127\.0\.0\.1:(\d+))", line)
        self.url, self.port = found[1], int(found[2])

    def pids(self) -> list[int]:
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def cpu_s(self) -> float:
        ticks = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Proportional set size of all its processes: shared pages count once."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1])  # type: ignore[index]
        return total / 1024

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextlib.contextmanager
def served(home: Path, **environment: str) -> Iterator[Served]:
    running = Served(home, **environment)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end()


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str | None]:
    if not POSTGRES:
        yield None
        return
    folder.mkdir()
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        folder.parent.chmod(0o755)
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
    data = str(folder / "data")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    initdb = [*as_user, str(POSTGRES[-1]), "-D", data, "-A", "trust", "-U", "cinefab"]
    subprocess.run(initdb, check=True, **quiet)  # type: ignore[call-overload]
    port = free_port()
    server = subprocess.Popen(
        [
            *as_user,
            str(POSTGRES[-1].with_name("postgres")),
            "-D",
            data,
            "-p",
            str(port),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"unix_socket_directories={folder}",
        ],
        **quiet,  # type: ignore[call-overload]
    )
    try:
        wait_for_port(port)
        time.sleep(1)
        yield f"postgresql://cinefab@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise AssertionError(f"nobody listens on {port}")


class Line:
    """A connection that is kept: the smallest HTTP client that reads our answers right."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> Line:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: str = "", *, keep: bool = True
    ) -> tuple[int, bytes]:
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n{headers}"
        if body or method == "POST":
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.writer.write(head.encode() + b"\r\n" + body)
        answered = await self.reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", answered)[1])  # type: ignore[index]
        if keep:
            return int(answered[9:12]), await self.reader.readexactly(length)
        left = length
        while left:
            left -= len(await self.reader.read(min(left, 1 << 18)))
        return int(answered[9:12]), b""


async def over(port: int, times: int, ask: Callable[[Line, int], Awaitable[None]]) -> float:
    """Ask so often over a few connections at once; return how often in a second."""
    numbers = iter(range(times))

    async def one() -> None:
        async with Line(port) as line:
            for number in numbers:
                await ask(line, number)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return times / (time.perf_counter() - began)


def own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def share() -> Iterator[Callable[[], str]]:
    cpu, wall = own_cpu_s(), time.perf_counter()
    yield lambda: f"{(own_cpu_s() - cpu) / (time.perf_counter() - wall):.0%} of a core asked"


def creates(folder: Path) -> None:
    with postgres(folder / "postgres") as url:
        for name, db in (("SQLite", ""), ("PostgreSQL", url)):
            if db is None:
                print(f"creates, {name}: not installed")
                continue
            home = folder / f"creates-{name}"
            around = {"CINEFAB_DB": db, "CINEFAB_JOBS_AT_ONCE": "0"}
            running = Served(home, **around)

            async def create(line: Line, number: int) -> None:
                status, said = await line.ask("POST", "/v1/jobs", brief(f"Film {number}"))
                assert status == 201, said

            with share() as asked:
                rate = asyncio.run(over(running.port, CREATES, create))
                told = asked()
            running.end(signal.SIGKILL)
            with served(home, **around) as again:
                there = count_jobs(again.url)
            verdict = "kept" if rate >= 150 else "MISSED"
            print(f"creates, {name}: {rate:.0f}/s ({told}; goal 150: {verdict});", end=" ")
            print(f"after kill -9: {there} of {CREATES} there")


def count_jobs(url: str) -> int:
    with httpx.Client(base_url=url) as client:
        count, after = 0, None
        while True:
            params: dict[str, Any] = {"limit": 100} | ({} if after is None else {"after": after})
            page = client.get("/v1/jobs", params=params).json()
            count, after = count + len(page["data"]), page["next"]
            if after is None:
                return count


BARE = """
import sys, json, uvicorn
from fastapi import FastAPI
app = FastAPI()
answer = json.loads(sys.argv[2])
@app.get("/v1/jobs/{job}")
def show(job: str) -> dict:
    return answer
uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", access_log=False, http="h11")
"""


def status(folder: Path) -> None:
    with served(folder / "status", CINEFAB_JOBS_AT_ONCE="0") as running:
        job = httpx.post(f"{running.url}/v1/jobs", content=brief("A"), headers=JSON).json()
        bare_port = free_port()
        bare = subprocess.Popen([sys.executable, "-c", BARE, str(bare_port), json.dumps(job)])
        try:
            wait_for_port(bare_port)

            async def read(line: Line, _number: int) -> None:
                code, said = await line.ask("GET", f"/v1/jobs/{job['id']}")
                assert code == 200, said

            ours, theirs = [], []
            with share() as asked:
                for _ in range(3):
                    ours.append(asyncio.run(over(running.port, READS // 2, read)))
                    theirs.append(asyncio.run(over(bare_port, READS, read)))
                told = asked()
        finally:
            bare.terminate()
            bare.wait()
    ratio = statistics.median(ours) / statistics.median(theirs)
    verdict = "kept" if ratio >= 1 / 3 else "MISSED"
    print(
        f"status reads: {statistics.median(ours):.0f}/s, bare FastAPI route "
        f"{statistics.median(theirs):.0f}/s: {ratio:.2f} (goal 0.33: {verdict}; {told})"
    )


JSON = {"content-type": "application/json"}


def listeners(folder: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with served(folder / "listeners", CINEFAB_JOBS_AT_ONCE="0") as running:
        with httpx.Client(base_url=running.url, headers=JSON) as client:
            jobs = [
                client.post("/v1/jobs", content=brief(f"Film {n}")).json()["id"]
                for n in range(FOLLOWED)
            ]
        late, told = asyncio.run(_listen(running, jobs))
    p99 = statistics.quantiles(late, n=100)[98]
    verdict = "kept" if p99 <= 0.25 and len(late) == LISTENERS else "MISSED"
    print(
        f"{LISTENERS} listeners: {len(late)} got their event, median {statistics.median(late):.3f} s, "
        f"p99 {p99:.3f} s after the answer that made it (goal 0.25: {verdict}; {told})"
    )


async def _listen(running: Served, jobs: list[str]) -> tuple[list[float], str]:
    got: dict[str, list[float]] = {job: [] for job in jobs}

    async def listen(job: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        ask = f"GET /v1/jobs/{job}/events HTTP/1.1\r\nhost: 127.0.0.1:{running.port}\r\n\r\n"
        writer.write(ask.encode())
        ready.append(await reader.readuntil(b"event: job.created"))
        await reader.readuntil(b"event: job.cancelled")
        got[job].append(time.perf_counter())
        writer.close()

    ready: list[bytes] = []
    tasks = []
    for number in range(LISTENERS):
        tasks.append(asyncio.create_task(listen(jobs[number % FOLLOWED])))
        if number % 20 == 0:
            await asyncio.sleep(0.05)
    while len(ready) < LISTENERS:  # noqa: ASYNC110 - it only counts
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)
    late: list[float] = []
    with share() as asked:
        async with Line(running.port) as line:
            for job in jobs:
                status_code, said = await line.ask("POST", f"/v1/jobs/{job}/cancel")
                answered = time.perf_counter()
                assert status_code == 200, said
                await asyncio.sleep(0.7)
                late += [max(0.0, at - answered) for at in got[job]]
        told = asked()
    await asyncio.wait(tasks, timeout=10)
    return late, told


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log crit; worker_processes 1;
events {{}}
http {{
  access_log off; sendfile off; default_type audio/wav;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""


def content(folder: Path) -> None:
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    sound = folder / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(os.urandom(48000 * 4) * 300)  # five minutes, 58 MB
    with served(folder / "content") as running:
        asset = upload(running.url, sound)
        paths = {"ours": (running.port, f"/v1/assets/{asset}/content")}
        if nginx is None:
            print("content: nginx is not installed, so there is nothing to hold it against")
            return
        port = free_port()
        place = folder / "nginx"
        (place / "files").mkdir(parents=True)
        got = httpx.get(f"{running.url}/v1/assets/{asset}/content").content
        (place / "files" / "sound.wav").write_bytes(got)
        for path in (folder, place, place / "files"):
            path.chmod(0o755)
        (place / "nginx.conf").write_text(NGINX.format(folder=place, port=port))
        server = subprocess.Popen([nginx, "-c", str(place / "nginx.conf"), "-e", "stderr"])
        try:
            wait_for_port(port)
            paths["nginx"] = (port, "/sound.wav")
            with share() as asked:
                whole = {name: [] for name in paths}  # type: dict[str, list[float]]
                parts = {name: [] for name in paths}  # type: dict[str, list[float]]
                for _ in range(3):
                    for name, (at, path) in paths.items():
                        rate = asyncio.run(over(at, DOWNLOADS, _get(path, "")))
                        whole[name].append(rate * len(got) / 1e6)
                        rate = asyncio.run(over(at, RANGES, _get(path, "range", len(got))))
                        parts[name].append(rate * RANGE_BYTES / 1e6)
                told = asked()
        finally:
            server.terminate()
            server.wait()
    for kind, found in (("whole", whole), ("1 MiB ranges", parts)):
        ours, theirs = statistics.median(found["ours"]), statistics.median(found["nginx"])
        verdict = "kept" if ours / theirs >= 0.6 else "MISSED"
        print(
            f"content, {kind}: {ours:.0f} MB/s, nginx with sendfile off {theirs:.0f} MB/s: "
            f"{ours / theirs:.2f} (goal 0.6: {verdict}; {told})"
        )


def _get(path: str, kind: str, size: int = 0) -> Callable[[Line, int], Awaitable[None]]:
    async def get(line: Line, number: int) -> None:
        headers = ""
        if kind == "range":
            start = number * 7919 * 4096 % (size - RANGE_BYTES)
            headers = f"range: bytes={start}-{start + RANGE_BYTES - 1}\r\n"
        code, _ = await line.ask("GET", path, headers=headers, keep=False)
        assert code == (206 if headers else 200), code

    return get


def upload(url: str, path: Path) -> str:
    with httpx.Client(base_url=url, headers={"tus-resumable": "1.0.0"}, timeout=120) as client:
        size = str(path.stat().st_size)
        made = client.post("/v1/uploads", headers={"upload-length": size})
        where = made.headers["location"]
        offset = {"upload-offset": "0", "content-type": "application/offset+octet-stream"}
        client.patch(where, headers=offset, content=path.read_bytes())
        for _ in range(600):
            found = client.get(where).json()
            if found.get("asset"):
                return str(found["asset"])
            time.sleep(0.2)
    raise AssertionError(found)


def idle(folder: Path) -> None:
    with served(folder / "idle") as running:
        time.sleep(10)
        before = running.cpu_s()
        time.sleep(IDLE_S)
        cpu = (running.cpu_s() - before) / IDLE_S
        memory = running.memory_mb()
    verdicts = ("kept" if memory <= 250 else "MISSED", "kept" if cpu <= 0.01 else "MISSED")
    print(f"idle: {memory:.0f} MB (goal 250: {verdicts[0]}), ", end="")
    print(f"{cpu:.2%} of a core (goal 1 %: {verdicts[1]})")


WORK = {
    "creates": creates,
    "status": status,
    "listeners": listeners,
    "content": content,
    "idle": idle,
}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cinefab-bench-") as made:
        Path(made).chmod(0o755)
        for wanted in sys.argv[1:] or WORK:
            WORK[wanted](Path(made))

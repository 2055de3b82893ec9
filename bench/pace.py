"""What counting requests costs a status read, and what refusing one costs: CPU beside a bare route.

In one process without a network, so that nothing but the application is measured.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from cinefab.api.app import build_app
from cinefab.app.service import Service
from cinefab.app.settings import Settings

TIMES = 1500
BRIEF = {"title": "Asked for", "shots": [{"seconds": 1, "caption": "A"}], "quality": "preview"}


async def ask(
    app: Any, path: str, key: str, method: str = "GET", body: bytes = b""
) -> tuple[int, bytes]:
    """Ask an application as a server would; return the status and what it answered."""
    said: list[dict[str, Any]] = []
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    if key:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http"}
    scope |= {"method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": headers, "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9)}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    return int(said[0]["status"]), b"".join(each.get("body", b"") for each in said[1:])


def cpu_us(app: Any, path: str, key: str, expect: int) -> float:
    """Return the CPU that one of many requests takes, all threads of this process together."""

    async def many() -> float:
        for _ in range(50):
            await ask(app, path, key)
        begin = time.process_time()
        for _ in range(TIMES):
            status, _ = await ask(app, path, key)
            assert status == expect, status
        return (time.process_time() - begin) / TIMES * 1e6

    return asyncio.run(many())


def measured(folder: Path, per_minute: int, expect: int) -> tuple[float, bytes]:
    """Return what a status read takes under a limit, and what it answers."""
    limits = {
        "quota_requests_per_minute": per_minute,
        "quota_requests_per_minute_each": per_minute,
    }
    service = Service(Settings(home=folder, out=folder / "out", workers=1, **limits))
    try:
        key = service.callers.create_owner_key()
        app = build_app(service, loopback=False)
        made = asyncio.run(ask(app, "/v1/jobs", key, "POST", json.dumps(BRIEF).encode()))
        assert made[0] in (200, 201), made
        path = json.loads(made[1])["links"]["self"]
        document = asyncio.run(ask(app, path, key))[1]
        return cpu_us(app, path, key, expect), document
    finally:
        service.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        unlimited, document = measured(Path(folder) / "unlimited", 0, 200)
        limited, _ = measured(Path(folder) / "limited", 1_000_000, 200)
        refused, _ = measured(Path(folder) / "refused", 2, 429)
    bare = FastAPI()
    answer = json.loads(document)

    @bare.get("/{job:path}")
    def show(job: str) -> dict[str, Any]:
        return {**answer, "asked": job}

    route = cpu_us(bare, "/v1/jobs/x", "", 200)
    print(f"a bare route                {route:8.1f} us")
    print(f"a status read, no limit     {unlimited:8.1f} us  {unlimited / route:5.2f} bare routes")
    print(f"the same, counted           {limited:8.1f} us  {limited / route:5.2f} bare routes")
    print(f"a request refused           {refused:8.1f} us  {refused / route:5.2f} bare routes")


if __name__ == "__main__":
    main()

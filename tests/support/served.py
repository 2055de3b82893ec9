"""The real service: `cinefab up` in a home of its own, on a free port of loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ENDED = {"delivered", "refused", "failed", "cancelled", "parked"}


def a_brief(title: str = "Hello", **fields: Any) -> dict[str, Any]:
    """Return a small brief, a second long."""
    return {
        "title": title,
        "shots": [{"seconds": 1, "caption": title}],
        "output": {"size": "320x180", "fps": 12},
        "quality": "preview",
        **fields,
    }


@dataclass
class Served:
    """A service that runs, and a client of it."""

    process: subprocess.Popen[str]
    url: str
    client: httpx.Client
    said: list[str] = field(default_factory=list)

    def wait(self, job: str, until: set[str] = ENDED, within_s: float = 120) -> dict[str, Any]:
        """Return a job once it has one of these states."""
        for _ in range(int(within_s / 0.1)):
            shown: dict[str, Any] = self.client.get(f"/v1/jobs/{job}").json()
            if shown["status"] in until:
                return shown
            time.sleep(0.1)
        raise AssertionError(f"{job} is {shown['status']}")

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait()


@contextmanager
def served(home: Path, *options: str, **environment: str) -> Iterator[Served]:
    """Run `cinefab up` until the block is left; it must end well, unless it was killed."""
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cinefab", "--log", "info", "up", "--port", "0"]
    command += ["--out", str(home / "out"), *options]
    log = home / f"log-{time.monotonic_ns()}"
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "CINEFAB_HOME": str(home), "CINEFAB_WORKERS": "1", **environment},
        )
    assert process.stdout is not None
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if "ready at" in line:
                break
        found = re.search(r"ready at (\S+)", "".join(said))
        assert found is not None, log.read_text()[-3000:]
        with httpx.Client(base_url=found[1], timeout=60) as client:
            yield Served(process, found[1], client, said)
    finally:
        was_killed = process.poll() is not None
        if not was_killed:
            process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        process.stdout.close()
    assert was_killed or code == 0, log.read_text()[-3000:]
    for line in log.read_text().splitlines():
        assert json.loads(line)["event"] != "request_failed", line

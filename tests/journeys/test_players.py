"""A stream plays in a real browser, through the players that people use, to its end."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from streams import a_packaged_film

PLAYERS = Path(__file__).parents[1] / "players"
_HOW_TO = "Chromium, hls.js or dash.js is missing: run tools/need-chromium, then run again"
SECONDS = 7


@pytest.fixture(scope="module")
def chromium() -> str:
    """Give the browser's command, with the players installed beside the page."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    installed = all((PLAYERS / "node_modules" / name).is_dir() for name in ("hls.js", "dashjs"))
    if found is None or not installed:
        if os.environ.get("CINEFAB_TEST_PLAYERS") == "required":
            pytest.fail(_HOW_TO)
        pytest.skip(_HOW_TO)
    return found


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a packaged film with two rungs, sound and captions."""
    folder = tmp_path_factory.mktemp("release")
    return a_packaged_film(folder, seconds=SECONDS, fps=Fraction(24))


class Served(SimpleHTTPRequestHandler):
    """The page, the players and the release, and a place to send the result to."""

    extensions_map = {  # noqa: RUF012 - the base class's own attribute
        **SimpleHTTPRequestHandler.extensions_map,
        ".m3u8": "application/vnd.apple.mpegurl",
        ".mpd": "application/dash+xml",
        ".m4s": "video/mp4",
        ".vtt": "text/vtt",
    }

    def __init__(self, *args: Any, release: Path, results: queue.Queue[Any], **kwargs: Any) -> None:
        self._release = release
        self._results = results
        super().__init__(*args, **kwargs)

    def translate_path(self, path: str) -> str:
        clean = path.partition("?")[0]
        if clean == "/":
            return str(PLAYERS / "page.html")
        root, _, rest = clean.removeprefix("/").partition("/")
        roots = {"players": PLAYERS / "node_modules", "release": self._release}
        return str(roots.get(root, self._release / "none") / rest)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self._results.put(json.loads(self.rfile.read(length)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def served(release: Path) -> Iterator[tuple[str, queue.Queue[Any]]]:
    """Serve the release on loopback; give the address, and where results arrive."""
    results: queue.Queue[Any] = queue.Queue()
    handler = partial(Served, release=release, results=results)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", results
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("player", "entry"), [("hls", "master.m3u8"), ("dash", "manifest.mpd")])
def test_a_stream_plays_to_its_end_at_every_rung(
    chromium: str,
    served: tuple[str, queue.Queue[Any]],
    tmp_path: Path,
    player: str,
    entry: str,
) -> None:
    address, results = served
    asked = {
        "player": player,
        "source": f"/release/{entry}",
        "thumbnails": "/release/thumbnails.vtt",
    }
    command = [
        chromium,
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio", "--no-first-run"),
        *("--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"),
        *("--disable-background-networking", "--disable-component-update"),
        f"--user-data-dir={tmp_path / 'profile'}",
        f"{address}/?{urlencode(asked)}",
    ]

    with (tmp_path / "log").open("w") as log:
        browser = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            result = results.get(timeout=100)
        finally:
            browser.terminate()
            browser.wait(20)

    assert result["errors"] == []
    assert result["duration"] == pytest.approx(SECONDS, abs=0.1)
    assert result["ended_at"] == pytest.approx(SECONDS, abs=0.1)
    assert len(set(result["progress"])) >= 3, "time went on"
    assert result["frames"] >= 24 * SECONDS * 0.5, "frames were decoded, and few were left out"
    assert sorted(result["rungs"]) == [[256, 144], [320, 180]]
    assert result["sound"] == 1
    assert result["captions"] == 1
    assert result["audio_bytes"] > 0
    assert [each["inside"] for each in result["thumbnails"]] == [True] * 4
    assert result["thumbnails"][-1]["ends"] == SECONDS

"""An upload outlives whoever took it: what came is kept, and what was received is taken in later."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from served import Served, served

PHOTO = Path(__file__).parents[2] / "examples" / "coffee.png"
PIECE = {"content-type": "application/offset+octet-stream"}


def settled(running: Served, url: str) -> dict[str, object]:
    for _ in range(600):
        shown: dict[str, object] = running.client.get(url).json()
        if shown["state"] not in ("open", "received"):
            return shown
        time.sleep(0.1)
    raise AssertionError(shown)


@pytest.mark.long
def test_an_upload_goes_on_after_its_service_was_killed_and_is_taken_in_by_another(
    tmp_path: Path,
) -> None:
    content, home = PHOTO.read_bytes(), tmp_path / "home"
    length = {"upload-length": str(len(content))}
    with served(home) as first:
        url = first.client.post("/v1/uploads", headers=length).headers["location"]
        first.client.patch(url, content=content[:70_000], headers={**PIECE, "upload-offset": "0"})
        first.kill()
    with served(home) as second:
        assert second.client.head(url).headers["upload-offset"] == "70000"
        rest = {**PIECE, "upload-offset": "70000"}
        sent = second.client.patch(url, content=content[70_000:], headers=rest)
        assert sent.status_code == 204
        second.kill()
    with served(home) as third:
        upload = settled(third, url)
        assert upload["state"] == "ready", upload
        asset = third.client.get(f"/v1/assets/{upload['asset']}").json()
        assert asset.get("sha256") == hashlib.sha256(content).hexdigest(), (upload, asset)
        assert third.client.get("/v1/ledger/check").json()["balances"]
        left = [path for path in (home / "blobs").glob("quarantine/*/*") if path.is_file()]
        assert left == []


@pytest.mark.long
def test_an_upload_that_a_door_leaves_to_workers_is_taken_in_by_one(tmp_path: Path) -> None:
    content, home = PHOTO.read_bytes(), tmp_path / "home"
    length = {"upload-length": str(len(content)), **PIECE}
    with served(home, CINEFAB_JOBS_AT_ONCE="0") as door:
        sent = door.client.post("/v1/uploads", content=content, headers=length)
        url = sent.headers["location"]
        assert door.client.get(url).json()["state"] == "received"
        with served(home):
            assert settled(door, url)["state"] == "ready"

"""Uploads of the real service by real clients of tus, broken off and gone on with, to a film."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from served import Served, a_brief, served
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

PHOTO = Path(__file__).parents[2] / "examples" / "coffee.png"
PLAYERS = Path(__file__).parents[1] / "players"
TUS = {"tus-resumable": "1.0.0"}
PIECE = {**TUS, "content-type": "application/offset+octet-stream"}

_JS_CLIENT = """
const tus = require("tus-js-client"), fs = require("fs")
const [path, endpoint, breakAt] = process.argv.slice(2)
const options = {
  endpoint, chunkSize: 100000, retryDelays: [0, 100, 500], uploadSize: fs.statSync(path).size,
  metadata: {filename: "../../a cup.png", filetype: "image/png"},
  onError: (error) => { console.error(String(error)); process.exit(1) },
}
let broken = false
const first = new tus.Upload(fs.createReadStream(path), {
  ...options,
  onChunkComplete: async (_size, offset) => {
    if (broken || offset < Number(breakAt)) return
    broken = true
    await first.abort()
    const second = new tus.Upload(fs.createReadStream(path), {
      ...options, uploadUrl: first.url,
      onSuccess: () => console.log(JSON.stringify({url: second.url, brokenAt: offset})),
    })
    second.start()
  },
})
first.start()
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    with served(home, CINEFAB_QUOTA_UPLOAD_BYTES=str(8 << 20)) as running:
        yield running


def is_problem(response: httpx.Response, status: int, name: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["type"] == f"/errors/{name}"
    assert response.headers["tus-resumable"] == "1.0.0"


def begun(service: Served, length: int, **headers: str) -> str:
    answer = service.client.post(
        "/v1/uploads", headers={**TUS, "upload-length": str(length), **headers}
    )
    assert answer.status_code == 201, answer.text
    location: str = answer.headers["location"]
    return location


def settled(service: Served, url: str) -> dict[str, Any]:
    for _ in range(600):
        shown: dict[str, Any] = service.client.get(url).json()
        if shown["state"] not in ("open", "received"):
            return shown
        time.sleep(0.05)
    raise AssertionError(shown)


def test_tuspy_goes_on_where_it_was_broken_off_and_a_film_shows_what_it_sent(
    service: Served,
) -> None:
    content = PHOTO.read_bytes()
    client = TusClient(f"{service.url}/v1/uploads")
    broken = client.uploader(
        file_stream=io.BytesIO(content), chunk_size=50_000, metadata={"filename": "cup.png"}
    )
    broken.upload_chunk()
    broken.upload_chunk()

    again = client.uploader(file_stream=io.BytesIO(content), chunk_size=200_000, url=broken.url)
    assert again.offset == 100_000
    again.upload()

    upload = settled(service, urlsplit(str(again.url)).path)
    assert upload["state"] == "ready", upload
    assert upload["name"] == "cup.png"
    asset = service.client.get(upload["links"]["asset"]).json()
    assert asset["sha256"] == hashlib.sha256(content).hexdigest()
    assert service.client.get(asset["links"]["content"]).content == content
    for part in ("thumbnail", "credentials", "lineage", "cost", "royalties"):
        shown = service.client.get(asset["links"][part])
        assert shown.status_code == 200, shown.text
    brief = a_brief("Sent", references={"cup": {"upload": upload["id"], "role": "product"}})
    brief["shots"][0]["references"] = ["cup"]
    created = service.client.post("/v1/jobs", json=brief)
    assert created.status_code == 201, created.text
    made = service.wait(created.json()["id"])
    assert made["status"] == "delivered", made
    report = service.client.get(made["links"]["report"]).json()
    assert report["references"][0]["name"] == "cup"
    assert service.client.get("/v1/ledger/check").json()["balances"]
    gone = service.client.delete(f"/v1/uploads/{upload['id']}", headers=TUS)
    is_problem(gone, 409, "nothing-to-decide")


@pytest.mark.skipif(
    shutil.which("node") is None or not (PLAYERS / "node_modules" / "tus-js-client").is_dir(),
    reason="node and tus-js-client come with tools/need-chromium",
)
def test_tus_js_client_goes_on_where_it_was_broken_off(service: Served, tmp_path: Path) -> None:
    script = tmp_path / "send.cjs"
    script.write_text(_JS_CLIENT)

    sent = subprocess.run(
        ["node", str(script), str(PHOTO), f"{service.url}/v1/uploads", "100000"],
        env={"PATH": "/usr/bin:/usr/local/bin", "NODE_PATH": str(PLAYERS / "node_modules")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert sent.returncode == 0, sent.stderr
    said = json.loads(sent.stdout)
    assert 100_000 <= said["brokenAt"] < PHOTO.stat().st_size
    upload = settled(service, urlsplit(said["url"]).path)
    assert (upload["state"], upload["name"]) == ("ready", "a cup.png")


def test_what_is_no_media_stays_in_quarantine_and_becomes_nothing(service: Served) -> None:
    content = b"<script>alert(1)</script>"
    name = base64.b64encode(b"..\\..\\<b>cup.png").decode()
    url = begun(service, len(content), **{"upload-metadata": f"filename {name},filetype dGV4dA=="})

    sent = service.client.patch(url, content=content, headers={**PIECE, "upload-offset": "0"})
    upload = settled(service, url)

    assert sent.status_code == 204
    assert (upload["state"], upload["asset"]) == ("refused", None)
    assert upload["name"] == "<b>cup.png"
    assert upload["refusal"]["found"]
    brief = a_brief("Not sent", references={"cup": {"upload": upload["id"]}})
    refused = service.client.post("/v1/jobs", json=brief)
    assert refused.status_code == 422
    assert refused.json()["field"] == "references.cup.upload"
    assert "refused" in refused.json()["found"]
    assert service.client.delete(url, headers=TUS).status_code == 204
    assert service.client.head(url, headers=TUS).status_code == 404


@pytest.mark.parametrize("named", [{"upload": "upl_none"}, {"asset": "ast_none"}])
def test_what_is_not_there_is_refused_at_its_field(service: Served, named: dict[str, str]) -> None:
    answer = service.client.post("/v1/jobs", json=a_brief(references={"cup": named}))

    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] == "/errors/reference-refused"
    assert answer.json()["field"] == f"references.cup.{next(iter(named))}"


def test_a_client_that_vanishes_leaves_what_came(service: Served) -> None:
    url = begun(service, 1000)
    host, port = urlsplit(service.url).netloc.split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"PATCH {url} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000\r\n"
        head += "Upload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n\r\n"
        connection.sendall(head.encode() + b"a" * 300)
        time.sleep(0.3)

    for _ in range(100):
        standing = service.client.head(url, headers=TUS)
        if standing.headers["upload-offset"] != "0":
            break
        time.sleep(0.05)

    assert standing.headers["upload-offset"] == "300"
    assert standing.headers["upload-length"] == "1000"
    assert standing.headers["cache-control"] == "no-store"
    assert "upload-expires" in standing.headers
    service.client.delete(url, headers=TUS)


def test_the_protocol_is_kept_and_wrong_requests_refused(service: Served) -> None:
    able = service.client.options("/v1/uploads")
    assert able.status_code == 204
    assert able.headers["tus-version"] == "1.0.0"
    assert "creation-with-upload" in able.headers["tus-extension"]
    create, url = service.client.post, begun(service, 10)

    def patch(content: bytes, **headers: str) -> httpx.Response:
        return service.client.patch(url, content=content, headers={**PIECE, **headers})

    is_problem(
        create("/v1/uploads", headers={"tus-resumable": "0.2.2", "upload-length": "1"}),
        412,
        "tus-version-refused",
    )
    huge = {**TUS, "upload-length": str(65 << 20)}
    is_problem(create("/v1/uploads", headers=huge), 413, "body-too-large")
    much = {**TUS, "upload-length": str(9 << 20)}
    is_problem(create("/v1/uploads", headers=much), 429, "quota-exceeded")
    for wrong in ("-1", "x", "0", "9" * 19, "\u0661"):
        headers = {"upload-length": wrong.encode()}
        is_problem(create("/v1/uploads", headers=headers), 422, "request-invalid")
    metadata = {"upload-length": "1", "upload-metadata": "filename %%%"}
    is_problem(create("/v1/uploads", headers=metadata), 422, "request-invalid")
    is_problem(patch(b"x" * 11, **{"upload-offset": "0"}), 413, "body-too-large")
    is_problem(patch(b"x", **{"upload-offset": "1"}), 409, "offset-refused")
    is_problem(patch(b"x"), 422, "request-invalid")
    is_problem(
        patch(b"x", **{"upload-offset": "0", "content-type": "text/plain"}),
        415,
        "media-type-refused",
    )
    right = base64.b64encode(hashlib.sha256(b"12345").digest()).decode()
    summed = {"upload-offset": "0", "upload-checksum": f"sha256 {right}"}
    is_problem(patch(b"12346", **summed), 460, "checksum-refused")
    is_problem(
        patch(b"12345", **{"upload-offset": "0", "upload-checksum": "crc32 x"}),
        422,
        "request-invalid",
    )
    kept = patch(b"12345", **summed)
    assert (kept.status_code, kept.headers["upload-offset"]) == (204, "5")
    shown = service.client.get(url).json()
    assert (shown["bytes_received"], shown["state"]) == (5, "open")
    assert service.client.delete(url, headers=TUS).status_code == 204
    is_problem(service.client.delete(url, headers=TUS), 404, "unavailable")


def test_creation_may_bring_the_first_bytes_and_is_one_under_its_key(service: Served) -> None:
    headers = {**PIECE, "upload-length": "8", "idempotency-key": "upload-1"}

    first = service.client.post("/v1/uploads", content=b"1234", headers=headers)
    second = service.client.post("/v1/uploads", content=b"1234", headers=headers)

    assert first.headers["upload-offset"] == second.headers["upload-offset"] == "4"
    assert first.headers["location"] == second.headers["location"]
    with pytest.raises(TusCommunicationError):
        TusClient(f"{service.url}/v1/uploads").uploader(
            file_stream=io.BytesIO(b"other bytes"), url=f"{service.url}/v1/uploads/upl_none"
        ).upload()
    listed = service.client.get("/v1/uploads", params={"limit": 100}).json()["data"]
    assert [each["links"]["self"] for each in listed].count(first.headers["location"]) == 1
    service.client.delete(first.headers["location"], headers=TUS)

"""Blobs are what their name says, or they are not used: in a folder and in a bucket."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.errors import CredentialsInvalid, StorageUnavailable
from cinefab.store.blobs import Blobs
from cinefab.store.file_digest import file_sha256

CONTENT = b"what was stored"


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(f"file://{tmp_path}/blobs", cache=tmp_path / "cache")


def alter(path: Path, content: bytes) -> None:
    """Write other bytes of the file's own length and age, as bad luck on a disk would."""
    found = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def anew(tmp_path: Path) -> Blobs:
    """Return the same blobs as another process would see them."""
    return Blobs(f"file://{tmp_path}/blobs", cache=tmp_path / "cache")


def test_a_stored_blob_is_intact_and_found_by_its_path(blobs: Blobs) -> None:
    digest = blobs.put(CONTENT)

    path = blobs.local_path(digest)

    assert blobs.is_intact(digest)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"what was forged", b"what was", b""])
@pytest.mark.parametrize("same_process", [True, False])
def test_altered_bytes_are_never_handed_out(
    blobs: Blobs, tmp_path: Path, content: bytes, same_process: bool
) -> None:
    digest = blobs.put(CONTENT)
    alter(blobs.local_path(digest), content)
    reader = blobs if same_process else anew(tmp_path)

    with pytest.raises(CredentialsInvalid, match="altered after it was stored"):
        reader.local_path(digest)

    assert not reader.is_intact(digest)


def test_a_blob_that_is_gone_is_not_intact_and_says_so(blobs: Blobs) -> None:
    digest = blobs.put(CONTENT)
    blobs.local_path(digest).unlink()

    with pytest.raises(StorageUnavailable, match="is not there"):
        blobs.local_path(digest)

    assert not blobs.is_intact(digest)


def test_storing_the_right_bytes_repairs_altered_ones(blobs: Blobs, tmp_path: Path) -> None:
    digest = blobs.put(CONTENT)
    source = tmp_path / "again"
    source.write_bytes(CONTENT)

    alter(blobs.local_path(digest), b"what was forged")
    blobs.put(CONTENT)
    after_put = blobs.local_path(digest).read_bytes()
    alter(blobs.local_path(digest), b"what was forged")
    anew(tmp_path).put_file(source)

    assert after_put == CONTENT
    assert blobs.local_path(digest).read_bytes() == CONTENT


def test_storing_what_is_there_writes_nothing(blobs: Blobs, tmp_path: Path) -> None:
    digest = blobs.put(CONTENT)
    before = blobs.local_path(digest).stat()

    anew(tmp_path).put(CONTENT)

    after = blobs.local_path(digest).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_that_cannot_be_read_is_a_report(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="No such file"):
        file_sha256(tmp_path / "nothing")


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as blobs need: objects by path, and who signed for which region."""

    objects: dict[str, bytes]
    regions: set[str]
    gets: list[str]

    def do_PUT(self) -> None:
        self._note()
        self.objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b"")

    def do_GET(self) -> None:
        self._note()
        self.gets.append(self.path)
        content = self.objects.get(self.path)
        self._answer(404 if content is None else 200, content or b"")

    def do_HEAD(self) -> None:
        self._note()
        content = self.objects.get(self.path)
        self._answer(404 if content is None else 200, content or b"", send=False)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""

    def _note(self) -> None:
        credential = self.headers.get("Authorization", "////").split("/")
        self.regions.add(credential[2])

    def _answer(self, status: int, content: bytes, *, send: bool = True) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{sha256_of(content)[:32]}"')
        self.send_header("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
        self.end_headers()
        if send:
            self.wfile.write(content)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Bucket]]]:
    for name, value in {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    handler = type("OneBucket", (Bucket,), {"objects": {}, "regions": set(), "gets": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"s3://b/x?endpoint=http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
        thread.join()


def test_a_bucket_needs_no_region_and_a_region_is_passed_on(
    bucket: tuple[str, type[Bucket]], tmp_path: Path
) -> None:
    url, server = bucket

    Blobs(url, cache=tmp_path).put(CONTENT)
    without = set(server.regions)
    Blobs(f"{url}&region=eu-north-1", cache=tmp_path).put(b"other")

    assert without == {"us-east-1"}
    assert server.regions == {"us-east-1", "eu-north-1"}


def test_a_buckets_blob_is_fetched_once_and_a_spoilt_copy_again(
    bucket: tuple[str, type[Bucket]], tmp_path: Path
) -> None:
    url, server = bucket
    blobs = Blobs(url, cache=tmp_path)
    digest = blobs.put(CONTENT)

    first, again = blobs.local_path(digest), blobs.local_path(digest)
    fetched_once = len(server.gets)
    alter(first, b"what was forged")
    repaired = blobs.local_path(digest)

    assert first == again == repaired
    assert fetched_once == 1
    assert repaired.read_bytes() == CONTENT
    assert [path.name for path in repaired.parent.iterdir()] == [digest]


def test_an_altered_object_in_a_bucket_is_refused_and_repaired_by_storing(
    bucket: tuple[str, type[Bucket]], tmp_path: Path
) -> None:
    url, server = bucket
    digest = Blobs(url, cache=tmp_path / "a").put(CONTENT)
    name = next(iter(server.objects))
    server.objects[name] = b"what was forged"
    other = Blobs(url, cache=tmp_path / "b")

    with pytest.raises(CredentialsInvalid):
        other.local_path(digest)
    intact = other.is_intact(digest)
    other.put(CONTENT)

    assert not intact
    assert server.objects[name] == CONTENT
    assert not list((tmp_path / "b").rglob("*.part"))


def test_two_threads_may_fetch_one_blob_at_a_time(
    bucket: tuple[str, type[Bucket]], tmp_path: Path
) -> None:
    url, _ = bucket
    digest = Blobs(url, cache=tmp_path / "a").put(CONTENT)
    blobs = Blobs(url, cache=tmp_path / "b")
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(blobs.local_path(digest).read_bytes()))
        for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [CONTENT] * 8


def test_a_blob_nobody_stored_is_not_in_a_bucket(
    bucket: tuple[str, type[Bucket]], tmp_path: Path
) -> None:
    blobs = Blobs(bucket[0], cache=tmp_path)

    assert not blobs.is_intact(Sha256("0" * 64))
    with pytest.raises(StorageUnavailable):
        blobs.local_path(Sha256("0" * 64))

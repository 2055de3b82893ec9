"""What is reused is what was made: altered pieces are made again, and errors name the brief."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path

import av
import pytest
import sqlalchemy as sa
from studio_runs import PHOTO, Studio

from cinefab.app.settings import Settings
from cinefab.app.studio import Studio as Parts
from cinefab.core.errors import ContractMismatch, StorageUnavailable
from cinefab.generate.tables import segment
from cinefab.ingest.brief import parse_brief
from cinefab.ingest.tables import reference
from cinefab.jobs.door import open_job
from cinefab.jobs.generating import find_kept, generate
from cinefab.jobs.ingesting import ingest
from cinefab.jobs.planning import load_plan
from cinefab.jobs.planning import plan as make_plan
from cinefab.jobs.rounds import load_order
from cinefab.store.database import Database
from cinefab.store.file_digest import file_sha256
from cinefab.store.schema import log_leaf

TWO_SHOTS = """\
title: Two small shots
shots:
  - {seconds: 1, caption: First, references: [cup]}
  - {seconds: 1, caption: Second, references: [cup], transition: {kind: wipe, seconds: 0.25}}
references: {cup: {file: coffee.png, role: product}}
output: {size: 256x144, fps: 8}
quality: preview
seed: 3
"""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path, f"sqlite:///{tmp_path}/cinefab.db")


def frames_of(path: str) -> list[str]:
    with av.open(path) as film:
        return [hashlib.sha256(f.to_ndarray().tobytes()).hexdigest() for f in film.decode(video=0)]


def rows_of(studio: Studio, query: sa.Select[tuple[str, str]]) -> dict[str, str]:
    db = Database(studio.db)
    with db.read() as connection:
        found = {row[0]: row[1] for row in connection.execute(query)}
    db.close()
    return found


def blob(studio: Studio, digest: str) -> Path:
    return next(studio.folder.rglob(f"sha256/{digest[:2]}/{digest}"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_kept_pieces_whose_bytes_are_wrong_are_made_again_and_nothing_else(studio: Studio) -> None:
    brief = studio.brief(TWO_SHOTS)
    first = studio.make(brief)
    kept = rows_of(studio, sa.select(segment.c.digest, segment.c.asset_id))
    foreign = studio.make(studio.brief(TWO_SHOTS.replace("First", "Foreign"), "foreign.yaml"))
    every = rows_of(studio, sa.select(segment.c.digest, segment.c.asset_id))
    others = [blob(studio, digest).read_bytes() for digest in every if digest not in kept]
    videos = [digest for digest in kept if b"ftyp" in blob(studio, digest).read_bytes()[:12]]
    swapped, truncated, flipped, *rest = videos
    blob(studio, swapped).write_bytes(next(each for each in others if b"ftyp" in each[:12]))
    truncate(blob(studio, truncated))
    flip(blob(studio, flipped))
    for gone in rest:
        blob(studio, gone).unlink()

    again = studio.make(brief)
    third = studio.make(brief)

    assert frames_of(again["film"]) == frames_of(first["film"]) != frames_of(foreign["film"])
    assert "run" in {each["made_by"] for each in again["segments"]}
    assert {each["made_by"] for each in third["segments"]} == {"reuse"}
    assert frames_of(third["film"]) == frames_of(first["film"])
    now = rows_of(studio, sa.select(segment.c.digest, segment.c.asset_id))
    used = {each for each in videos if file_sha256(blob(studio, each)) == each}
    assert used == set(videos)
    assert {digest for digest in videos if now[digest] != kept[digest]} == set(videos)
    leaves = rows_of(
        studio,
        sa.select(log_leaf.c.subject, log_leaf.c.kind).where(log_leaf.c.kind == "segment.given_up"),
    )
    assert set(leaves) == {kept[digest] for digest in videos}
    assert studio.run("verify", again["film"]).returncode == 0
    studio.check_books()


@pytest.mark.parametrize("spoil", [flip, Path.unlink])
def test_a_prepared_reference_whose_bytes_are_wrong_is_prepared_again(
    studio: Studio, spoil: Callable[[Path], None]
) -> None:
    studio.make(studio.brief(TWO_SHOTS))
    columns = (reference.c.picture_digest, reference.c.mask_digest, reference.c.original_digest)
    digests = [
        digest
        for column in columns
        for digest in rows_of(studio, sa.select(column, reference.c.picture_asset))
    ]
    for digest in digests:
        spoil(blob(studio, digest))

    again = studio.make(studio.brief(TWO_SHOTS.replace("Second", "Changed"), "changed.yaml"))

    assert again["status"] == "delivered"
    assert all(file_sha256(blob(studio, digest)) == digest for digest in digests)
    studio.check_books()


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        (("Second", "漢字"), "shots[1].caption", "brand.font"),
        (("Second", "W" * 190), "shots[1].caption", "Shorten"),
        (("quality:", "brand: {font: mine.ttf}\nquality:"), "brand.font", "mine.ttf"),
        (("quality:", "brand: {lut: mine.cube}\nquality:"), "brand.lut", "cube"),
    ],
)
def test_what_a_model_cannot_show_is_named_as_the_brief_names_it(
    studio: Studio, change: tuple[str, str], field: str, says: str
) -> None:
    brief = studio.brief(TWO_SHOTS.replace(*change))
    for name in ("mine.ttf", "mine.cube"):
        (studio.folder / name).write_text("no such thing")

    report = studio.make(brief, expect=2)

    failure = report["failure"]
    words = json.dumps(failure, ensure_ascii=False)
    assert failure["field"] == field, words
    assert failure["found"].startswith(f"{field}: ")
    assert says in words
    assert "font_file" not in words
    assert not list(studio.folder.rglob("preview.jpg")), "a picture of a film that cannot be made"


class Served(BaseHTTPRequestHandler):
    """One picture by address, until it is another one or none."""

    content: bytes | None = PHOTO.read_bytes()

    def do_GET(self) -> None:
        content = type(self).content
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def served() -> Iterator[tuple[str, type[Served]]]:
    handler = type("OnePicture", (Served,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/cup.png", handler
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("now_there", [None, b"no picture at all"])
def test_ingest_goes_on_with_what_it_read_though_the_address_has_changed(
    served: tuple[str, type[Served]], tmp_path: Path, now_there: bytes | None
) -> None:
    url, server = served
    settings = Settings(home=tmp_path, allow_networks=(ip_network("127.0.0.0/8"),), workers=1)
    text = TWO_SHOTS.replace("{file: coffee.png, role: product}", f"{{url: '{url}'}}")
    brief = parse_brief(text, origin="brief.yaml", now_us=0)
    with Parts(settings, tell=lambda _news: None) as parts:
        opened = open_job(parts.shop, brief, base=tmp_path, out=tmp_path, requested_us=0)
        order = load_order(parts.shop, opened.job)
        first = asyncio.run(ingest(parts.shop, order, order.brief.references[0]))
        server.content = now_there

        again = asyncio.run(ingest(parts.shop, order, order.brief.references[0]))

        with pytest.raises(StorageUnavailable, match="Order it again"):
            assert isinstance(first, dict)
            parts.shop.blobs.local_path(first["picture"]).unlink()
            asyncio.run(ingest(parts.shop, order, order.brief.references[0]))

    assert again == first


def test_a_job_is_not_gone_on_with_on_a_machine_that_draws_otherwise(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, workers=1)
    text = TWO_SHOTS.replace("references: {cup: {file: coffee.png, role: product}}\n", "")
    text = text.replace(", references: [cup]", "")
    brief = parse_brief(text, origin="brief.yaml", now_us=0)
    with Parts(settings, tell=lambda _news: None) as parts:
        opened = open_job(parts.shop, brief, base=tmp_path, out=tmp_path, requested_us=0)
        order = load_order(parts.shop, opened.job)
        plan = load_plan(parts.shop, asyncio.run(make_plan(parts.shop, order, [])))
        elsewhere = replace(parts.shop, machine="another-machine")

        with pytest.raises(ContractMismatch, match="another-machine") as raised:
            asyncio.run(generate(elsewhere, order, plan, plan.shots[0], [], {}))

        kept = asyncio.run(find_kept(parts.shop, plan))

    assert parts.shop.machine in raised.value.found
    assert "Order it again" in raised.value.remedy
    assert kept == {}

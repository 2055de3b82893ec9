"""Uploads on both databases: a quota that races cannot pass, pieces in order, and none left behind."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from shared_database import empty, migrated

from cinefab.core.clock import SystemClock
from cinefab.core.errors import NothingToDecide, QuotaExceeded, RequestInvalid, Unavailable
from cinefab.core.ids import AssetId, PrincipalId, RandomIds, TenantId
from cinefab.ingest import uploads
from cinefab.ingest.uploads import (
    OffsetRefused,
    Piece,
    Upload,
    append,
    create_upload,
    ended_with_pieces,
    expire,
    list_uploads,
    load_upload,
    make_ready,
    pieces_of,
    plain_name,
    received_before,
    record_dropped,
    refuse,
    remove_upload,
)
from cinefab.store.blobs import Blobs
from cinefab.store.database import Database
from cinefab.store.quarantine import Quarantine
from cinefab.tenancy.quotas import Quota
from cinefab.tenancy.tables import tenant

LEFT, RIGHT = TenantId("ten_left"), TenantId("ten_right")
SOMEBODY = PrincipalId("prn_somebody")


@dataclass
class House:
    """A database of two tenants, who may upload a hundred bytes each."""

    db: Database
    ids: RandomIds = field(default_factory=lambda: RandomIds(SystemClock()))

    def begin(self, length: int = 10, *, of: TenantId = LEFT) -> Upload:
        with self.db.write() as connection:
            return create_upload(
                connection,
                tenant=of,
                principal=SOMEBODY,
                name="cup.png",
                media_type="image/png",
                length_bytes=length,
                lasts_us=1000,
                usual=Quota(upload_bytes=100),
                ids=self.ids,
                now_us=1,
            )

    def send(self, to: Upload, offset: int, *sizes: int, of: TenantId = LEFT) -> Upload:
        pieces = [Piece(name=f"{offset}-{at}", size_bytes=size) for at, size in enumerate(sizes)]
        with self.db.write() as connection:
            return append(
                connection,
                pieces,
                tenant=of,
                which=to.id,
                offset_bytes=offset,
                lasts_us=1000,
                now_us=500,
            )


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def db(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    with migrated(request.param, request, tmp_path_factory.mktemp("db")) as shared:
        yield shared


@pytest.fixture
def house(db: Database) -> Iterator[House]:
    with db.write() as connection:
        for each in (LEFT, RIGHT):
            connection.execute(tenant.insert().values(id=each, name=each, created_us=0))
    yield House(db)
    empty(db, "upload_piece", "upload", "outbox", "log_leaf", "tenant")


def test_uploads_that_race_do_not_pass_the_quota_together(house: House) -> None:
    def begin(_number: int) -> Upload | None:
        try:
            return house.begin(30)
        except QuotaExceeded:
            return None

    with ThreadPoolExecutor(8) as several:
        begun = [each for each in several.map(begin, range(8)) if each is not None]

    assert len(begun) == 3
    house.begin(100, of=RIGHT)
    with house.db.write() as connection:
        remove_upload(connection, tenant=LEFT, which=begun[0].id, now_us=2)
    assert house.begin(40).length_bytes == 40
    with pytest.raises(QuotaExceeded):
        house.begin(1)


def test_of_pieces_that_race_for_one_place_one_is_kept(house: House) -> None:
    upload = house.begin(10)

    def send(_number: int) -> int | None:
        try:
            house.send(upload, 0, 4)
        except OffsetRefused as error:
            return error.offset
        return None

    with ThreadPoolExecutor(6) as several:
        ended = list(several.map(send, range(6)))
    assert sorted(ended, key=str) == [4, 4, 4, 4, 4, None]

    grown = house.send(upload, 4, 3, 3)
    assert (grown.offset_bytes, grown.state) == (10, "received")
    with house.db.read() as connection:
        assert pieces_of(connection, grown) == ("0-0", "4-0", "4-1")
        assert received_before(connection, 501) == (upload.id,)
    with pytest.raises(OffsetRefused):
        house.send(upload, 10, 0)


def test_what_is_too_long_or_in_too_many_pieces_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PIECES_MAX", 3)
    upload = house.begin(10)

    house.send(upload, 0, 1, 1, 1)
    with pytest.raises(RequestInvalid, match="more than 3 pieces"):
        house.send(upload, 3, 1)

    with house.db.read() as connection:
        assert load_upload(connection, tenant=LEFT, which=upload.id).offset_bytes == 3


def test_an_upload_ends_once_and_what_is_over_is_dropped(house: House) -> None:
    late, ready, refused = house.begin(), house.begin(), house.begin()
    for each in (ready, refused):
        house.send(each, 0, 10)
    with house.db.write() as connection:
        make_ready(connection, ready, AssetId("ast_1"), now_us=2)
        make_ready(connection, ready, AssetId("ast_2"), now_us=2)
        refuse(connection, refused, found="it is text", remedy="Send a picture.", now_us=2)
        assert expire(connection, now_us=1001) == 1
        assert expire(connection, now_us=1001) == 0

        shown = {each.id: each for each in list_uploads(connection, tenant=LEFT)}
        assert set(shown) == {ready.id, refused.id}
        assert shown[ready.id].asset == "ast_1"
        assert shown[refused.id].refusal == {"found": "it is text", "remedy": "Send a picture."}
        with pytest.raises(Unavailable):
            load_upload(connection, tenant=LEFT, which=late.id)
        with pytest.raises(NothingToDecide, match="ast_1"):
            remove_upload(connection, tenant=LEFT, which=ready.id, now_us=3)
        assert set(ended_with_pieces(connection, at_most=9)) == {late.id, ready.id, refused.id}
        for each in (late, ready, refused):
            record_dropped(connection, each.id, now_us=3)
        assert not ended_with_pieces(connection, at_most=9)
        assert not pieces_of(connection, ready)


def test_another_tenants_upload_is_as_if_it_were_not_there(house: House) -> None:
    upload = house.begin()

    with pytest.raises(Unavailable):
        house.send(upload, 0, 10, of=RIGHT)
    with house.db.write() as connection:
        assert not list_uploads(connection, tenant=RIGHT)
        with pytest.raises(Unavailable):
            load_upload(connection, tenant=RIGHT, which=upload.id)
        with pytest.raises(Unavailable):
            remove_upload(connection, tenant=RIGHT, which=upload.id, now_us=2)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\cup.png", "cup.png"),
        ("cup\r\n\x00.png", "cup.png"),
        ("..", "upload"),
        ("/", "upload"),
        ("", "upload"),
        ("x" * 300 + ".png", "x" * 196 + ".png"),
    ],
)
def test_a_files_name_holds_no_path_and_nothing_that_does_not_print(given: str, kept: str) -> None:
    assert plain_name(given) == kept


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_quarantine_keeps_pieces_apart_from_blobs_and_forgets_them(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"file://{tmp_path / 'blobs'}"
    if kind == "bucket":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        url = request.getfixturevalue("s3_bucket")
    blobs = Blobs(url, cache=tmp_path / "cache")
    quarantine = Quarantine(blobs)

    first, second = (quarantine.put("upl_1", piece) for piece in (b"one", b"two"))
    other = quarantine.put("upl_2", b"other")

    assert quarantine.load("upl_1", [first, second]) == b"onetwo"
    assert not list(blobs.stored())
    quarantine.take_away("upl_1", [second])
    quarantine.drop("upl_1")
    quarantine.drop("upl_1")
    quarantine.take_away("upl_1", [first])
    with pytest.raises(Unavailable):
        quarantine.load("upl_1", [first])
    assert quarantine.load("upl_2", [other]) == b"other"

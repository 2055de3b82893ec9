"""Every target keeps the contract's promises, on a real folder, a real bucket and a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from origin import Origin, an_origin

from cinefab.conformance.targets import PROMISES, Case
from cinefab.core.canonical import sha256_of
from cinefab.core.clock import ManualClock
from cinefab.core.errors import StorageUnavailable
from cinefab.deliver.files import Caching
from cinefab.deliver.places import PurgeHook
from cinefab.deliver.purge import purge
from cinefab.deliver.target import Access, Parcel, Placing, Target, in_order
from cinefab.deliver.targets.folder import Folder
from cinefab.deliver.targets.http_put import HttpPut
from cinefab.deliver.targets.s3 import S3


@pytest.fixture
def origin() -> Iterator[Origin]:
    with an_origin(key="Bearer of-the-studio") as origin:
        yield origin


@pytest.fixture
def folder_case(tmp_path: Path) -> tuple[Target, Case]:
    place = tmp_path / "place"
    (tmp_path / "file").write_text("no folder")

    def read(name: str) -> bytes | None:
        return (place / name).read_bytes() if (place / name).exists() else None

    case = Case(
        place=str(place),
        missing=str(tmp_path / "file" / "below"),
        access=Access(clock=ManualClock()),
        folder=tmp_path,
        read=read,
        headers=None,
    )
    return Folder(), case


@pytest.fixture
def http_case(tmp_path: Path, origin: Origin) -> tuple[Target, Case]:
    case = Case(
        place=f"{origin.address}/films/spot",
        missing=f"{origin.address}/closed",
        access=Access(clock=ManualClock(), headers={"Authorization": "Bearer of-the-studio"}),
        folder=tmp_path,
        read=lambda name: origin.files.get(f"/films/spot/{name}"),
        headers=lambda name: origin.headers[f"/films/spot/{name}"],
    )
    return HttpPut(), case


@pytest.fixture
def s3_case(tmp_path: Path, s3_bucket: str) -> Iterator[tuple[Target, Case]]:
    query = s3_bucket.partition("?")[2]
    endpoint = query.removeprefix("endpoint=").partition("&")[0]
    keys = {"access_key_id": "test", "secret_access_key": "test-secret"}
    prefix = f"spot-{tmp_path.name}"  # buckets of one process outlive their server
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test-secret",
    )

    def read(name: str) -> bytes | None:
        try:
            content: bytes = client.get_object(Bucket="films", Key=f"{prefix}/{name}")[
                "Body"
            ].read()
        except ClientError:
            return None
        return content

    def headers(name: str) -> tuple[str, str]:
        found = client.head_object(Bucket="films", Key=f"{prefix}/{name}")
        return found["ContentType"], found["CacheControl"]

    yield (
        S3(),
        Case(
            place=f"s3://films/{prefix}?{query}",
            missing=f"s3://no-such-bucket/spot?{query}",
            access=Access(clock=ManualClock(), options=keys, attempts_max=2),
            folder=tmp_path,
            read=read,
            headers=headers,
        ),
    )
    client.close()


@pytest.mark.parametrize("kind", ["folder_case", "http_case", "s3_case"])
@pytest.mark.parametrize("promise", PROMISES)
def test_a_target_keeps_its_promises(
    request: pytest.FixtureRequest, kind: str, promise: str
) -> None:
    target, case = request.getfixturevalue(kind)

    PROMISES[promise](target, case)


def a_parcel(folder: Path, name: str, content: bytes, caching: Caching) -> Parcel:
    path = folder / sha256_of(content)
    path.write_bytes(content)
    return Parcel(
        name=name,
        path=path,
        sha256=sha256_of(content),
        size_bytes=len(content),
        media_type="video/mp4",
        caching=caching,
    )


def test_content_goes_before_the_names_that_lead_to_it(
    http_case: tuple[Target, Case], origin: Origin
) -> None:
    target, case = http_case
    entry = a_parcel(case.folder, "master.m3u8", b"entry", Caching.ENTRY)
    media = [a_parcel(case.folder, f"media/{i}", bytes([i]), Caching.IMMUTABLE) for i in range(3)]

    target.publish(case.place, in_order([entry, *media]), access=case.access)

    names = [path.removeprefix("/films/spot/") for path in origin.puts()]
    assert names == ["media/0", "media/1", "media/2", "master.m3u8"]


def test_a_server_that_falters_is_asked_again_with_growing_pauses(
    http_case: tuple[Target, Case], origin: Origin
) -> None:
    target, case = http_case
    origin.answers = [503, 429, 500]
    clock = case.access.clock
    began_us = clock.now_us()

    placed = target.publish(
        case.place, [a_parcel(case.folder, "a", b"a", Caching.IMMUTABLE)], access=case.access
    )

    assert placed[0].how is Placing.SENT
    assert origin.files["/films/spot/a"] == b"a"
    assert clock.now_us() - began_us == 200_000 + 400_000 + 800_000


def test_a_server_that_does_not_recover_is_given_up_after_four_attempts(
    http_case: tuple[Target, Case], origin: Origin
) -> None:
    target, case = http_case
    origin.answers = [503] * 9

    with pytest.raises(StorageUnavailable, match="503, 4 times in a row"):
        target.publish(
            case.place, [a_parcel(case.folder, "a", b"a", Caching.IMMUTABLE)], access=case.access
        )

    assert len(origin.answers) == 5
    assert origin.files == {}


def test_a_server_that_does_not_let_us_in_is_asked_once(
    http_case: tuple[Target, Case], origin: Origin
) -> None:
    target, case = http_case
    origin.key = "Bearer of-somebody-else"

    with pytest.raises(StorageUnavailable, match="401") as raised:
        target.publish(
            case.place, [a_parcel(case.folder, "a", b"a", Caching.IMMUTABLE)], access=case.access
        )

    assert "headers in the settings" in raised.value.remedy
    assert len(origin.puts()) == 1


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match=r"http://127\.0\.0\.1:9/films"):
        HttpPut().publish(
            "http://127.0.0.1:9/films",
            [a_parcel(tmp_path, "a", b"a", Caching.IMMUTABLE)],
            access=Access(clock=ManualClock()),
        )


def test_one_content_under_two_names_is_on_the_disk_once(
    folder_case: tuple[Target, Case],
) -> None:
    target, case = folder_case
    film = a_parcel(case.folder, "film.mp4", b"film", Caching.ENTRY)
    media = a_parcel(case.folder, "media/x.mp4", b"film", Caching.IMMUTABLE)

    target.publish(case.place, [film, media], access=case.access)

    place = Path(case.place)
    assert (place / "film.mp4").stat().st_ino == (place / "media/x.mp4").stat().st_ino
    assert (place / "film.mp4").stat().st_ino != film.path.stat().st_ino


@pytest.mark.parametrize(
    ("make", "method", "path", "body"),
    [
        (
            lambda address: PurgeHook(
                url=f"{address}/purge?url={{url}}", headers={"Authorization": "Bearer cdn"}
            ),
            "POST",
            "/purge?url=https%3A%2F%2Fcdn.example%2Fa.m3u8",
            b"",
        ),
        (
            lambda address: PurgeHook(url=f"{address}/purge", body='{"files": ["{url}"]}'),
            "POST",
            "/purge",
            b'{"files": ["https://cdn.example/a.m3u8"]}',
        ),
        (
            lambda address: PurgeHook(url=f"{address}/x", method="PURGE"),
            "PURGE",
            "/x",
            b"",
        ),
    ],
)
def test_a_purge_is_the_request_that_the_settings_describe(
    origin: Origin, make: Callable[[str], PurgeHook], method: str, path: str, body: bytes
) -> None:
    hook = make(origin.address)
    origin.answers = [500]

    done = purge(hook, ["https://cdn.example/a.m3u8"], access=Access(clock=ManualClock()))

    assert [each.failure for each in done] == [None]
    assert [(m, p, b) for m, p, _, b in origin.hooked] == [(method, path, body)] * 2
    assert hook.headers.items() <= origin.hooked[0][2].items()


def test_a_purge_that_fails_is_told_and_the_others_go_on(origin: Origin) -> None:
    origin.answers = [500] * 4

    done = purge(
        PurgeHook(url=f"{origin.address}/purge"), ["a", "b"], access=Access(clock=ManualClock())
    )

    assert [each.failure is None for each in done] == [False, True]
    assert "500" in str(done[0].failure)

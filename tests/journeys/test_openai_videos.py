"""OpenAI's own client makes, follows, reads, remixes, lists and deletes videos here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from served import Served, served

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API")

PHOTO = Path(__file__).parents[2] / "examples" / "coffee.png"
SMALL = {"quality": "preview"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home"), "--host", "127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Served) -> Iterator[openai.OpenAI]:
    # The client must send a key; this studio has none, and needs none.
    made = openai.OpenAI(api_key="unused", base_url=f"{service.url}/v1", max_retries=0)
    with made:
        yield made


def test_the_client_makes_a_video_of_a_prompt_and_a_picture_and_reads_all_of_it(
    client: openai.OpenAI,
) -> None:
    video = client.videos.create_and_poll(
        prompt="A cup of coffee, poured slowly",
        model="procedural",
        seconds="1",  # type: ignore[arg-type]
        size="320x180",  # type: ignore[arg-type]
        input_reference=PHOTO,
        extra_body=SMALL,
    )

    assert video.status == "completed", video
    assert (video.progress, video.seconds, video.size) == (100, "1", "320x180")
    assert video.prompt == "A cup of coffee, poured slowly"
    assert video.completed_at is not None
    film = client.videos.download_content(video.id).read()
    assert film[4:8] == b"ftyp"
    for variant in ("thumbnail", "spritesheet"):
        picture = client.videos.download_content(video.id, variant=variant).read()
        assert picture.startswith(b"\xff\xd8")


def test_the_client_remixes_lists_and_deletes(client: openai.OpenAI, service: Served) -> None:
    first = client.videos.create_and_poll(
        prompt="First words",
        seconds="1",
        size="320x180",  # type: ignore[arg-type]
        extra_body=SMALL,
    )

    second = client.videos.poll(client.videos.remix(first.id, prompt="Other words").id)

    assert second.status == "completed", second
    assert second.remixed_from_video_id == first.id
    assert second.prompt == "Other words"
    newest = client.videos.list(limit=1)
    assert newest.data[0].id == second.id
    assert newest.has_more
    # The client goes on to the next page by itself.
    assert {first.id, second.id} <= {video.id for video in client.videos.list(limit=1)}
    oldest = client.videos.list(limit=100, order="asc").data
    assert [video.created_at for video in oldest] == sorted(video.created_at for video in oldest)
    deleted = client.videos.delete(second.id)
    assert (deleted.deleted, deleted.object) == (True, "video.deleted")
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(second.id)
    assert second.id not in {video.id for video in client.videos.list(limit=100)}


def test_json_is_taken_too_and_the_poll_header_says_when_to_ask_again(service: Served) -> None:
    order = {"prompt": "In JSON", "seconds": 1, "size": "320x180", **SMALL}

    created = service.client.post("/v1/videos", json=order)

    assert created.status_code == 200, created.text
    assert created.headers["openai-poll-after-ms"] == "500"
    assert created.json()["status"] in ("queued", "in_progress")
    unfinished = service.client.get(f"/v1/videos/{created.json()['id']}/content")
    assert unfinished.status_code == 404
    # The client sends a create again on its own, without a key: it is the same video.
    again = service.client.post("/v1/videos", json=order)
    assert again.json()["id"] == created.json()["id"]


def test_what_is_wrong_is_told_by_its_parameter(client: openai.OpenAI, service: Served) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.videos.create(prompt="x", size="huge")  # type: ignore[arg-type]
    assert refused.value.param == "size"
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.videos.create(prompt="x", model="sora-2")
    assert refused.value.param == "model"
    local = {"prompt": "x", "input_reference": {"image_url": "file:///etc/passwd"}}
    assert service.client.post("/v1/videos", json=local).status_code == 422
    assert httpx.post(f"{service.url}/v1/videos", content=b"{").status_code == 415

"""OpenAI's own client makes pictures and speech here, edits videos, and asks where a file comes from."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import openai
import pytest
from served import Served, served

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API")

PHOTO = Path(__file__).parents[2] / "examples" / "coffee.png"
SMALL = {"quality": "low", "size": "256x256"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home"), "--host", "127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="unused", base_url=f"{service.url}/v1", max_retries=0) as made:
        yield made


def test_the_client_makes_pictures_which_are_signed_charged_and_in_lineage(
    client: openai.OpenAI, service: Served
) -> None:
    made = client.images.generate(prompt="A cup of coffee", n=2, **SMALL)  # type: ignore[call-overload]

    assert made.size == "256x256"
    assert made.data is not None
    first, second = (base64.b64decode(each.b64_json or "") for each in made.data)
    assert first.startswith(b"\x89PNG")
    assert first != second
    check = client.content_provenance_checks.create(file=("any-name", first))
    (found,) = check.results
    assert found.type == "c2pa"
    assert (found.outcome, found.validation_state) == ("detected", "trusted")
    assert found.model == "procedural"
    assert found.generated_at is not None
    asset = found.to_dict()["asset"]
    assert asset == made.data[0].to_dict()["asset"]
    lineage = service.client.get(f"/v1/assets/{asset}/lineage").json()
    assert lineage["holds"]
    assert len(lineage["lineage"]) > 1
    assert service.client.get(f"/v1/assets/{asset}/cost").json()["cost_uusd"] > 0
    named = service.client.post("/v1/content_provenance_checks", json={"asset": asset})
    assert named.json()["results"][0]["validation_state"] == "trusted"


def test_a_picture_by_url_needs_no_key_and_one_key_leads_to_one_job(client: openai.OpenAI) -> None:
    order = {"prompt": "Tea", "output_format": "webp", "response_format": "url", **SMALL}
    headers = {"Idempotency-Key": "tea"}

    made = client.images.generate(**order, extra_headers=headers)  # type: ignore[call-overload]
    again = client.images.generate(**order, extra_headers=headers)  # type: ignore[call-overload]

    content = httpx.get(made.data[0].url).content
    assert content[8:12] == b"WEBP"
    assert made.to_dict()["job"] == again.to_dict()["job"]
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.images.generate(**order | {"prompt": "Milk"}, extra_headers=headers)  # type: ignore[call-overload]
    assert refused.value.code == "idempotency_key_reused"


def test_who_will_not_wait_is_told_of_the_job_and_does_not_order_it_again(
    service: Served,
) -> None:
    order = {"prompt": "Later", **SMALL}

    answer = service.client.post("/v1/images/generations", json=order, headers={"prefer": "wait=0"})

    assert answer.status_code == 409
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["code"] == "still_making"
    job = answer.json()["remedy"].split("/v1/jobs/")[1].partition(";")[0]
    assert service.wait(job)["status"] == "delivered"
    # Sent again soon, it is the same job, which has the picture now.
    assert service.client.post("/v1/images/generations", json=order).json()["job"] == job


def test_what_pictures_cannot_be_is_told_by_its_parameter(client: openai.OpenAI) -> None:
    for wrong in ({"model": "gpt-image-2"}, {"n": 11}, {"background": "transparent"}):
        with pytest.raises(openai.UnprocessableEntityError) as refused:
            client.images.generate(prompt="x", **wrong)  # type: ignore[call-overload]
        assert refused.value.param == next(iter(wrong))


def test_the_client_has_a_text_spoken_in_any_format(client: openai.OpenAI, service: Served) -> None:
    pytest.importorskip("espeakng_loader")
    order = {"model": "espeak", "voice": "en-gb", "input": "Today is a wonderful day."}

    spoken = client.audio.speech.create(**order, response_format="wav")  # type: ignore[arg-type]

    with wave.open(io.BytesIO(spoken.content)) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (24_000, 1)
        seconds = sound.getnframes() / 24_000
    assert 1 < seconds < 4
    (found,) = client.content_provenance_checks.create(file=("x.wav", spoken.content)).results
    assert (found.type, found.outcome, found.model) == ("c2pa", "detected", "espeak")
    asset = spoken.response.headers["cinefab-asset"]
    lineage = service.client.get(f"/v1/assets/{asset}/lineage").json()["lineage"]
    assert "speech" in {each["kind"] for each in lineage}
    pcm = client.audio.speech.create(**order, response_format="pcm")  # type: ignore[arg-type]
    assert len(pcm.content) == round(seconds * 24_000) * 2
    usual = client.audio.speech.create(**order)  # type: ignore[arg-type]
    assert usual.response.headers["content-type"] == "audio/mpeg"
    assert usual.content.startswith((b"ID3", b"\xff"))


def test_who_cannot_speak_here_is_told_by_its_parameter(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.audio.speech.create(model="tts-1", voice="alloy", input="Hello")
    assert refused.value.param == "model"
    assert "espeak" in refused.value.message
    pytest.importorskip("espeakng_loader")
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.audio.speech.create(model="espeak", voice={"id": "alloy"}, input="Hello")
    assert refused.value.code == "not_made"
    assert refused.value.param == "sound.voice.name"


def test_what_carries_no_credentials_or_broken_ones_is_said_to(
    client: openai.OpenAI, service: Served
) -> None:
    (bare,) = client.content_provenance_checks.create(file=PHOTO).results
    assert (bare.outcome, bare.type) == ("not_detected", "c2pa")
    assert bare.validation_state == "not_present"
    made = client.images.generate(prompt="A cup of coffee", n=2, **SMALL)  # type: ignore[call-overload]
    picture = bytearray(base64.b64decode(made.data[0].b64_json))
    picture[-40] ^= 1
    (broken,) = client.content_provenance_checks.create(file=("x.png", bytes(picture))).results
    assert broken.type == "c2pa"
    assert (broken.outcome, broken.validation_state) == ("not_detected", "invalid")
    url = "/v1/content_provenance_checks"
    assert service.client.post(url, data={"file": "text"}).status_code in (400, 415, 422)
    assert service.client.post(url, json={"asset": "ast_none"}).status_code == 404
    assert service.client.post(url, json={}).status_code == 422


def test_the_client_edits_and_extends_a_video_and_their_origin_says_so(
    client: openai.OpenAI, service: Served
) -> None:
    first = client.videos.create_and_poll(
        prompt="Morning",
        seconds="1",  # type: ignore[arg-type]
        size="256x144",  # type: ignore[arg-type]
        extra_body={"quality": "preview"},
    )

    content = client.videos.download_content(first.id).read()

    # The client has no way but this to send an id: its own check takes files alone.
    edited = client.videos.poll(
        client.videos.edit(
            prompt="Evening", video=openai.omit, extra_body={"video": {"id": first.id}}
        ).id
    )
    longer = client.videos.poll(
        client.videos.extend(
            prompt="And night",
            seconds="1",  # type: ignore[arg-type]
            video=("film.mp4", content),
        ).id
    )

    assert (edited.status, edited.seconds, edited.size) == ("completed", "1", "256x144"), edited
    assert (longer.status, longer.seconds, longer.size) == ("completed", "2", "256x144"), longer
    for video in (edited, longer):
        shown = service.client.get(f"/v1/jobs/{video.id}").json()
        traced = service.client.get(shown["links"]["film"].replace("content", "lineage")).json()
        assert sha256(content).hexdigest() in {each["sha256"] for each in traced["lineage"]}
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.videos.edit(prompt="x", video=("film.mp4", b"no video of ours"))
    assert refused.value.param == "video"
    with pytest.raises(openai.NotFoundError):
        client.videos.extend(
            prompt="x",
            seconds="4",
            video=openai.omit,  # type: ignore[arg-type]
            extra_body={"video": {"id": "job_none"}},
        )

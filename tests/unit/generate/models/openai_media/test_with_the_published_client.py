"""The stub says what the published client understands, so that both sides of the wire agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from engines.openai_media import Fault, OpenaiStub
from openai import NotFoundError, OpenAI

# The client says that OpenAI's own videos are gone; other engines still speak the dialect.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def engine() -> object:
    with OpenaiStub() as stub:
        yield stub


def client(engine: OpenaiStub, *, retries: int = 0) -> OpenAI:
    return OpenAI(base_url=engine.url, api_key="any", max_retries=retries)


def test_a_video_is_created_polled_fetched_listed_and_deleted(engine: OpenaiStub) -> None:
    with client(engine) as asked:
        video = asked.videos.create(prompt="A red room", model="sora-2", seconds="4")
        done = asked.videos.poll(video.id, poll_interval_ms=10)
        content = asked.videos.download_content(video.id).read()
        listed = [each.id for each in asked.videos.list(limit=5)]
        gone = asked.videos.delete(video.id)

        with pytest.raises(NotFoundError):
            asked.videos.retrieve(video.id)
    assert (done.status, done.progress, done.seconds) == ("completed", 100, "4")
    assert content[4:8] == b"ftyp"
    assert listed == [video.id]
    assert gone.deleted


def test_images_and_speech_are_answered_as_the_client_reads_them(
    engine: OpenaiStub, tmp_path: Path
) -> None:
    with client(engine) as asked:
        image = asked.images.generate(prompt="A red room", model="tiny", size="256x256")
        asked.audio.speech.create(model="tiny", voice="alloy", input="Good morning").write_to_file(
            tmp_path / "speech.wav"
        )

    assert image.data is not None
    assert image.data[0].b64_json is not None
    assert (tmp_path / "speech.wav").read_bytes().startswith(b"RIFF")


def test_the_client_tries_again_what_the_stub_says_may_pass(engine: OpenaiStub) -> None:
    engine.faults = [Fault("POST", "/videos", "status", status=429, headers={"retry-after": "0"})]
    with client(engine, retries=2) as asked:
        video = asked.videos.create(prompt="A red room", model="sora-2")

    assert video.status == "queued"
    assert engine.asked["POST /videos"] == 2

"""The stubs say what the services' published clients understand, so that both sides agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from engines.services import ServiceStub

WHY = "the services' published clients are not installed: pip install fal-client replicate runwayml"
fal: Any = pytest.importorskip("fal_client.client", reason=WHY)
replicate: Any = pytest.importorskip("replicate.client", reason=WHY)
runwayml: Any = pytest.importorskip("runwayml", reason=WHY)
polling: Any = pytest.importorskip("runwayml.lib.polling", reason=WHY)

# Replicate's client reads its answers with pydantic's old interface.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[ServiceStub]:
    with ServiceStub(request.param, key="right") as stub:
        stub.cost = 0.25
        yield stub


@pytest.mark.parametrize("service", ["replicate"], indirect=True)
def test_replicate_s_client_runs_waits_and_cancels(service: ServiceStub) -> None:
    client = replicate.Client(api_token="right", base_url=service.root)
    client.poll_interval = 0.01
    prediction = client.models.predictions.create("studio/tiny", input={"prompt": "A red room"})
    started = prediction.status
    prediction.wait()
    other = client.models.predictions.create("studio/tiny", input={"prompt": "Another"})
    other.cancel()

    assert (started, prediction.status) == ("starting", "succeeded")
    assert str(prediction.output).endswith("/files/job0000.mp4")
    assert service.cancelled == ["job0001"]


@pytest.mark.parametrize("service", ["fal"], indirect=True)
def test_fal_s_client_submits_looks_fetches_and_cancels(
    service: ServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client has no setting for where the queue is.
    monkeypatch.setattr(fal, "QUEUE_URL_FORMAT", f"{service.root}/")
    with_key: Any = fal.SyncClient(key="right")
    handle = with_key.submit("studio/tiny/v2/text-to-video", {"prompt": "A red room"})
    done = handle.get(interval=0.01)
    # From its name alone the client finds the same job, so it asks below the app, too.
    again = with_key.status("studio/tiny/v2/text-to-video", handle.request_id)
    other = with_key.submit("studio/tiny", {"prompt": "Another"})
    other.cancel()

    assert done["video"]["url"].endswith("/files/job0000.mp4")
    assert isinstance(again, fal.Completed)
    assert service.cancelled == ["job0001"]


@pytest.mark.parametrize("service", ["runway"], indirect=True)
def test_runway_s_client_makes_waits_for_and_deletes_tasks(
    service: ServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "POLL_TIME", 0.01)
    monkeypatch.setattr(polling, "POLL_JITTER", 0.0)
    with runwayml.RunwayML(api_key="right", base_url=service.root, max_retries=0) as client:
        asked: Any = {"model": "gen4_turbo", "prompt_image": "https://example.com/a.png"}
        task = client.image_to_video.create(**asked, ratio="1280:720", duration=5)
        done: Any = task.wait_for_task_output()
        other = client.image_to_video.create(**asked, ratio="1280:720", duration=5)
        client.tasks.delete(other.id)
        service.fails = "it could not"
        with pytest.raises(runwayml.TaskFailedError):
            client.image_to_video.create(
                **asked, ratio="1280:720", duration=5
            ).wait_for_task_output()

    assert (done.status, done.cost.credits) == ("SUCCEEDED", 25)
    assert done.output[0].endswith("/files/job0000.mp4")
    assert service.cancelled == ["job0001"]

"""A client that others wrote drives the stub: what it takes for ComfyUI, we may take for it, too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from comfy_api_simplified import ComfyApiWrapper, ComfyWorkflowWrapper
from comfy_api_simplified.exceptions import ComfyApiError
from engines.comfyui import ComfyuiStub
from studio_runs import PHOTO, REPOSITORY

WORKFLOW = REPOSITORY / "examples" / "models" / "comfyui-text-to-image.json"


@pytest.fixture
def engine() -> Iterator[ComfyuiStub]:
    # Slow enough that a client that connects after it has asked still hears the end.
    with ComfyuiStub(step_s=0.05) as stub:
        yield stub


def test_its_pictures_come_from_the_nodes_that_it_names(engine: ComfyuiStub) -> None:
    client, workflow = ComfyApiWrapper(engine.url), ComfyWorkflowWrapper(str(WORKFLOW))
    workflow.set_node_param("What is to be seen", "text", "a red door")
    workflow.set_node_param("Empty Latent Image", "width", 96)
    workflow.set_node_param("Empty Latent Image", "height", 64)

    found = client.queue_and_wait_images(workflow, "Save Image")

    [content] = found.values()
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (64, 96, 3)
    assert engine.executed[0].nodes["6"]["inputs"]["text"] == "a red door"


def test_its_uploads_and_questions_are_answered(engine: ComfyuiStub, tmp_path: Path) -> None:
    client = ComfyApiWrapper(engine.url)
    photo = tmp_path / "cup.png"
    photo.write_bytes(PHOTO.read_bytes())

    uploaded = client.upload_image(photo, subfolder="")

    assert uploaded == {"name": "cup.png", "subfolder": "", "type": "input"}
    assert engine.uploads["cup.png"] == PHOTO.read_bytes()
    assert "KSampler" in client.get_object_info("KSampler")
    assert client.get_queue() == {"queue_running": [], "queue_pending": []}


def test_it_is_refused_what_the_engine_refuses(engine: ComfyuiStub) -> None:
    document = json.loads(WORKFLOW.read_text())
    document["3"]["inputs"]["steps"] = 0

    with pytest.raises(ComfyApiError, match="400"):
        ComfyApiWrapper(engine.url).queue_prompt(document)

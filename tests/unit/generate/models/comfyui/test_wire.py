from __future__ import annotations

import json
import struct

import pytest

from cinefab.generate.models.comfyui.wire import (
    Began,
    Ended,
    Event,
    File,
    Finished,
    Preview,
    Step,
    read_event,
    read_outcome,
)

ENTRY = {
    "prompt": [3, "p1", {}, {"client_id": "c1"}, ["9"]],
    "outputs": {
        "9": {"images": [{"filename": "a_00001_.png", "subfolder": "x", "type": "output"}]},
        "12": {"gifs": [{"filename": "b.mp4", "subfolder": "", "type": "temp", "frame_rate": 8.0}]},
        "13": {"text": ["a caption"], "animated": [True]},
    },
    "status": {"status_str": "success", "completed": True, "messages": []},
    "meta": {},
}


def text(kind: str, **data: object) -> str:
    return json.dumps({"type": kind, "data": {"prompt_id": "p1", **data}})


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (text("progress", node="3", value=2, max=20), Step("3", 2.0, 20.0)),
        (text("executing", node="3"), Began("3")),
        (text("executing", node=None), Ended()),
        (text("executed", node="9", output={}), Finished(("9",))),
        (text("execution_cached", nodes=["4", "6"]), Finished(("4", "6"))),
        (text("execution_success"), Ended()),
        (text("execution_error", node_id="3"), Ended()),
        (struct.pack(">II", 1, 2) + b"\x89PNG", Preview(b"\x89PNG")),
    ],
)
def test_what_the_socket_says_is_read(message: str | bytes, event: Event) -> None:
    assert read_event(message, "p1") == event


@pytest.mark.parametrize(
    "message",
    [
        text("progress", node="3", value=2, max=20, prompt_id="another"),
        text("progress", node="3", value=21, max=20),
        text("progress", node="3", value="many", max=20),
        text("progress_state", nodes={}),
        '{"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 1}}}}',
        '{"type": "crystools.monitor", "data": []}',
        "no json",
        "[]",
        b"",
        struct.pack(">II", 3, 1) + b"9a text",
        struct.pack(">II", 4, 1 << 31) + b"{}",
        struct.pack(">II", 4, 2) + b"{}\xff\xd8",
    ],
)
def test_what_says_nothing_of_the_prompt_is_passed_over(message: str | bytes) -> None:
    assert read_event(message, "p1") is None


def test_a_preview_with_metadata_is_read_if_it_is_the_prompt_s() -> None:
    metadata = json.dumps({"prompt_id": "p1", "image_type": "image/jpeg"}).encode()
    message = struct.pack(">II", 4, len(metadata)) + metadata + b"\xff\xd8"

    assert read_event(message, "p1") == Preview(b"\xff\xd8")
    assert read_event(message, "p2") is None


def test_the_files_of_each_node_are_read_from_the_history() -> None:
    outcome = read_outcome(ENTRY, "p1")

    assert outcome is not None
    assert outcome.failure is None
    assert outcome.files["9"] == (File(filename="a_00001_.png", subfolder="x", type="output"),)
    assert outcome.files["12"] == (File(filename="b.mp4", subfolder="", type="temp"),)
    assert outcome.files["13"] == ()


def test_what_a_node_raised_is_read_from_the_history() -> None:
    messages = [
        ["execution_start", {"prompt_id": "p1"}],
        [
            "execution_error",
            {
                "node_id": "3",
                "node_type": "KSampler",
                "exception_type": "ValueError",
                "exception_message": "bad\n\x1b[31m steps",
            },
        ],
    ]
    outcome = read_outcome(ENTRY | {"status": {"status_str": "error", "messages": messages}}, "p1")

    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.kind == "KSampler"
    assert outcome.failure.message == "bad [31m steps"


@pytest.mark.parametrize("entry", [None, [], {}, ENTRY | {"prompt": [3, "p2", {}, {}, []]}])
def test_another_prompt_s_entry_is_none_of_ours(entry: object) -> None:
    assert read_outcome(entry, "p1") is None

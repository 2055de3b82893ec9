"""What a real ComfyUI 0.3.75 said, recorded from its port, against our readers and our stub.

The recording ran two nodes of its own that need no weights: one that shows steps with previews, one
that raises. Ids, times and the lines of its tracebacks are the only things that were taken out.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from engines.comfyui import ComfyuiStub
from websockets.sync.client import connect

from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.generate.models.comfyui.mapping import Input, Mapped
from cinefab.generate.models.comfyui.refusals import complaints, failed, refused
from cinefab.generate.models.comfyui.wire import (
    Began,
    Ended,
    Event,
    Finished,
    Step,
    read_event,
    read_outcome,
)
from cinefab.generate.models.comfyui.workflow import Place

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "recorded-0.3.75.json").read_text())
INPUTS = Mapped(
    inputs={
        "steps": Input(name="steps", places=(Place("2", "steps"),)),
        "prompt": Input(name="prompt", places=(Place("2", "text"),)),
    },
    guessed=False,
)


@pytest.fixture
def engine() -> Iterator[ComfyuiStub]:
    with ComfyuiStub(step_s=0.03) as stub:
        yield stub


def events(told: dict[str, Any]) -> list[Event]:
    prompt = told["body"]["prompt_id"]
    texts = [each for each in told["messages"] if "binary" not in each]
    found = (read_event(json.dumps(each), prompt) for each in texts)
    return [event for event in found if event is not None]


def test_a_real_run_is_followed_from_its_beginning_to_its_end() -> None:
    assert events(RECORDED["done"]) == [
        Finished(()),
        Began("1"),
        Began("2"),
        Step("2", 1.0, 3.0),
        Step("2", 2.0, 3.0),
        Step("2", 3.0, 3.0),
        Began("9"),
        Finished(("9",)),
        Ended(),
        Ended(),
    ]


def test_the_files_of_a_real_run_are_found_also_where_nothing_had_to_be_done() -> None:
    for name in ("done", "cached"):
        told = RECORDED[name]
        prompt = told["body"]["prompt_id"]

        outcome = read_outcome(told["history"][prompt], prompt)

        assert outcome is not None
        assert [each.filename for each in outcome.files["9"]] == [
            "abc_00001_.png",
            "abc_00002_.png",
        ]


def test_what_a_real_node_raised_is_the_brief_s_where_it_names_its_input() -> None:
    told = RECORDED["raised"]
    prompt = told["body"]["prompt_id"]
    outcome = read_outcome(told["history"][prompt], prompt)

    assert outcome is not None
    assert outcome.failure is not None
    error = failed(outcome.failure, INPUTS, model="mine")

    assert isinstance(error, BriefInvalid)
    assert error.field == "prompt"
    assert "RaisesValue" in error.found


def test_what_a_real_engine_refused_is_said_by_field() -> None:
    error = refused(RECORDED["refused"]["body"], 400, INPUTS, model="mine")

    assert isinstance(error, BriefInvalid)
    assert error.field == "model_settings.steps"


def test_an_output_that_a_real_engine_left_out_without_a_word_is_noticed() -> None:
    body = RECORDED["partly"]["body"]

    assert [each.input for each in complaints(body, output="9")] == ["steps"]
    assert complaints(body, output="12") == ()


def test_a_node_that_a_real_engine_does_not_have_is_named() -> None:
    error = refused(RECORDED["unknown"]["body"], 400, INPUTS, model="mine")

    assert isinstance(error, ContractMismatch)
    assert "node Nope" in error.found
    assert "Install" in error.remedy


@pytest.mark.parametrize(
    "name", ["done", "cached", "raised", "partly", "refused", "no_outputs", "unknown"]
)
def test_the_stub_speaks_as_the_real_one(name: str, engine: ComfyuiStub) -> None:
    if name in ("cached", "raised", "partly"):
        run(engine, "done")  # as it was there: what both have in common is cached

    said = run(engine, name)

    wanted = RECORDED[name]
    assert said["status"] == wanted["status"]
    if name == "unknown":
        # Later ones name the kind of this error otherwise.
        assert shape(said["body"]) == shape(wanted["body"])
        return
    assert kinds(said["body"]) == kinds(wanted["body"])
    if said["status"] != 200:
        return
    assert order(said) == order(wanted)
    for kind in set(order(wanted)):
        assert shapes(said, kind) == shapes(wanted, kind), kind
    assert shape(one(said["history"])) == shape(one(wanted["history"]))


def test_the_stub_answers_questions_as_the_real_one(engine: ComfyuiStub) -> None:
    with httpx.Client(base_url=engine.url) as client:
        assert client.get("/object_info/EmptyImage").json().keys() == {"EmptyImage"}
        said = client.get("/object_info/EmptyImage").json()["EmptyImage"]
        wanted = RECORDED["object_info"]["EmptyImage"]
        assert said["input"] == wanted["input"]
        assert said.keys() == wanted.keys()
        assert client.get("/object_info/Nope").json() == RECORDED["object_info_none"]
        assert client.get("/history/none").json() == RECORDED["history_none"]
        assert client.get("/view", params={"filename": "none.png"}).status_code == 404
        uploaded = client.post(
            "/upload/image",
            files={"image": ("a.png", b"\x89PNG", "image/png")},
            data={"overwrite": "true", "type": "input"},
        )
        assert uploaded.json() == RECORDED["upload"]
        stats = client.get("/system_stats").json()
        assert stats["system"].keys() >= RECORDED["system_stats"]["system"].keys()


def run(engine: ComfyuiStub, name: str) -> dict[str, Any]:
    """Do with the stub what was done with the real one."""
    document = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 32, "height": 32, "batch_size": 2, "color": 271},
        },
        "2": {"class_type": "ShowsSteps", "inputs": {"image": ["1", 0], "steps": 3}},
        "9": {
            "class_type": "SaveImage",
            "inputs": {"filename_prefix": "cinefab/abc", "images": ["2", 0]},
        },
    }
    match name:
        case "refused" | "partly":
            document["2"]["inputs"]["steps"] = 0  # type: ignore[index]
        case "unknown":
            document["2"]["class_type"] = "Nope"
        case "raised":
            document["2"] = {
                "class_type": "RaisesValue",
                "inputs": {"image": ["1", 0], "text": "a word"},
            }
        case "no_outputs":
            document = {"1": document["1"]}
    if name == "partly":
        document["12"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    client, prompt = uuid.uuid4().hex, str(uuid.uuid4())
    messages: list[Any] = []
    with connect(f"{engine.url.replace('http', 'ws')}/ws?clientId={client}") as socket:
        body = {
            "prompt": document,
            "client_id": client,
            "prompt_id": prompt,
            "extra_data": {"preview_method": "auto"},
        }
        answer = httpx.post(f"{engine.url}/prompt", json=body)
        if answer.status_code != 200:
            return {"status": answer.status_code, "body": answer.json()}
        until = time.monotonic() + 10
        while time.monotonic() < until:
            message = socket.recv(timeout=5)
            if isinstance(message, bytes):
                messages.append({"binary": message[:12].hex(), "size": len(message)})
                continue
            messages.append(json.loads(message))
            if messages[-1]["type"] == "executing" and messages[-1]["data"]["node"] is None:
                break
    return {
        "status": 200,
        "body": answer.json(),
        "messages": messages,
        "history": httpx.get(f"{engine.url}/history/{prompt}").json(),
    }


def one(history: dict[str, Any]) -> Any:
    [entry] = history.values()
    return entry


def order(told: dict[str, Any]) -> list[str]:
    """Return the kinds of messages in order, without those that only repeat others."""
    kinds = ["binary" if "binary" in each else each["type"] for each in told["messages"]]
    return [kind for kind in kinds if kind not in ("status", "progress_state")]


def shapes(told: dict[str, Any], kind: str) -> list[Any]:
    """Return the shapes of the messages of a kind."""
    if kind == "binary":
        return [each["binary"] for each in told["messages"] if "binary" in each]
    return [shape(each["data"]) for each in told["messages"] if each.get("type") == kind]


def shape(value: Any) -> Any:
    """Return names and types of a value; of plain lists only what is in them."""
    match value:
        case dict():
            return {name: shape(each) for name, each in value.items()}
        case list():
            found = [shape(each) for each in value]
            plain = all(isinstance(each, str) for each in found)
            return sorted(set(found)) if plain else found
        case _:
            return type(value).__name__


def kinds(body: Any) -> Any:
    """Return an answer's shape, with the kinds of its errors as they are."""
    if isinstance(body, dict):
        return {
            name: each if name in ("type", "input_name", "class_type") else kinds(each)
            for name, each in body.items()
        }
    return [kinds(each) for each in body] if isinstance(body, list) else type(body).__name__

"""What an engine says on its socket and in its history, read into values; nothing of it is believed.

Texts are `{"type": …, "data": …}`; binary messages begin with their kind as a big-endian 32-bit
number. What is about another prompt, or of a kind that is not known, is passed over.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

_PREVIEW: Final = 1
_PREVIEW_WITH_METADATA: Final = 4
_NUMBER: Final = struct.Struct(">I")
_METADATA_MAX: Final = 1 << 16
_TEXT_MAX: Final = 600
_FILES: Final = ("images", "gifs", "videos", "video")


@dataclass(frozen=True, slots=True)
class Step:
    """A node is at `value` of `of`."""

    node: str
    value: float
    of: float


@dataclass(frozen=True, slots=True)
class Began:
    """A node is being executed."""

    node: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Nodes that are done, or were already, because nothing of theirs changed."""

    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """An encoded picture of what there is so far."""

    picture: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The prompt is over; its history says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A node that raised: its id and class, the class of what it raised, and what that said."""

    node: str
    kind: str
    raised: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that an engine has made, as `/view` wants it named."""

    filename: str
    subfolder: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a prompt ended: the files of each node, what went wrong, and whether it was stopped."""

    files: Mapping[str, tuple[File, ...]]
    failure: Failure | None
    interrupted: bool


Event: TypeAlias = Step | Began | Finished | Preview | Ended


def read_event(message: str | bytes, prompt: str) -> Event | None:
    """Return what a message says of a prompt; None for what says nothing of it."""
    if isinstance(message, bytes):
        return _read_binary(message, prompt)
    try:
        told = json.loads(message)
        data = told["data"]
        if data.get("prompt_id") != prompt:
            return None
        return _read_text(str(told["type"]), data)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def read_outcome(entry: object, prompt: str) -> Outcome | None:
    """Return how a prompt ended from its entry in the history; None if the entry is another's."""
    if not isinstance(entry, Mapping) or prompt_of(entry.get("prompt")) != prompt:
        return None
    status = entry.get("status")
    messages = status.get("messages") if isinstance(status, Mapping) else None
    failure, interrupted = None, False
    for name, data in _pairs(messages):
        if name == "execution_error":
            failure = _failure(data)
        interrupted = interrupted or name == "execution_interrupted"
    if failure is None and not interrupted and _has_failed(status):
        failure = Failure(node="", kind="", raised="", message="it says no more")
    outputs = entry.get("outputs")
    made = outputs if isinstance(outputs, Mapping) else {}
    files = {str(node): tuple(_files(output)) for node, output in made.items()}
    return Outcome(files=files, failure=failure, interrupted=interrupted)


def prompt_of(item: object) -> str | None:
    """Return the id of a prompt from an item of the queue: `[number, id, nodes, extra, outputs]`."""
    return item[1] if _is_item(item) and isinstance(item[1], str) else None  # type: ignore[index]


def client_of(item: object) -> str | None:
    """Return who sent a prompt, from an item of the queue."""
    extra = item[3] if _is_item(item) else None  # type: ignore[index]
    client = extra.get("client_id") if isinstance(extra, Mapping) else None
    return client if isinstance(client, str) else None


def said(value: object) -> str:
    """Return a stranger's text, shortened and without control characters."""
    text = " ".join(str(value).split())
    return "".join(each for each in text if each.isprintable())[:_TEXT_MAX]


def _is_item(item: object) -> bool:
    return isinstance(item, list | tuple) and len(item) >= 4


def _read_text(kind: str, data: Mapping[str, Any]) -> Event | None:
    match kind:
        case "progress":
            value, of = float(data["value"]), float(data["max"])
            return Step(str(data["node"]), value, of) if 0 <= value <= of and of > 0 else None
        case "executing":
            return Ended() if data["node"] is None else Began(str(data["node"]))
        case "executed":
            return Finished((str(data["node"]),))
        case "execution_cached":
            return Finished(tuple(str(node) for node in data["nodes"]))
        case "execution_success" | "execution_error" | "execution_interrupted":
            return Ended()
        case _:
            return None


def _read_binary(message: bytes, prompt: str) -> Preview | None:
    if len(message) <= 8:
        return None
    kind, second = _NUMBER.unpack_from(message)[0], _NUMBER.unpack_from(message, 4)[0]
    if kind == _PREVIEW:
        return Preview(message[8:])
    if kind != _PREVIEW_WITH_METADATA or second > min(_METADATA_MAX, len(message) - 8):
        return None
    try:
        metadata = json.loads(message[8 : 8 + second])
    except ValueError:
        return None
    if not isinstance(metadata, dict) or metadata.get("prompt_id") != prompt:
        return None
    return Preview(message[8 + second :])


def _pairs(messages: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for pair in messages if isinstance(messages, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], Mapping):
            yield str(pair[0]), pair[1]


def _has_failed(status: object) -> bool:
    return isinstance(status, Mapping) and status.get("status_str") == "error"


def _failure(data: Mapping[str, Any]) -> Failure:
    return Failure(
        node=str(data.get("node_id", "")),
        kind=said(data.get("node_type", "")),
        raised=said(data.get("exception_type", "")),
        message=said(data.get("exception_message", "")),
    )


def _files(output: object) -> Iterator[File]:
    if not isinstance(output, Mapping):
        return
    for name in _FILES:
        for each in output.get(name) if isinstance(output.get(name), list) else ():  # type: ignore[union-attr]
            if isinstance(each, Mapping) and isinstance(each.get("filename"), str):
                yield File(
                    filename=each["filename"],
                    subfolder=str(each.get("subfolder") or ""),
                    type=str(each.get("type") or "output"),
                )

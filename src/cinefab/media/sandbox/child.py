"""The sandboxed process: load the task, lock down, say so, take one payload, answer, end.

A task that is a generator answers piece by piece, so that no end of it has to hold the whole.

Started as `python -I -m cinefab.media.sandbox.child TASK PARENT MEMORY_BYTES CPU_SECONDS
PAYLOAD_BYTES`, with pipes as standard input, output and error.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from cinefab.media.sandbox import lockdown
from cinefab.media.sandbox.outcome import PayloadRefused
from cinefab.media.sandbox.wire import FrameReader, frame

Piece = tuple[dict[str, Any], Sequence[bytes | memoryview]]
"""Facts and blobs."""

Task = Callable[..., Piece | Iterator[Piece]]
"""Called with the payload and the arguments; returns one answer, or yields it in pieces."""

_ANSWERS: Final = 3
_TEXT_MAX: Final = 600


def main(arguments: Sequence[str]) -> None:
    """Serve one payload and end the process."""
    task_name, parent, memory_bytes, cpu_seconds, payload_bytes = arguments
    lockdown.die_with(int(parent))
    # Whatever a library prints must not end up among the answers.
    os.dup2(1, _ANSWERS)
    os.dup2(2, 1)
    task = _load(task_name)
    os.closerange(_ANSWERS + 1, os.sysconf("SC_OPEN_MAX"))
    report = lockdown.lock_down(
        memory_bytes=int(memory_bytes), cpu_seconds=int(cpu_seconds), parent_id=int(parent)
    )
    _send({"ready": asdict(report)}, ())
    request = FrameReader(blob_bytes_max=int(payload_bytes))
    request.read_from(0)
    for head, blobs in _answers(task, request.blobs.pop(), request.head["arguments"]):
        _send(head, blobs)


def _load(name: str) -> Task:
    module_name, _, function_name = name.partition(":")
    module = importlib.import_module(module_name)
    # Libraries open files when they are first used, which is too late behind the lock.
    warm_up = getattr(module, "warm_up", None)
    if warm_up is not None:
        warm_up()
    task: Task = getattr(module, function_name)
    return task


def _answers(task: Task, payload: bytearray, arguments: dict[str, Any]) -> Iterator[Piece]:
    try:
        answer = task(bytes(payload), **arguments)
        del payload
        if isinstance(answer, tuple):
            facts, blobs = answer
            yield {"outcome": "done", "facts": facts}, blobs
            return
        for facts, blobs in answer:
            yield {"outcome": "piece", "facts": facts}, blobs
        yield {"outcome": "done", "facts": {}}, ()
    except PayloadRefused as error:
        said = {"found": error.found[:_TEXT_MAX], "remedy": error.remedy[:_TEXT_MAX]}
        yield {"outcome": "refused", "cause": error.cause, **said}, ()
    except MemoryError:
        yield {"outcome": "memory"}, ()
    except Exception as error:  # noqa: BLE001 - the process's one outermost handler
        yield {"outcome": "failed", "found": f"{type(error).__name__}: {error}"[:_TEXT_MAX]}, ()


def _send(head: dict[str, Any], blobs: Sequence[bytes | memoryview]) -> None:
    for piece in frame(head, blobs):
        view = memoryview(piece)
        while view:
            view = view[os.write(_ANSWERS, view) :]


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # nothing is left to tidy, and less runs behind the lock

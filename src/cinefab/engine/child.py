"""The other end of `engine.processes`: a process that runs one task after another until told to go.

Frames on a socket: four bytes of length, then JSON. First comes one that sets the process up, then
one a task; each task is answered by a frame that says it was taken up, any number of progress
frames, and one that ends it. Whatever the task prints goes to standard error, so that nothing it
says can be taken for an answer.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cinefab.core.canonical import Json
from cinefab.core.clock import Clock, SystemClock
from cinefab.engine.memory import is_unclean, out_of_memory
from cinefab.engine.wire import dump, encode_error

HEADER: Final = struct.Struct(">I")
"""How long the frame is that follows, in bytes."""

_PR_SET_PDEATHSIG: Final = 1
_FIRST_TO_GO: Final = "500"


def main() -> None:
    """Serve the socket whose descriptor is the first argument until its other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    channel = socket.socket(fileno=int(sys.argv[1]))
    os.dup2(2, 1)
    setup = _receive(channel)
    if setup is None:
        return
    _die_with(setup["parent"])
    _set_up(setup)
    clock = SystemClock()
    _send(channel, {"ready": True})
    while (order := _receive(channel)) is not None:
        _send(channel, {"taken": True})
        answer = _answer(order, channel, clock)
        _send(channel, answer)
        if "leaves" in answer:
            return


def _set_up(setup: dict[str, Any]) -> None:
    os.environ.update(setup["environment"])  # noqa: TID251 - written for libraries, never read
    sys.path[:] = setup["path"]
    if setup["niceness"]:
        os.nice(setup["niceness"])
    _limit_memory(setup["memory_mb"])
    gc.disable()  # what modules make is there to stay: nothing of it is garbage
    for module in setup["preload"]:
        # A task that needs the module will say what is wrong with it, to somebody who waits.
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    gc.freeze()
    gc.enable()


def _limit_memory(memory_mb: int | None) -> None:
    # Where memory runs out, the kernel ends this process before the studio, whose work it is not.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
    if memory_mb is not None:
        import resource  # noqa: PLC0415 - most processes have no limit

        limit = memory_mb << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _answer(order: dict[str, Any], channel: socket.socket, clock: Clock) -> dict[str, Json]:
    began_us = clock.elapsed_us()
    loaded_us = began_us

    def report(news: Json) -> None:
        _send(channel, {"progress": news})

    try:
        is_warm = order["task"].partition(":")[0] in sys.modules
        function = _load(order["task"])
        loaded_us = began_us if is_warm else clock.elapsed_us()
        body = dump(function(order["argument"], report))
    except BaseException as error:  # noqa: BLE001 - whatever it is, somebody is waiting for it
        attempted = f"run {order['task']} in a process of its own"
        leaves: dict[str, Json] = {"leaves": True} if is_unclean(error) else {}
        told = out_of_memory(error, attempted=f"run {order['task']}") or error
        return {"error": encode_error(told, attempted=attempted), **leaves}
    took_us = clock.elapsed_us() - began_us
    return {
        "value": json.loads(body),
        "load_us": loaded_us - began_us,
        "worker_us": took_us,
    }


def _load(task: str) -> Callable[[Json, Callable[[Json], None]], Json]:
    module, _, name = task.partition(":")
    function: Callable[[Json, Callable[[Json], None]], Json]
    function = getattr(importlib.import_module(module), name)
    return function


def _receive(channel: socket.socket) -> dict[str, Any] | None:
    header = _receive_exactly(channel, HEADER.size)
    if header is None:
        return None
    body = _receive_exactly(channel, HEADER.unpack(header)[0])
    if body is None:
        return None
    message: dict[str, Any] = json.loads(body)
    return message


def _receive_exactly(channel: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        # The parent may die between a header and its body: that is an end like any other.
        part = channel.recv(size - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)


def _send(channel: socket.socket, message: Json) -> None:
    body = dump(message)
    channel.sendall(HEADER.pack(len(body)) + body)


def _die_with(parent: int) -> None:
    # A task deep in native code does not see its socket close; the kernel's signal reaches it.
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - there is no prctl elsewhere

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


if __name__ == "__main__":
    main()

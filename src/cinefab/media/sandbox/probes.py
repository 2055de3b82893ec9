"""Functions that misbehave in every way the sandbox must stop; `doctor` and the tests run them.

Each has a task's shape. Those that try a thing return `{"got": …}` with what the system answered.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

_Answer = tuple[dict[str, Any], list[bytes]]


def echo(payload: bytes, **arguments: Any) -> _Answer:
    """Return the payload and the arguments: what a well-behaved task does."""
    return {"arguments": arguments}, [payload]


def open_file(payload: bytes, *, path: str = "/etc/passwd") -> _Answer:
    """Read a file."""
    return _try(lambda: Path(path).read_bytes())


def create_file(payload: bytes, *, path: str = "/tmp/cinefab-probe") -> _Answer:  # noqa: S108 - a place that anyone may write to is the point
    """Write a file."""
    return _try(lambda: Path(path).write_bytes(b"x"))


def list_folder(payload: bytes) -> _Answer:
    """List a folder."""
    return _try(lambda: os.listdir("/"))  # noqa: PTH208 - the bare call is what is tried


def open_socket(payload: bytes) -> _Answer:
    """Reach for the network."""
    return _try(lambda: socket.socket().close())


def start_program(payload: bytes) -> _Answer:
    """Become another program."""
    return _try(lambda: os.execv("/bin/true", ["true"]))  # noqa: S606 - what must fail


def fork(payload: bytes) -> _Answer:
    """Become two."""
    return _try(os.fork)


def kill_parent(payload: bytes) -> _Answer:
    """Kill the process that started this one."""
    return _try(lambda: os.kill(os.getppid(), signal.SIGKILL))


def map_code(payload: bytes) -> _Answer:
    """Ask for memory that can be both written and executed."""
    rights = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    return _try(lambda: mmap.mmap(-1, 4096, prot=rights).close())


def eat_memory(payload: bytes) -> _Answer:
    """Take memory until there is none."""
    kept = []
    while True:
        kept.append(bytearray(1 << 24))


def spin(payload: bytes) -> _Answer:
    """Use the processor for ever."""
    while True:
        pass


def wait(payload: bytes) -> _Answer:
    """Wait for ever, using nothing."""
    os.read(0, 1)  # the parent keeps the pipe open and sends nothing more
    raise AssertionError("there was something to read")


def crash(payload: bytes, *, signal_number: int = signal.SIGSEGV) -> _Answer:
    """Die of a signal, as a decoder with a wild pointer does."""
    if signal_number == signal.SIGABRT:
        os.abort()
    ctypes.string_at(0)
    raise AssertionError("reading address 0 went well")


def leave(payload: bytes) -> _Answer:
    """End without an answer."""
    os._exit(7)


def fail(payload: bytes) -> _Answer:
    """Raise what no task should, with text that would steer a terminal."""
    raise ValueError("\x1b[2Jbad\r\nvalue" + "x" * 5000)


def answer_raw(payload: bytes) -> _Answer:
    """Answer with the payload's own bytes, as a decoder that was taken over may."""
    os.write(3, payload)
    os._exit(0)


def answer_film(payload: bytes, **_arguments: Any) -> _Answer:
    """Answer as `answer_raw` does, whatever a film's decoder is told."""
    return answer_raw(payload)


def write_garbage(payload: bytes) -> _Answer:
    """Answer with bytes that are no frame."""
    os.write(3, b"GET / HTTP/1.1\r\n\r\n" * 100)
    os._exit(0)


def announce_too_much(payload: bytes, *, length: int = 1 << 60) -> _Answer:
    """Announce a blob that is larger than any limit."""
    _write_head(b'{"outcome":"done","facts":{},"blobs":[%d]}' % length)
    os._exit(0)


def announce_more_than_comes(payload: bytes) -> _Answer:
    """Announce a blob of a decent size, and send half of it."""
    _write_head(b'{"outcome":"done","facts":{},"blobs":[100000]}')
    os.write(3, bytes(50_000))
    os._exit(0)


def nest(payload: bytes) -> _Answer:
    """Answer with JSON nested deeper than a parser's stack."""
    _write_head(b"[" * 60_000)
    os._exit(0)


def chatter(payload: bytes, *, megabytes: int = 64) -> _Answer:
    """Write a lot to standard error and to standard output, then answer."""
    for _ in range(megabytes):
        os.write(1, b"o" * (1 << 19))
        os.write(2, b"e" * (1 << 19))
    return {}, []


def _write_head(head: bytes) -> None:
    os.write(3, struct.pack(">I", len(head)) + head)


def _try(action: Callable[[], object]) -> _Answer:
    try:
        got = repr(action())
    except OSError as error:
        got = type(error).__name__
    return {"got": got[:100]}, []

"""One exchange with a process that is not trusted: write, read, drain, never past the deadline."""

from __future__ import annotations

import fcntl
import os
import selectors
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto
from typing import IO, Final, Protocol

from cinefab.core.clock import Clock
from cinefab.media.sandbox.wire import FrameReader, WireError

_CHUNK_BYTES: Final = 1 << 20
_LOG_BYTES_KEPT: Final = 8192


class Ending(Enum):
    """How an exchange ended."""

    COMPLETE = auto()
    CLOSED = auto()
    LATE = auto()
    MALFORMED = auto()


class Pipes(Protocol):
    """The three pipes of a started process."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None


class Talk:
    """Speaks with one process over its pipes; `log` keeps the last of its standard error."""

    def __init__(self, process: Pipes, *, clock: Clock) -> None:
        assert process.stdin is not None, "the process was started with pipes"
        assert process.stdout is not None, "the process was started with pipes"
        assert process.stderr is not None, "the process was started with pipes"
        self._stdin = process.stdin.fileno()
        self._stdout = process.stdout.fileno()
        self._stderr = process.stderr.fileno()
        for descriptor in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(descriptor, False)
        # Pixels come by the megabyte: fewer, longer turns. A user may have used up what pipes get.
        with suppress(OSError):
            fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, _CHUNK_BYTES)
        self._clock = clock
        self._log = bytearray()
        self._stderr_open = True

    @property
    def log(self) -> str:
        """The end of what the process wrote to standard error, printable characters only."""
        return printable(self._log.decode("utf-8", "replace"), length_max=_LOG_BYTES_KEPT)

    def exchange(
        self, outgoing: Sequence[bytes | memoryview], answer: FrameReader, *, within_seconds: float
    ) -> Ending:
        """Send `outgoing` while reading one frame into `answer`, and say how it ended."""
        deadline_us = self._clock.elapsed_us() + round(within_seconds * 1_000_000)
        waiting = [memoryview(piece).cast("B") for piece in outgoing if piece]
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            if self._stderr_open:
                selector.register(self._stderr, selectors.EVENT_READ)
            if waiting:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            while not answer.done:
                left_us = deadline_us - self._clock.elapsed_us()
                if left_us <= 0:
                    return Ending.LATE
                for key, _ in selector.select(left_us / 1_000_000):
                    if key.fd == self._stdin:
                        if not _send_some(self._stdin, waiting):
                            selector.unregister(self._stdin)
                    elif key.fd == self._stderr:
                        if not self._keep_log():
                            selector.unregister(self._stderr)
                    else:
                        ending = _receive_some(self._stdout, answer)
                        if ending is not None:
                            return ending
        return Ending.COMPLETE

    def drain_log(self) -> None:
        """Take in what a process that has ended left in its standard error."""
        while self._stderr_open and self._keep_log():
            pass

    def _keep_log(self) -> bool:
        try:
            piece = os.read(self._stderr, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        self._log = (self._log + piece)[-_LOG_BYTES_KEPT:]
        self._stderr_open = bool(piece)
        return self._stderr_open


def printable(text: str, *, length_max: int) -> str:
    """Return `text` shortened and without what could steer a terminal or break a line."""
    return "".join(c if c.isprintable() else " " for c in text[:length_max]).strip()


def _send_some(descriptor: int, waiting: list[memoryview]) -> bool:
    """Write what fits; say whether there is more to write."""
    try:
        count = os.write(descriptor, waiting[0][:_CHUNK_BYTES])
    except BlockingIOError:
        return True
    except BrokenPipeError:
        return False  # the process has ended; its closed output says the rest
    waiting[0] = waiting[0][count:]
    if not waiting[0]:
        waiting.pop(0)
    return bool(waiting)


def _receive_some(descriptor: int, answer: FrameReader) -> Ending | None:
    try:
        count = os.readv(descriptor, [answer.room()])
        if count == 0:
            return Ending.CLOSED
        answer.filled(count)
    except BlockingIOError:
        return None
    except WireError:
        return Ending.MALFORMED
    return None

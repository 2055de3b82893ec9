"""One process that runs tasks, seen from outside: started, asked, and ended whatever it is doing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Final

from cinefab.core.canonical import Json
from cinefab.core.clock import Clock
from cinefab.core.errors import NativeCrash, OutOfMemory, WorkerLost
from cinefab.engine.child import HEADER
from cinefab.engine.memory import REMEDY, kills_for_memory, says_out_of_memory
from cinefab.engine.wire import dump

_STDERR_BYTES_MAX: Final = 16_384
_READ_BYTES: Final = 65_536
_REAP_S: Final = 5.0
_MODULE: Final = "cinefab.engine.child"
_CRASHES: Final = frozenset(
    {"SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"}
)
"""What the kernel, or a library that gives up, sends to broken native code."""


class ProcessDied(Exception):
    """The process is gone; ask `WorkerProcess.end` what it died of."""


class NeverTaken(ProcessDied):
    """The process was gone before it took the task up, so nothing of the task was done."""


class TimeUp(Exception):
    """The process did not answer in the time it was given."""


class Silent(TimeUp):
    """The process told nothing for longer than it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a process ended, in words, and the end of what it wrote to standard error.

    `for_memory` says that the kernel ended processes meanwhile because memory ran out.
    """

    found: str
    by_signal: str | None
    stderr: str
    for_memory: bool = False

    def as_error(self, *, attempted: str) -> WorkerLost | OutOfMemory:
        """Return the report for whoever waited; its field `stderr` is for the log."""
        error = self._error(attempted)
        error.__dict__["stderr"] = self.stderr
        return error

    def _error(self, attempted: str) -> WorkerLost | OutOfMemory:
        if self.by_signal == "SIGKILL" and self.for_memory:
            found = "the machine ran out of memory, and the kernel ended its process"
            return OutOfMemory(attempted=attempted, found=found, remedy=REMEDY)
        if self.by_signal in _CRASHES and says_out_of_memory(self.stderr):
            found = f"no memory was left for it, and {self.found}"
            return OutOfMemory(attempted=attempted, found=found, remedy=REMEDY)
        if self.by_signal in _CRASHES:
            return NativeCrash(
                attempted=attempted,
                found=f"{self.found}: native code in it crashed",
                remedy="Its process was replaced. If it happens again with the same brief, choose "
                "another model or another device, and report it to whoever makes the model.",
            )
        remedy = "Run it again; if it dies again, this is a fault: report it with the log."
        if self.by_signal == "SIGKILL":
            remedy = (
                "This is how a machine ends a process when memory runs out: close other programs "
                "or use fewer workers, then run it again."
            )
        return WorkerLost(attempted=attempted, found=self.found, remedy=remedy)


class WorkerProcess:
    """A child process and its socket; one thread owns it, any thread may `kill` it.

    The thread that starts it must outlive it: on Linux the kernel ends the process together with
    that thread.
    """

    def __init__(self, setup: Mapping[str, Json], clock: Clock) -> None:
        self._clock = clock
        self._received = bytearray()
        self._death: Death | None = None
        self._is_killed = False
        self._kills_before = kills_for_memory()
        self._channel, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, on our own module
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
            )
        except BaseException:
            self._channel.close()
            raise
        finally:
            theirs.close()
        assert self._process.stderr is not None, "asked for above"
        self._stderr = _Tail(self._process.stderr)
        with contextlib.suppress(ProcessDied, TimeUp):
            self._send({**setup, "parent": os.getpid()})

    @property
    def is_alive(self) -> bool:
        """Whether the process runs and nobody has killed it; one that ended is reaped by asking."""
        return not self._is_killed and self._process.poll() is None

    def wait_until_ready(self, timeout_s: float) -> None:
        """Return once its modules are loaded; raise `ProcessDied` or `TimeUp`."""
        self._receive(self._clock.elapsed_us() + round(timeout_s * 1_000_000))

    def ask(
        self,
        order: Mapping[str, Json],
        *,
        timeout_s: float,
        silence_s: float | None = None,
        on_progress: Callable[[Json], None],
    ) -> dict[str, Any]:
        """Return the last frame of its answer; raise `NeverTaken`, `ProcessDied` or `TimeUp`.

        `Silent` is raised where it tells nothing for `silence_s`.
        """
        until_us = self._clock.elapsed_us() + round(timeout_s * 1_000_000)
        self._channel.settimeout(timeout_s)
        try:
            self._send(order)
            self._receive(until_us)
        except ProcessDied as error:
            raise NeverTaken from error
        while True:
            frame = self._hear(until_us, silence_s)
            if "progress" not in frame:
                return frame
            on_progress(frame["progress"])

    def kill(self) -> None:
        """End the process at once; whoever waits for its answer gets `ProcessDied`."""
        self._is_killed = True
        self._process.kill()

    def end(self) -> Death:
        """End the process if it still runs, leave nothing of it behind, and say how it ended."""
        if self._death is not None:
            return self._death
        self._channel.close()
        if self.is_alive:
            # Its socket has closed: one that is on its way out gets a moment to say why.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        self._process.kill()
        code = self._process.wait(_REAP_S)
        by_signal = signal.Signals(-code).name if code < 0 else None
        found = f"its process was ended by {by_signal}" if by_signal else f"it exited with {code}"
        self._death = Death(
            found=found,
            by_signal=by_signal,
            stderr=self._stderr.close(),
            for_memory=kills_for_memory() > self._kills_before,
        )
        return self._death

    def _send(self, message: Mapping[str, Json]) -> None:
        body = dump(message)
        try:
            self._channel.sendall(HEADER.pack(len(body)) + body)
        except TimeoutError as error:
            raise TimeUp from error
        except OSError as error:
            raise ProcessDied from error

    def _hear(self, until_us: int, silence_s: float | None) -> dict[str, Any]:
        if silence_s is None:
            return self._receive(until_us)
        quiet_until_us = self._clock.elapsed_us() + round(silence_s * 1_000_000)
        if quiet_until_us >= until_us:
            return self._receive(until_us)
        try:
            return self._receive(quiet_until_us)
        except TimeUp as error:
            raise Silent from error

    def _receive(self, until_us: int) -> dict[str, Any]:
        size: int = HEADER.unpack(self._receive_exactly(HEADER.size, until_us))[0]
        frame: dict[str, Any] = json.loads(self._receive_exactly(size, until_us))
        return frame

    def _receive_exactly(self, size: int, until_us: int) -> bytes:
        while len(self._received) < size:
            left_us = until_us - self._clock.elapsed_us()
            if left_us <= 0:
                raise TimeUp
            self._channel.settimeout(left_us / 1_000_000)
            try:
                part = self._channel.recv(_READ_BYTES)
            except TimeoutError as error:
                raise TimeUp from error
            except OSError as error:
                raise ProcessDied from error
            if not part:
                raise ProcessDied
            self._received += part
        body = bytes(self._received[:size])
        del self._received[:size]
        return body


class _Tail:
    """Drains a pipe, so that its writer never blocks, and keeps the end of what came."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._kept = b""
        self._thread = threading.Thread(target=self._drain, name="compute-stderr", daemon=True)
        self._thread.start()

    def close(self) -> str:
        """Return what was kept, once the writers are gone or have had a moment to finish."""
        # A process that the child started may hold the pipe open; nobody waits for that one.
        self._thread.join(0.2)
        return self._kept.decode(errors="replace")

    def _drain(self) -> None:
        with self._pipe:
            while part := os.read(self._pipe.fileno(), _READ_BYTES):
                self._kept = (self._kept + part)[-_STDERR_BYTES_MAX:]

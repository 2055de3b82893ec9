"""Runs a named function on untrusted bytes in a fresh process that can do nothing else.

    with Sandbox(SandboxLimits(), confinement=Confinement.REQUIRED) as sandbox:
        result = sandbox.run("package.module:function", payload, arguments={})

One process serves one payload and then ends, so no payload sees another. Whatever happens in
there, the caller gets an answer or a `DecodeRefused` within the limits.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from cinefab.core.canonical import Json
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.errors import SandboxUnavailable
from cinefab.media.sandbox.outcome import Cause, Confinement, DecodeRefused, SandboxLimits
from cinefab.media.sandbox.talk import Ending, Talk, printable
from cinefab.media.sandbox.wire import FrameReader, frame

_MACHINE: Final = SystemClock()  # a real process can only be timed by the machine's clock
_TEXT_MAX: Final = 600
_SMALLER: Final = "Send a smaller or simpler file."
_EXPORT: Final = "The file is broken or hostile; export it again."
_ATTACK: Final = "The file probably attacks decoders; do not use it."
# One thread: a thread that starts before the lock would stay outside it.
_ENVIRONMENT: Final = {"LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxResult:
    """What the function returned, and the end of what its libraries wrote to standard error.

    All of it was written by a process that had read a stranger's bytes: plain data of bounded
    size, but of whatever content; the caller checks it against what it knows.
    """

    facts: dict[str, Any]
    blobs: tuple[bytearray, ...]
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfinementReport:
    """Which confinements hold on this machine (ABI 0: no Landlock), and why others do not."""

    landlock_abi: int
    seccomp: bool
    reasons: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether files, network and system calls are all out of reach."""
        return self.landlock_abi > 0 and self.seccomp


class Sandbox:
    """Starts, locks down, feeds and ends the processes; may be used by many threads at once.

    `close()` it, or use it as a context manager: its processes end with it, and also when the
    process that owns it dies.
    """

    def __init__(
        self, limits: SandboxLimits, *, confinement: Confinement, clock: Clock = _MACHINE
    ) -> None:
        self._limits = limits
        self._confinement = confinement
        self._clock = clock
        self._warm: dict[str, _Child] = {}
        self._lock = threading.Lock()
        # The kernel kills a child with the thread that started it, so one thread starts them
        # all and lives as long as the sandbox does.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-starter")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def confinement(self) -> Confinement:
        """Whether this machine's confinement must hold before anything is decoded."""
        return self._confinement

    def warm(self, task: str) -> None:
        """Have a process for the next payload of `task` loading in the background."""
        with self._lock:
            if task not in self._warm:
                self._warm[task] = self._start(task)

    def run(
        self,
        task: str,
        payload: bytes,
        *,
        arguments: Mapping[str, Json] | None = None,
        called: str = "untrusted bytes",
    ) -> SandboxResult:
        """Call `task`, a `package.module:function` of ours, on `payload` behind the lock.

        The function returns JSON-like facts and a list of blobs; `called` is what errors call
        the payload. Raises `DecodeRefused` when the
        payload is refused, takes too much or brings the process down, and `SandboxUnavailable`
        when the process cannot be started or locked down.
        """
        limits = self._limits
        self._check_payload(payload, called)
        with self._take(task) as child:
            self._check(child.report)
            answer = FrameReader(blob_bytes_max=limits.answer_bytes)
            request = frame({"arguments": dict(arguments or {})}, [payload])
            ending = child.talk.exchange(request, answer, within_seconds=limits.wall_seconds)
            code = child.end()
            return _result(called, ending, answer, code=code, log=child.talk.log, limits=limits)

    def stream(
        self,
        task: str,
        payload: bytes | memoryview,
        *,
        arguments: Mapping[str, Json] | None = None,
        called: str = "untrusted bytes",
    ) -> Generator[SandboxResult]:
        """Call `task`, a generator of ours, behind the lock, and yield its pieces as they come.

        Each piece is at most `answer_bytes` long, and so is what is held of the answer at any
        time: a process that is ahead of its reader waits. `wall_seconds` counts the time that
        the reader waits. Raises as `run` does, also after pieces that were good: they are to be
        kept only when the iterator has ended. Close the iterator to end the process early.
        """
        limits = self._limits
        self._check_payload(payload, called)
        with self._take(task) as child:
            self._check(child.report)
            outgoing = frame({"arguments": dict(arguments or {})}, [payload])
            left_us = round(limits.wall_seconds * 1_000_000)
            while True:
                answer = FrameReader(blob_bytes_max=limits.answer_bytes)
                began_us = self._clock.elapsed_us()
                ending = child.talk.exchange(
                    outgoing, answer, within_seconds=max(0, left_us) / 1_000_000
                )
                left_us -= self._clock.elapsed_us() - began_us
                outgoing = []
                if ending is not Ending.COMPLETE or answer.head.get("outcome") != "piece":
                    code = child.end()
                    log = child.talk.log
                    _result(called, ending, answer, code=code, log=log, limits=limits)
                    return
                yield _piece(called, answer)

    def confinement_of(self, task: str) -> ConfinementReport:
        """Start a process for `task`, and return what it says of its own confinement."""
        with self._take(task) as child:
            return child.report

    def close(self) -> None:
        """End every process that still waits for a payload."""
        with self._lock:
            waiting, self._warm = list(self._warm.values()), {}
        for child in waiting:
            child.end()
        self._starter.shutdown()

    def _take(self, task: str) -> _Child:
        with self._lock:
            child = self._warm.pop(task, None)
        if child is not None:
            try:
                child.wait_until_ready(self._limits.start_seconds)
            except SandboxUnavailable:
                child.end()  # it died while it waited: another is started below
            else:
                return child
        child = self._start(task)
        try:
            child.wait_until_ready(self._limits.start_seconds)
        except BaseException:
            child.end()
            raise
        return child

    def _start(self, task: str) -> _Child:
        command = [
            *(sys.executable, "-I", "-B", "-m", "cinefab.media.sandbox.child", task),
            *(str(os.getpid()), str(self._limits.memory_bytes), str(self._limits.cpu_seconds)),
            str(self._limits.payload_bytes),
        ]
        return _Child(self._starter.submit(_spawn, command).result(), clock=self._clock)

    def _check_payload(self, payload: bytes | memoryview, called: str) -> None:
        limit = self._limits.payload_bytes
        if len(payload) > limit:
            raise DecodeRefused(
                cause=Cause.TOO_LARGE,
                attempted=f"decode {called}",
                found=f"it has {len(payload):,} bytes, at most {limit:,} are taken",
                remedy="Make it smaller, or raise the sandbox's payload limit.",
            )

    def _check(self, report: ConfinementReport) -> None:
        if self._confinement is Confinement.REQUIRED and not report.holds:
            raise SandboxUnavailable(
                attempted="confine the decoding of untrusted media",
                found="; ".join(report.reasons) or "the process did not lock itself down",
                remedy="Use Linux 5.13 or later with Landlock and seccomp switched on (x86_64 or "
                "aarch64), or accept the risk with the setting confinement: best-effort.",
            )


class _Child:
    """One process of the sandbox, from its start to its end."""

    def __init__(self, process: subprocess.Popen[bytes], *, clock: Clock) -> None:
        self._process = process
        self.talk = Talk(process, clock=clock)
        self.report = ConfinementReport(landlock_abi=0, seccomp=False, reasons=())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.end()

    def wait_until_ready(self, within_seconds: float) -> None:
        """Take in the report on its confinement; raise `SandboxUnavailable` if none comes."""
        greeting = FrameReader(blob_bytes_max=0)
        ending = self.talk.exchange((), greeting, within_seconds=within_seconds)
        if ending is not Ending.COMPLETE:
            code = self.end()
            raise SandboxUnavailable(
                attempted="start the process that decodes untrusted media",
                found=f"it was not ready ({ending.name.lower()}, exit code {code}): "
                f"{self.talk.log[-_TEXT_MAX:] or 'it said nothing'}",
                remedy="Run `cinefab doctor`; it says what this machine lacks.",
            )
        ready = greeting.head["ready"]
        self.report = ConfinementReport(
            landlock_abi=ready["landlock_abi"],
            seccomp=ready["seccomp"],
            reasons=tuple(ready["reasons"]),
        )

    def end(self) -> int:
        """Kill it if it still runs, close its pipes, and return its exit code."""
        with suppress(ProcessLookupError):
            self._process.kill()
        code = self._process.wait()
        if self._process.stderr is not None and not self._process.stderr.closed:
            self.talk.drain_log()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        return code


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
            cwd="/",
            close_fds=True,
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxUnavailable(
            attempted="start the process that decodes untrusted media",
            found=str(error),
            remedy="Free some memory or process slots, then try again.",
        ) from error


def _result(
    called: str, ending: Ending, answer: FrameReader, *, code: int, log: str, limits: SandboxLimits
) -> SandboxResult:
    if ending is not Ending.COMPLETE:
        raise _unanswered(called, ending, code=code, log=log, limits=limits)
    head = answer.head
    outcome = head.get("outcome")
    if outcome == "done" and isinstance(head.get("facts"), dict):
        return SandboxResult(facts=head["facts"], blobs=tuple(answer.blobs), log=log)
    if outcome == "refused":
        cause = Cause.TOO_LARGE if head.get("cause") == Cause.TOO_LARGE else Cause.REFUSED
        raise _refused(called, cause, _text(head, "found"), _text(head, "remedy"))
    if outcome == "memory":
        found = f"decoding took more than {limits.memory_bytes >> 20} MiB of memory"
        raise _refused(called, Cause.MEMORY, found, _SMALLER)
    found = _text(head, "found") or "the decoder gave an answer of an unknown kind"
    raise _refused(called, Cause.BAD_ANSWER, found, _EXPORT)


def _piece(called: str, answer: FrameReader) -> SandboxResult:
    facts = answer.head.get("facts")
    if not isinstance(facts, dict):
        found = "the decoder gave an answer of an unknown kind"
        raise _refused(called, Cause.BAD_ANSWER, found, _EXPORT)
    return SandboxResult(facts=facts, blobs=tuple(answer.blobs), log="")


def _unanswered(
    called: str, ending: Ending, *, code: int, log: str, limits: SandboxLimits
) -> DecodeRefused:
    hint = f": {log[-_TEXT_MAX:]}" if log else ""
    if ending is Ending.MALFORMED:
        found = "the decoder answered with something that is no answer"
        return _refused(called, Cause.BAD_ANSWER, found, _ATTACK)
    if ending is Ending.LATE:
        found = f"decoding took longer than {limits.wall_seconds:g} s"
        return _refused(called, Cause.TIME, found, _SMALLER)
    if code == -signal.SIGXCPU:
        found = f"decoding took more than {limits.cpu_seconds} s of processor time"
        return _refused(called, Cause.TIME, found, _SMALLER)
    if code == -signal.SIGSYS:
        found = "the decoder made a system call that no decoder makes, and was killed (SIGSYS)"
        return _refused(called, Cause.CRASH, found, _ATTACK)
    if code < 0:
        found = f"the decoder crashed ({_signal_name(-code)}){hint}"
    else:
        found = f"the decoder ended without an answer (exit code {code}){hint}"
    return _refused(called, Cause.CRASH, found, _EXPORT)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _refused(called: str, cause: Cause, found: str, remedy: str) -> DecodeRefused:
    return DecodeRefused(cause=cause, attempted=f"decode {called}", found=found, remedy=remedy)


def _text(head: dict[str, Any], key: str) -> str:
    return printable(str(head.get(key, "")), length_max=_TEXT_MAX)

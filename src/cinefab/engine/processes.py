"""Compute on this machine: a pool of warm processes, each running one task at a time.

Tasks are taken up in the order in which they came, except that a process which becomes free may
first take one with the affinity it ran last, a few times. The pool belongs to no event loop: any
number of them may wait on it. Each process has a thread of ours that starts it, talks to it and
replaces it when it dies, so that a task can be ended in the middle of native code.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cinefab.core.canonical import Json
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.errors import CinefabError, ComputeUnavailable, StepHung
from cinefab.engine.compute import ComputeResult, Report
from cinefab.engine.wire import Fault, decode_error, fault_from
from cinefab.engine.worker_process import NeverTaken, ProcessDied, Silent, TimeUp, WorkerProcess

ONE_THREAD: Final[Mapping[str, str]] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
}
"""Settings for libraries under which each process keeps to one processor."""

_BOOT_LIMIT_S: Final = 60.0
_BOOTS_MAX: Final = 3
_BOOT_PAUSE_S: Final = 0.2
_LOOK_S: Final = 1.0
_OVERTAKEN_MAX: Final = 4
_CLOSE_S: Final = 5.0

_Result = ComputeResult | CinefabError | Fault


class LocalProcesses:
    """A `Compute` of `workers` processes on this machine; safe to use from any thread.

    `preload` modules are imported as soon as a process starts, and `environment` is set before
    that; a process that needs more than `memory_mb` of address space is refused it. At most `queue_max` tasks wait; one more is refused with `ComputeUnavailable`.
    """

    def __init__(
        self,
        workers: int,
        *,
        preload: Sequence[str] = (),
        environment: Mapping[str, str] = ONE_THREAD,
        niceness: int = 0,
        memory_mb: int | None = None,
        queue_max: int = 256,
        clock: Clock | None = None,
    ) -> None:
        assert workers > 0, "a pool has processes"
        self._setup: dict[str, Json] = {
            "preload": list(preload),
            "environment": dict(environment),
            "niceness": niceness,
            "memory_mb": memory_mb,
            "path": list(sys.path),
        }
        self._queue_max = queue_max
        self._clock: Clock = clock or SystemClock()
        self._lock = threading.Condition()
        self._waiting: list[_Ticket] = []
        self._seats = [_Seat() for _ in range(workers)]
        self._closed = False
        self._turns = 0

    def start(self, count: int | None = None) -> None:
        """Start processes and return at once; tasks may be given while they get ready.

        With `count`, no more than so many are started for now; calling it again starts the rest.
        """
        with self._lock:
            empty = [seat for seat in self._seats if seat.thread is None and not self._closed]
            running = len(self._seats) - len(empty)
            wanted = len(empty) if count is None else max(0, count - running)
        for seat in empty[:wanted]:
            seat.thread = threading.Thread(
                target=self._keep, args=(seat,), name="compute-keeper", daemon=True
            )
            seat.thread.start()

    async def run(
        self,
        task: str,
        argument: Json,
        *,
        affinity: str | None = None,
        on_progress: Report | None = None,
        timeout_s: float,
        silence_s: float | None = None,
    ) -> ComputeResult:
        """Run a task as `Compute.run` promises."""
        loop = asyncio.get_running_loop()
        ticket = _Ticket(
            task=task,
            argument=argument,
            affinity=affinity,
            on_progress=on_progress or _ignore,
            timeout_s=timeout_s,
            silence_s=silence_s,
            loop=loop,
            answer=loop.create_future(),
            queued_us=self._clock.elapsed_us(),
        )
        self._put(ticket)
        try:
            return await ticket.answer
        except asyncio.CancelledError:
            self._give_up(ticket)
            raise

    def close(self) -> None:
        """End every process within a second; tasks that wait or run are refused or ended."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for ticket in self._waiting:
                ticket.settle(_closed(ticket.task))
            self._waiting.clear()
            for seat in self._seats:
                if seat.process is not None:
                    seat.process.kill()
            self._lock.notify_all()
        until_us = self._clock.elapsed_us() + round(_CLOSE_S * 1_000_000)
        for seat in self._seats:
            if seat.thread is not None:
                seat.thread.join(max(0.0, (until_us - self._clock.elapsed_us()) / 1_000_000))

    def _put(self, ticket: _Ticket) -> None:
        with self._lock:
            if self._closed:
                raise _closed(ticket.task)
            if len(self._waiting) >= self._queue_max:
                raise ComputeUnavailable(
                    attempted=f"run {ticket.task}",
                    found=f"{len(self._waiting)} tasks are waiting already",
                    remedy="Try again when some have finished, or use more workers.",
                )
            self._waiting.append(ticket)
            self._hand_out()

    def _give_up(self, ticket: _Ticket) -> None:
        with self._lock:
            ticket.given_up = True
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            for seat in self._seats:
                # Still this ticket's: under the lock no process can have gone on to another.
                if seat.ticket is ticket and seat.process is not None:
                    seat.process.kill()

    def _hand_out(self) -> None:
        while self._waiting:
            idle = [seat for seat in self._seats if seat.is_idle]
            seat = choose_seat(idle, self._waiting[0].affinity)
            if seat is None:
                return
            self._assign(seat, self._waiting.pop(0))
            self._lock.notify_all()

    def _assign(self, seat: _Seat, ticket: _Ticket) -> None:
        self._turns += 1
        seat.ticket, seat.is_idle, seat.turn = ticket, False, self._turns
        if ticket.affinity is not None:
            seat.affinity = ticket.affinity

    def _keep(self, seat: _Seat) -> None:
        failures = 0
        while not self._is_closed():
            found = self._live(seat)
            failures = 0 if found is None else failures + 1
            with self._lock:
                if failures >= _BOOTS_MAX and self._waiting:
                    # Somebody has to learn that no process starts here any more.
                    ticket = self._waiting.pop(0)
                    ticket.settle(_no_process(ticket.task, str(found)))
                if failures:
                    self._lock.wait(_BOOT_PAUSE_S)

    def _live(self, seat: _Seat) -> str | None:
        """Keep one process from its start to its end; return what kept it from starting."""
        try:
            process = WorkerProcess(self._setup, self._clock)
        except OSError as error:
            return str(error)
        with self._lock:
            seat.process = process
            if self._closed:
                process.kill()
        try:
            process.wait_until_ready(_BOOT_LIMIT_S)
        except (ProcessDied, TimeUp):
            death = process.end()
            return f"{death.found}. {death.stderr[-500:]}"
        else:
            ready_us = self._clock.elapsed_us()
            self._free(seat, process)
            self._serve(seat, process, ready_us)
            return None
        finally:
            with self._lock:
                seat.process, seat.is_idle, seat.affinity = None, False, None
            process.end()

    def _serve(self, seat: _Seat, process: WorkerProcess, ready_us: int) -> None:
        while (ticket := self._next(seat, process)) is not None:
            taken_us = self._clock.elapsed_us()
            order = {"task": ticket.task, "argument": ticket.argument}
            result: _Result
            try:
                frame = process.ask(
                    order,
                    timeout_s=ticket.timeout_s,
                    silence_s=ticket.silence_s,
                    on_progress=ticket.tell,
                )
                # What was queued while the process was still starting has waited for that.
                boot_us = max(0, ready_us - ticket.queued_us)
                result = _result(
                    frame, waited_us=taken_us - ticket.queued_us - boot_us, boot_us=boot_us
                )
                if "leaves" in frame:
                    process.kill()
            except NeverTaken:
                process.kill()
                self._put_back(seat)
                return
            except TimeUp as error:
                result = _too_slow(ticket, was_silent=isinstance(error, Silent))
                process.kill()
            except ProcessDied:
                result = process.end().as_error(attempted=f"run {ticket.task}")
            except (TypeError, ValueError) as error:
                result = fault_from(error, attempted=f"send {ticket.task} its argument as JSON")
            # Free before the answer is given: what its caller does next may go here again.
            self._free(seat, process)
            ticket.settle(_closed(ticket.task) if self._is_closed() else result)

    def _free(self, seat: _Seat, process: WorkerProcess) -> None:
        with self._lock:
            seat.ticket = None
            if not process.is_alive or self._closed:
                return
            if self._waiting:
                self._assign(seat, choose_ticket(self._waiting, seat.affinity))
            else:
                seat.is_idle = True

    def _next(self, seat: _Seat, process: WorkerProcess) -> _Ticket | None:
        """Wait for a ticket; None when the pool has closed or the process has died."""
        with self._lock:
            while seat.ticket is None and process.is_alive and not self._closed:
                self._lock.wait(_LOOK_S)
            seat.is_idle = False
            if process.is_alive and not self._closed:
                return seat.ticket
            self._put_back(seat)
            return None

    def _put_back(self, seat: _Seat) -> None:
        """Give a ticket of which nothing was done to the front of the queue, if it is wanted."""
        with self._lock:
            ticket, seat.ticket = seat.ticket, None
            if ticket is not None and self._closed:
                ticket.settle(_closed(ticket.task))
            elif ticket is not None and not ticket.given_up:
                self._waiting.insert(0, ticket)
                self._hand_out()

    def _is_closed(self) -> bool:
        return self._closed


@dataclass(eq=False, slots=True, kw_only=True)
class _Ticket:
    """A task that somebody waits for."""

    task: str
    argument: Json
    affinity: str | None
    on_progress: Report
    timeout_s: float
    silence_s: float | None
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[ComputeResult]
    queued_us: int
    overtaken: int = 0
    given_up: bool = False

    def tell(self, news: Json) -> None:
        def tell() -> None:
            if not self.answer.done():
                self.on_progress(news)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self.loop.call_soon_threadsafe(tell)

    def settle(self, result: _Result) -> None:
        def settle() -> None:
            if self.answer.done():
                return
            if isinstance(result, Exception):
                self.answer.set_exception(result)
            else:
                self.answer.set_result(result)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(settle)


@dataclass(eq=False, slots=True)
class _Seat:
    """A place for one process: who sits there, what it does, and what it did last."""

    thread: threading.Thread | None = None
    process: WorkerProcess | None = None
    ticket: _Ticket | None = None
    affinity: str | None = None
    is_idle: bool = False
    turn: int = 0


def choose_seat(idle: Sequence[_Seat], affinity: str | None) -> _Seat | None:
    """Return the idle seat that ran `affinity` last, else the one unused for longest."""
    if not idle:
        return None
    same = [seat for seat in idle if affinity is not None and seat.affinity == affinity]
    return min(same or idle, key=lambda seat: seat.turn)


def choose_ticket(waiting: list[_Ticket], affinity: str | None) -> _Ticket:
    """Take the first ticket with `affinity` out of the queue, or the first, if there is none.

    The first ticket is overtaken a limited number of times, so that none waits for ever.
    """
    first = waiting[0]
    chosen = first
    if affinity is not None and first.overtaken < _OVERTAKEN_MAX:
        chosen = next((each for each in waiting if each.affinity == affinity), first)
    if chosen is not first:
        first.overtaken += 1
    waiting.remove(chosen)
    return chosen


def _ignore(_news: Json) -> None:
    """Hear of progress and do nothing."""


def _result(frame: Mapping[str, Any], *, waited_us: int, boot_us: int) -> _Result:
    if "error" in frame:
        return decode_error(frame["error"])
    return ComputeResult(
        value=frame["value"],
        worker_us=frame["worker_us"] + boot_us,
        load_us=frame["load_us"] + boot_us,
        waited_us=waited_us,
    )


def _too_slow(ticket: _Ticket, *, was_silent: bool) -> StepHung:
    late = f"it was not done after {ticket.timeout_s:g} s"
    silent = f"it told nothing for {ticket.silence_s or 0:g} s"
    return StepHung(
        attempted=f"run {ticket.task}",
        found=f"{silent if was_silent else late}, and its process was ended",
        remedy="Run it again when the machine is less busy, ask for fewer frames or a smaller size "
        "at a time, or give it longer (containment.silence_s in the settings).",
    )


def _closed(task: str) -> ComputeUnavailable:
    return ComputeUnavailable(
        attempted=f"run {task}",
        found="compute has been closed",
        remedy="Run it again in a new process of the program.",
    )


def _no_process(task: str, found: str) -> ComputeUnavailable:
    return ComputeUnavailable(
        attempted=f"start a process for {task}",
        found=found,
        remedy="Check that memory and processes are left on this machine, then run it again.",
    )

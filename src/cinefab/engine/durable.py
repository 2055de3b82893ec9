"""Workflows that survive their process: the module that knows DBOS.

A workflow is an async function of one string. What it awaits through `step` is kept: when its
process dies, another one adopts it, runs the function again from the top, and every step that had
finished returns what it returned then. So the function only decides; whatever touches the world
or could come out differently a second time (clocks, chance, reads) is inside a step. A step's body
may run twice, if its process dies before the result is kept; the result is kept once.

A step is known by its name, not by its place, so steps may run side by side and in any order, and
a later release may add some in between. A name is used once in a workflow.

While the database is away, everything waits for it; after a few seconds whoever waits for a result
is told. The workflow stays unfinished, and goes on where it was when the database is back: here if
the process still runs, else wherever it is adopted.

Workflows of another `application_version` are left alone: they wait, unfinished, for a worker of
their own version. Raise it only when workflows that began before cannot be finished by this code.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import dbos._core
import dbos._dbos
import sqlalchemy as sa
from dbos import DBOS, SetWorkflowID
from dbos import error as dbos_error
from dbos._utils import INTERNAL_QUEUE_NAME

from cinefab.core.canonical import Json
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.errors import CinefabError, StorageUnavailable, Unavailable
from cinefab.core.ids import WorkerId
from cinefab.engine.kept_values import JsonSerializer
from cinefab.engine.outcomes import Status, cancelled, given_up, not_ended, status_of
from cinefab.engine.quiet import quieten
from cinefab.engine.run import CURRENT_RUN, Run
from cinefab.engine.system_database import Patience, open_system_database, unusable
from cinefab.engine.wire import Fault, dump, fault_from

__all__ = ["Body", "Durable", "Status", "step"]

Body = Callable[[str], Awaitable[Json]]

_NAME: Final = "cinefab"
_SCHEMA: Final = "dbos"
_ADOPTED_POLL_S: Final = 1.0  # how soon a workflow that was adopted starts; idle cost falls with it
_ADOPTED_POLL_FIRST_S: Final = 0.1  # the same while a new process takes over from one that died
_FIRST_S: Final = 2.0
_INTERVAL: Final = "_polling_interval_sec"
_CANCEL_POLL_S: Final = 0.25  # how soon a step learns that its workflow was cancelled
_RESULT_POLL_S: Final = 0.1
_WAKE_S: Final = 0.1
_BACK_POLL_S: Final = 1.0
_CLOSE_S: Final = 2.0
_RETRY_PAUSE_S: Final = 0.2

_AWAY: Final = (sa.exc.DBAPIError, sa.exc.TimeoutError)

_singleton: Final = threading.Lock()
_T = TypeVar("_T")


class Durable:
    """Starts, finishes and adopts workflows; one at a time in a process, safe in any thread.

    `system_url` is what `system_url_for` gives. `durability` is the store's: with `strict`, SQLite
    waits for the disk at every commit. `recoveries_max` is how often a workflow is taken over
    before it is given up as one that kills its workers, `patience_s` how long the database may be
    away before anybody is told.
    """

    def __init__(
        self,
        *,
        system_url: str,
        worker: WorkerId,
        application_version: str,
        durability: str = "normal",
        recoveries_max: int = 50,
        patience_s: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        self._url = system_url
        self._worker = worker
        self._version = application_version
        self._durability = durability
        self._recoveries_max = recoveries_max
        self._workflows: dict[str, Body] = {}
        self._functions: dict[str, Callable[[str], Coroutine[Any, Any, Json]]] = {}
        self._handles: dict[str, Any] = {}
        self._waits: dict[str, Future[Json]] = {}
        self._dropped: dict[str, StorageUnavailable] = {}
        self._resuming: set[asyncio.Task[None]] = set()
        self._patience = Patience(clock or SystemClock(), limit_s=patience_s)
        self._engine: sa.Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was launched and not closed since."""
        return self._loop is not None

    def workflow(self, name: str, body: Body) -> None:
        """Say what runs under `name`; before `launch`, the same in every process."""
        assert not self._functions, "workflows are registered before launch"
        assert name not in self._workflows, f"there is a workflow {name} already"
        self._workflows[name] = body

    def launch(self) -> None:
        """Open the engine's database, migrating it if need be, and be ready to run workflows.

        Raises `StorageUnavailable` if the database cannot be used.
        """
        if not _singleton.acquire(blocking=False):
            raise Unavailable(
                attempted="launch the durable engine",
                found="another one is open in this process",
                remedy="Close that one first: a process has one.",
            )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_turn, args=(self._loop,), name="durable", daemon=True
        )
        try:
            self._thread.start()
            # In our own loop, so that DBOS runs every workflow there and none in a caller's.
            self._call(self._launch(self._loop))
        except BaseException:
            self._stop()
            raise

    def start(self, name: str, workflow_id: str, argument: str) -> None:
        """Run a workflow in this process, unless one is known under this id; return when kept."""
        self._call(self._start(name, workflow_id, argument))

    def result(self, workflow_id: str, *, timeout_s: float | None = None) -> Json:
        """Wait for a workflow to end and return its result; not from inside a workflow.

        Raises what ended the workflow: an error of ours as it was, `Fault` for any other
        exception, `Cancelled`, or `WorkerLost` if it took too many workers down with it. Raises
        `Unavailable` if it has not ended within `timeout_s`, and goes on waiting for an id that
        nobody knows yet.
        """
        # Who looks again and again goes on with one wait: beginning one reads the database.
        waiting = self._waits.pop(workflow_id, None) or self._submit(self._result(workflow_id))
        try:
            with self._told():
                return waiting.result(timeout_s)
        except TimeoutError:
            self._waits[workflow_id] = waiting
            raise not_ended(workflow_id, timeout_s) from None
        except BaseException:
            waiting.cancel()
            raise

    async def result_async(self, workflow_id: str, *, timeout_s: float | None = None) -> Json:
        """Wait as `result` does, without holding up the caller's event loop."""
        waiting = asyncio.wrap_future(self._submit(self._result(workflow_id)))
        try:
            with self._told():
                return await asyncio.wait_for(waiting, timeout_s)
        except TimeoutError:
            raise not_ended(workflow_id, timeout_s) from None

    def status(self, workflow_id: str) -> Status:
        """Return where a workflow is, whichever process runs it."""
        found = self._call(DBOS.get_workflow_status_async(workflow_id))
        return Status.UNKNOWN if found is None else status_of(found.status)

    def cancel(self, workflow_id: str) -> None:
        """Have a workflow stop, whichever process runs it; one that has ended stays as it is.

        Within a second its running steps get `asyncio.CancelledError`, and no other step starts:
        its function is unwound by an exception that is no `Exception`, so only `finally` runs.
        """
        self._call(DBOS.cancel_workflow_async(workflow_id))

    def adopt(self, dead: Sequence[WorkerId]) -> list[str]:
        """Have the unfinished workflows of dead workers finished here or by another living one.

        Returns their ids. Doing it twice, or in two processes, changes nothing.
        """
        adopted = self._call(
            asyncio.to_thread(DBOS._recover_pending_workflows, list(dead))  # noqa: SLF001 - pinned, tested
        )
        return [handle.get_workflow_id() for handle in adopted]

    def executor(self, workflow_id: str) -> WorkerId | None:
        """Return the worker that took a workflow up last, or None if none has it."""
        found = self._call(DBOS.get_workflow_status_async(workflow_id))
        if found is None or status_of(found.status) is not Status.RUNNING:
            return None
        return WorkerId(str(found.executor_id))

    def executors(self) -> set[WorkerId]:
        """Return the workers, living or dead, that have unfinished workflows of our version."""
        return self._call(asyncio.to_thread(self._executors))

    def known(self, workflow_ids: Sequence[str]) -> set[str]:
        """Return those of these ids that some worker was given, whatever became of them."""
        return self._call(asyncio.to_thread(self._known, list(workflow_ids)))

    def running_here(self) -> int:
        """Return how many unfinished workflows this worker has, those it adopted too."""
        return self._call(asyncio.to_thread(self._running_here))

    def close(self) -> None:
        """Stop the workflows that run here, leaving them for another worker to adopt."""
        if self._loop is not None:
            self._stop()

    def _executors(self) -> set[WorkerId]:
        system = dbos._dbos._get_dbos_instance()._sys_db  # noqa: SLF001 - pinned, tested
        row = system.tables.workflow_status.c
        with system.engine.connect() as connection:
            found = connection.execute(
                sa.select(row.executor_id)
                .where(row.status == "PENDING", row.application_version == self._version)
                .distinct()
            ).scalars()
            return {WorkerId(str(executor)) for executor in found}

    def _known(self, workflow_ids: list[str]) -> set[str]:
        system = dbos._dbos._get_dbos_instance()._sys_db  # noqa: SLF001 - pinned, tested
        row = system.tables.workflow_status.c
        query = sa.select(row.workflow_uuid).where(row.workflow_uuid.in_(workflow_ids))
        with system.engine.connect() as connection:
            return {str(found) for found in connection.execute(query).scalars()}

    def _running_here(self) -> int:
        system = dbos._dbos._get_dbos_instance()._sys_db  # noqa: SLF001 - pinned, tested
        row = system.tables.workflow_status.c
        query = sa.select(sa.func.count()).where(
            row.status == "PENDING", row.executor_id == self._worker
        )
        with system.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    async def _launch(self, loop: asyncio.AbstractEventLoop) -> None:
        quieten()
        # The default of a second is a second too late for "within a second".
        dbos._core._PREEMPTIBLE_POLL_INTERVAL_SEC = _CANCEL_POLL_S  # noqa: SLF001 - pinned, tested
        self._patience.renew()
        self._engine = open_system_database(
            self._url, durability=self._durability, patience=self._patience
        )
        engine = DBOS(
            config={
                "name": _NAME,
                "system_database_url": self._url,
                "system_database_engine": self._engine,
                "dbos_system_schema": _SCHEMA,
                "executor_id": self._worker,
                "application_version": self._version,
                "serializer": JsonSerializer(),
                "notification_listener_polling_interval_sec": _WAKE_S,
                "notification_coalesce_sec": _WAKE_S,
                "log_level": "WARNING",
            }
        )
        adopted = engine._registry.get_internal_queue()  # noqa: SLF001 - pinned, tested
        setattr(adopted, _INTERVAL, _ADOPTED_POLL_FIRST_S)
        for name, body in self._workflows.items():
            decorate = DBOS.workflow(name=name, max_recovery_attempts=self._recoveries_max)
            self._functions[name] = decorate(self._unwound(body))
        DBOS.launch()
        # DBOS would ask for ever; it looks at this before it asks once more.
        engine._sys_db.__dict__["_retry_connection_errors"] = self._patience  # noqa: SLF001
        loop.call_later(_FIRST_S, setattr, adopted, _INTERVAL, _ADOPTED_POLL_S)

    async def _start(self, name: str, workflow_id: str, argument: str) -> None:
        with SetWorkflowID(workflow_id):
            handle = await DBOS.start_workflow_async(self._functions[name], argument)
        # One that was known already has no task here: it runs elsewhere, or is over.
        task = getattr(handle, "task", None)
        if task is not None:
            self._handles[workflow_id] = handle
            task.add_done_callback(lambda _task: self._handles.pop(workflow_id, None))

    async def _result(self, workflow_id: str) -> Json:
        handle = self._handles.get(workflow_id)
        if handle is None:
            handle = await DBOS.retrieve_workflow_async(workflow_id, existing_workflow=False)
        try:
            result: Json = await handle.get_result(polling_interval_sec=_RESULT_POLL_S)
        except dbos_error.DBOSAwaitedWorkflowCancelledError as error:
            raise cancelled(workflow_id) from error
        except dbos_error.DBOSAwaitedWorkflowMaxRecoveryAttemptsExceeded as error:
            raise given_up(workflow_id, self._recoveries_max) from error
        except asyncio.CancelledError:
            if workflow_id in self._dropped:
                raise self._dropped[workflow_id] from None
            raise
        except (CinefabError, Fault, *_AWAY):
            raise
        except Exception as error:
            raise fault_from(error, attempted=f"run workflow {workflow_id}") from error
        return result

    def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        with self._told():
            return self._submit(coroutine).result()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except _AWAY as error:
            raise unusable(self._url, str(getattr(error, "orig", None) or error)) from error

    def _submit(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        assert self._loop is not None, "the engine is launched before it is used, and not closed"
        assert threading.current_thread() is not self._thread, "a workflow cannot wait for itself"
        # The caller's context may say that it is inside a workflow; what is asked here is not.
        submit = asyncio.run_coroutine_threadsafe
        return contextvars.Context().run(submit, coroutine, self._loop)

    def _unwound(self, body: Body) -> Callable[[str], Coroutine[Any, Any, Json]]:
        async def workflow(argument: str) -> Json:
            run = Run()
            CURRENT_RUN.set(run)
            try:
                return await body(argument)
            except _DatabaseAway as away:
                self._drop(str(DBOS.workflow_id), str(away))
                # Of all ways to end, this one alone makes the engine keep nothing.
                raise asyncio.CancelledError from away
            finally:
                await run.end()

        return workflow

    def _drop(self, workflow_id: str, cause: str) -> None:
        self._dropped[workflow_id] = unusable(self._url, cause)
        loop = asyncio.get_running_loop()
        resuming = contextvars.Context().run(loop.create_task, self._resume(workflow_id))
        self._resuming.add(resuming)
        resuming.add_done_callback(self._resuming.discard)

    async def _resume(self, workflow_id: str) -> None:
        """Run a workflow again once the database is back, if it is still ours."""
        system = dbos._dbos._get_dbos_instance()._sys_db  # noqa: SLF001 - pinned, tested
        again = functools.partial(
            system.reenqueue_for_recovery, workflow_id, [self._worker], INTERNAL_QUEUE_NAME
        )
        while True:
            await asyncio.sleep(_BACK_POLL_S)
            try:
                await asyncio.to_thread(again)
            except _AWAY:
                continue
            del self._dropped[workflow_id]
            return

    def _stop(self) -> None:
        assert self._loop is not None, "it was launched"
        assert self._thread is not None, "it was launched"
        loop, thread = self._loop, self._thread
        self._waits.clear()
        self._patience.end()
        try:
            self._call(_cancel_all())
            DBOS.destroy(destroy_registry=True)
        finally:
            self._loop = self._thread = None
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
            if self._engine is not None:
                self._engine.dispose()
            _singleton.release()


async def step(name: str, body: Callable[[], Awaitable[Json]], *, attempts_max: int = 1) -> Json:
    """Run a step of the workflow that calls this, or return what it returned before.

    `name` is used once in a workflow. The result is small JSON and is returned as JSON would
    return it: tuples as lists. `body` is tried up to `attempts_max` times while it raises
    `Unavailable`, with a pause that doubles. Raises what `body` raises if that is an error of
    ours, else `Fault`; either is kept, and raised again when the workflow is run again.
    """
    run = CURRENT_RUN.get()
    reservation = DBOS.reserve_step()
    reservation._step_ctx.function_id = run.step_id(name)  # noqa: SLF001 - pinned, tested

    async def attempt() -> Json:
        for done in range(1, attempts_max + 1):
            try:
                return json.loads(dump(await body()))  # type: ignore[no-any-return]  # JSON again
            except Unavailable:
                if done == attempts_max:
                    raise
                await asyncio.sleep(_RETRY_PAUSE_S * 2 ** (done - 1))
            except CinefabError:
                raise
            except Exception as error:
                raise fault_from(error, attempted=f"run step {name}") from error
        raise AssertionError("the last attempt returns or raises")

    with run.busy():
        try:
            return await reservation.run_async({"name": name, "preemptible": True}, attempt)
        except _AWAY as error:  # not the body's: its own would be a fault by now
            raise _DatabaseAway(str(getattr(error, "orig", None) or error)) from error


class _DatabaseAway(BaseException):
    """The engine's database does not answer. No `Exception`, so no workflow takes it for its own."""


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CLOSE_S)

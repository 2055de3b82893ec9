"""Workflows that survive their process: the one module that knows DBOS.

A workflow is an async function of one string. What it awaits through `step` is kept: when its
process dies, another one adopts it, runs the function again from the top, and every step that had
finished returns what it returned then. So the function only decides; whatever touches the world
or could come out differently a second time (clocks, chance, reads) is inside a step. A step's body
may run twice, if its process dies before the result is kept; the result is kept once.

A step is known by its name, not by its place, so steps may run side by side and in any order, and
a later release may add some in between. A name is used once in a workflow.

Workflows of another `application_version` are left alone: they wait, unfinished, for a worker of
their own version. Raise it only when workflows that began before cannot be finished by this code.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

import dbos._core
import sqlalchemy as sa
from dbos import DBOS, Serializer, SetWorkflowID
from dbos import error as dbos_error
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from cinefab.core.canonical import Json
from cinefab.core.errors import Cancelled, CinefabError, StorageUnavailable, Unavailable, WorkerLost
from cinefab.core.ids import WorkerId
from cinefab.engine.run import CURRENT_RUN, Run
from cinefab.engine.wire import Fault, decode_error, dump, encode_error, fault_from

Body = Callable[[str], Awaitable[Json]]

_NAME: Final = "cinefab"
_SCHEMA: Final = "dbos"
_POOL_SIZE: Final = 8
_ADOPTED_POLL_S: Final = 1.0  # how soon a workflow that was adopted starts; idle cost falls with it
_ADOPTED_POLL_FIRST_S: Final = 0.05  # the same while a new process takes over from one that died
_FIRST_S: Final = 3.0
_INTERVAL: Final = "_polling_interval_sec"
_CANCEL_POLL_S: Final = 0.25  # how soon a step learns that its workflow was cancelled
_RESULT_POLL_S: Final = 0.1
_WAKE_S: Final = 0.1
_CLOSE_S: Final = 2.0
_BUSY_TIMEOUT_MS: Final = 30_000
_RETRY_PAUSE_S: Final = 0.2

_singleton: Final = threading.Lock()
_T = TypeVar("_T")


class Status(Enum):
    """Where a workflow is; WAITING until a worker takes it up, RUNNING even if that one died."""

    UNKNOWN = "unknown"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_STATUS: Final[Mapping[str, Status]] = {
    "ENQUEUED": Status.WAITING,
    "DELAYED": Status.WAITING,
    "PENDING": Status.RUNNING,
    "SUCCESS": Status.DONE,
    "ERROR": Status.FAILED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": Status.FAILED,
    "CANCELLED": Status.CANCELLED,
}


class Durable:
    """Starts, finishes and adopts workflows; one at a time in a process, safe in any thread.

    `system_url` is what `system_url_for` gives. `durability` is the store's: with `strict`, SQLite
    waits for the disk at every commit. `recoveries_max` is how often a workflow is taken over
    before it is given up as one that kills its workers.
    """

    def __init__(
        self,
        *,
        system_url: str,
        worker: WorkerId,
        application_version: str,
        durability: str = "normal",
        recoveries_max: int = 50,
    ) -> None:
        self._url = system_url
        self._worker = worker
        self._version = application_version
        self._durability = durability
        self._recoveries_max = recoveries_max
        self._workflows: dict[str, Body] = {}
        self._functions: dict[str, Callable[[str], Coroutine[Any, Any, Json]]] = {}
        self._handles: dict[str, Any] = {}
        self._engine: sa.Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

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
        waiting = self._submit(self._result(workflow_id))
        try:
            return waiting.result(timeout_s)
        except TimeoutError:
            raise _not_ended(workflow_id, timeout_s) from None
        finally:
            waiting.cancel()

    async def result_async(self, workflow_id: str, *, timeout_s: float | None = None) -> Json:
        """Wait as `result` does, without holding up the caller's event loop."""
        waiting = asyncio.wrap_future(self._submit(self._result(workflow_id)))
        try:
            return await asyncio.wait_for(waiting, timeout_s)
        except TimeoutError:
            raise _not_ended(workflow_id, timeout_s) from None

    def status(self, workflow_id: str) -> Status:
        """Return where a workflow is, whichever process runs it."""
        found = self._call(DBOS.get_workflow_status_async(workflow_id))
        return Status.UNKNOWN if found is None else _STATUS[found.status]

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

    def close(self) -> None:
        """Stop the workflows that run here, leaving them for another worker to adopt."""
        if self._loop is not None:
            self._stop()

    async def _launch(self, loop: asyncio.AbstractEventLoop) -> None:
        _quieten()
        # The default of a second is a second too late for "within a second".
        dbos._core._PREEMPTIBLE_POLL_INTERVAL_SEC = _CANCEL_POLL_S  # noqa: SLF001 - pinned, tested
        if self._url.startswith("sqlite"):
            try:
                self._engine = _sqlite_engine(self._url, self._durability)
            except OSError as error:
                raise _unusable(self._url, str(error)) from error
        engine = DBOS(
            config={
                "name": _NAME,
                "system_database_url": self._url,
                "system_database_engine": self._engine,
                "dbos_system_schema": _SCHEMA,
                "sys_db_pool_size": _POOL_SIZE,
                "executor_id": self._worker,
                "application_version": self._version,
                "serializer": _JsonSerializer(),
                "notification_listener_polling_interval_sec": _WAKE_S,
                "notification_coalesce_sec": _WAKE_S,
                "log_level": "WARNING",
            }
        )
        adopted = engine._registry.get_internal_queue()  # noqa: SLF001 - pinned, tested
        setattr(adopted, _INTERVAL, _ADOPTED_POLL_FIRST_S)
        for name, body in self._workflows.items():
            decorate = DBOS.workflow(name=name, max_recovery_attempts=self._recoveries_max)
            self._functions[name] = decorate(_unwound(body))
        try:
            DBOS.launch()
        except sa.exc.DatabaseError as error:
            raise _unusable(self._url, str(error.orig or error)) from error
        loop.call_later(_FIRST_S, setattr, adopted, _INTERVAL, _ADOPTED_POLL_S)

    async def _start(self, name: str, workflow_id: str, argument: str) -> None:
        with SetWorkflowID(workflow_id):
            handle = await DBOS.start_workflow_async(self._functions[name], argument)
        task = getattr(
            handle, "task", None
        )  # one that was known already runs elsewhere, or is over
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
            raise _cancelled(workflow_id) from error
        except dbos_error.DBOSAwaitedWorkflowMaxRecoveryAttemptsExceeded as error:
            raise _given_up(workflow_id, self._recoveries_max) from error
        except (CinefabError, Fault):
            raise
        except Exception as error:
            raise fault_from(error, attempted=f"run workflow {workflow_id}") from error
        return result

    def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return self._submit(coroutine).result()

    def _submit(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        assert self._loop is not None, "the engine is launched before it is used, and not closed"
        assert threading.current_thread() is not self._thread, "a workflow cannot wait for itself"
        # The caller's context may say that it is inside a workflow; what is asked here is not.
        submit = asyncio.run_coroutine_threadsafe
        return contextvars.Context().run(submit, coroutine, self._loop)

    def _stop(self) -> None:
        assert self._loop is not None, "it was launched"
        assert self._thread is not None, "it was launched"
        loop, thread = self._loop, self._thread
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
        return await reservation.run_async({"name": name, "preemptible": True}, attempt)


def system_url_for(url: str) -> str:
    """Return where workflows are kept when our rows are in the database at `url`.

    On PostgreSQL that is the same database, in a schema of its own; beside a SQLite file it is
    another, so that the two never wait for each other's lock.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return url
    file = Path(parsed.database)
    return str(parsed.set(database=str(file.with_name(f"{file.stem}.durable{file.suffix}"))))


def _unwound(body: Body) -> Callable[[str], Coroutine[Any, Any, Json]]:
    async def workflow(argument: str) -> Json:
        run = Run()
        CURRENT_RUN.set(run)
        try:
            return await body(argument)
        finally:
            await run.end()

    return workflow


class _JsonSerializer(Serializer):
    """Keeps arguments, results and errors as JSON that any release can read."""

    def name(self) -> str:
        """Return what rows say they were written with."""
        return "cinefab_json"

    def serialize(self, data: Any) -> str:
        """Return a value, or an error, as JSON."""
        if isinstance(data, BaseException):
            return dump({"error": encode_error(data, attempted="run a workflow")}).decode()
        return dump({"value": data}).decode()

    def deserialize(self, serialized_data: str) -> Any:
        """Return the value or the error that was kept."""
        kept = json.loads(serialized_data)
        return decode_error(kept["error"]) if "error" in kept else kept["value"]


def _sqlite_engine(url: str, durability: str) -> sa.Engine:
    # As the store sets its connections up, but for the transactions: DBOS expects the driver to
    # open them, with the write lock, at the first statement that changes something.
    file = sa.make_url(url).database
    if file:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url)
    synchronous = "FULL" if durability == "strict" else "NORMAL"

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = "IMMEDIATE"
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CLOSE_S)


def _quieten() -> None:
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        # With a handler there DBOS adds none of its own; records still reach whatever we log to.
        logger.addHandler(logging.NullHandler())
        logger.addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    # What ended a workflow is told to whoever asks for its result, and so is a cancellation.
    told = ("Exception encountered in asynchronous workflow", "Asyncio task cancelled")
    return not record.getMessage().startswith(told)


def _not_ended(workflow_id: str, timeout_s: float | None) -> Unavailable:
    return Unavailable(
        attempted=f"wait for {workflow_id}",
        found=f"it has not ended after {timeout_s:g} s",
        remedy="Ask again later: it goes on.",
    )


def _cancelled(workflow_id: str) -> Cancelled:
    return Cancelled(
        attempted=f"wait for {workflow_id}",
        found="it was cancelled",
        remedy="Start it again under a new id if it is still wanted.",
    )


def _given_up(workflow_id: str, recoveries_max: int) -> WorkerLost:
    return WorkerLost(
        attempted=f"run {workflow_id}",
        found=f"every worker that took it up died, {recoveries_max + 1} times in all",
        remedy="Read the log of the last one: its process ran out of memory or crashed.",
    )


def _unusable(url: str, cause: str) -> StorageUnavailable:
    return StorageUnavailable(
        attempted=f"keep workflows in {sa.make_url(url).render_as_string(hide_password=True)}",
        found=cause.strip().splitlines()[0],
        remedy="Check that the database runs, that the URL is right and that the disk has room.",
    )

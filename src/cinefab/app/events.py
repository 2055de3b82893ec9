"""What happens to jobs, passed on as it happens: one reader of the outbox, however many listen.

A listener has a queue with a ceiling. One that does not keep up is let go, and comes back with the
id of the last event that it has; nobody waits for it. Events are read from the database, so those
of other workers come too; progress between them is told by this process's own work only.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from cinefab.core.errors import StorageUnavailable
from cinefab.core.ids import TenantId
from cinefab.jobs.workshop import Progress
from cinefab.store.database import Database
from cinefab.store.facts import ToldEvent, events_after, newest_event

_log: Final = logging.getLogger(__name__)

_EVERY_S: Final = 0.1
_QUEUED_MAX: Final = 256
_BATCH: Final = 500

_LATE: Final = 128
"""How far back is looked again: on PostgreSQL a smaller id may be committed after a larger one."""


@dataclass(slots=True, eq=False)
class Listener:
    """Somebody who waits for news of one job; `wake` is called from other threads."""

    tenant: TenantId
    job: str
    wake: Callable[[], None]
    queue: deque[ToldEvent | Progress] = field(default_factory=deque)
    is_lost: bool = False

    def put(self, news: ToldEvent | Progress) -> None:
        """Queue a piece of news; progress gives way, and with too much of the rest it is lost."""
        if isinstance(news, Progress) and len(self.queue) > _QUEUED_MAX // 2:
            return
        if len(self.queue) >= _QUEUED_MAX:
            self.is_lost = True
        else:
            self.queue.append(news)
        self.wake()


class EventHub:
    """Passes events on to whoever listens; it reads the database only while somebody does."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._listeners: dict[str, set[Listener]] = {}
        self._lock = threading.Lock()
        self._somebody = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_closed(self) -> bool:
        """Whether no more news will come."""
        return self._closed.is_set()

    @contextmanager
    def listening(self, tenant: TenantId, job: str, wake: Callable[[], None]) -> Iterator[Listener]:
        """Queue the news of a job from now on, until the block is left."""
        listener = Listener(tenant, job, wake)
        with self._lock:
            self._listeners.setdefault(job, set()).add(listener)
            if self._thread is None and not self.is_closed:
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()
            self._somebody.set()
        try:
            yield listener
        finally:
            with self._lock:
                same = self._listeners[job]
                same.discard(listener)
                if not same:
                    del self._listeners[job]
                if not self._listeners:
                    self._somebody.clear()

    def listening_now(self) -> int:
        """Return how many listen."""
        with self._lock:
            return sum(len(same) for same in self._listeners.values())

    def tell(self, news: Progress) -> None:
        """Pass progress on; any thread may call."""
        for listener in self._listening(news.job):
            listener.put(news)

    def close(self) -> None:
        """Wake everybody for the last time."""
        self._closed.set()
        self._somebody.set()
        with self._lock:
            everybody = [each for same in self._listeners.values() for each in same]
        for listener in everybody:
            listener.wake()
        if self._thread is not None:
            self._thread.join()

    def _listening(self, job: str) -> list[Listener]:
        with self._lock:
            return list(self._listeners.get(job, ()))

    def _run(self) -> None:
        last: int | None = None
        seen: dict[int, None] = {}
        while True:
            if not self._somebody.is_set():
                last = None
            self._somebody.wait()
            if self._closed.is_set():
                return
            try:
                with self._db.read() as connection:
                    if last is None:
                        # A little is looked at again: who just came may have missed it.
                        last = max(0, newest_event(connection) - _LATE)
                    told = events_after(connection, max(0, last - _LATE), limit=_BATCH)
            except StorageUnavailable as error:
                _log.warning("events_not_read", extra={"found": error.found})
                told = ()
            for event in told:
                if event.id not in seen:
                    seen[event.id] = None
                    last = max(last or 0, event.id)
                    self._pass_on(event)
            while len(seen) > _BATCH:
                seen.pop(next(iter(seen)))
            self._closed.wait(_EVERY_S)

    def _pass_on(self, event: ToldEvent) -> None:
        for listener in self._listening(event.subject):
            if listener.tenant == event.tenant:
                listener.put(event)

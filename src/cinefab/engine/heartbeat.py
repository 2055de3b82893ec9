"""Who is alive: every worker beats in the database, and the living find the dead.

A worker is dead when its process is gone from this machine, or when its beat has stood still for a
while by our own clock; two machines' clocks are never compared. Whoever finds it ends its row by a
conditional update, which one finder wins, and then takes over its work. Only when that is done is
the row settled. An ended row that stays unsettled is taken over again by somebody else: the finder
may have died in between, and so may a worker that stopped with work unfinished. Taking over twice
must therefore change nothing; with `Durable.adopt` it does not.

A worker whose own row was ended was taken for dead: it was stopped, or cut off, for too long. It
beats no more, and says so by `lost`; whoever owns it stops its work.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa

from cinefab.core.clock import Clock
from cinefab.core.errors import StorageUnavailable
from cinefab.core.ids import WorkerId

BEAT_S: Final = 0.5
"""How often a worker beats."""

SILENCE_S: Final = 2.5
"""How long a beat stands still before its worker is taken for dead."""

SWEEP_S: Final = 2.5
"""How often a worker looks for what taking over from the dead has missed."""

_log: Final = logging.getLogger(__name__)

# The store declares and migrates it; the engine is on the store's own floor and only writes to it.
_worker: Final = sa.table(
    "worker",
    *(sa.column(name, sa.Text) for name in ("id", "host")),
    sa.column("pid", sa.Integer),
    *(sa.column(f"{name}_us", sa.BigInteger) for name in ("started", "beat", "ended", "settled")),
)


_LIVES_US: Final = 30_000_000
"""A beat that is older than this, by the clocks of two machines, is nobody's."""


def living_workers(connection: sa.Connection, *, now_us: int) -> int:
    """Return how many workers beat and were not ended."""
    query = sa.select(sa.func.count()).where(
        _worker.c.ended_us.is_(None), _worker.c.beat_us > now_us - _LIVES_US
    )
    return int(connection.execute(query).scalar_one())


class Transactions(Protocol):
    """What a heartbeat needs of the store's `Database`, in the test or in earnest."""

    def write(self) -> AbstractContextManager[sa.Connection]:
        """Open a transaction that may change rows."""
        ...

    def read(self) -> AbstractContextManager[sa.Connection]:
        """Open a transaction that only reads."""
        ...


class Heartbeat:
    """One worker's beat, and its look-out for others that have died.

    `on_dead` is called, in the heartbeat's thread, for each worker that this one takes over; it
    may be called again for the same worker, here or elsewhere, until it returned once without an
    error. `on_lost` is called when this worker itself was taken for dead: it must stop working.
    `on_sweep` is called in the same thread at the first beat, after each takeover, and every
    `sweep_s`: for work that was lost although every row is settled. `on_beat` is called at every
    beat. Nothing that goes wrong here ends the process.
    """

    def __init__(
        self,
        db: Transactions,
        worker: WorkerId,
        *,
        clock: Clock,
        on_dead: Callable[[WorkerId], None],
        on_lost: Callable[[], None] = lambda: None,
        on_sweep: Callable[[], None] = lambda: None,
        on_beat: Callable[[], None] = lambda: None,
        host: str | None = None,
        beat_s: float = BEAT_S,
        silence_s: float = SILENCE_S,
        sweep_s: float = SWEEP_S,
    ) -> None:
        self.lost = threading.Event()
        """Set once somebody else has taken this worker for dead."""
        self._db = db
        self._worker = worker
        self._clock = clock
        self._on_dead = on_dead
        self._on_lost = on_lost
        self._on_sweep = on_sweep
        self._on_beat = on_beat
        self._host = host or this_host()
        self._beat_s = beat_s
        self._silence_us = round(silence_s * 1_000_000)
        self._sweep_us = round(sweep_s * 1_000_000)
        self._swept_us: int | None = None
        self._seen: dict[str, _Seen] = {}
        self._looked_us: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Register this worker, and beat in a thread, which looks for dead workers at once.

        Raises `StorageUnavailable` if the worker cannot be registered.
        """
        now_us = self._clock.now_us()
        with self._db.write() as connection:
            connection.execute(
                sa.insert(_worker).values(
                    id=self._worker,
                    host=self._host,
                    pid=os.getpid(),
                    started_us=now_us,
                    beat_us=now_us,
                )
            )
        self._thread.start()

    def beat(self) -> None:
        """Say that this worker lives, and take over from those that do not."""
        if not self._say_alive():
            self.lost.set()
            self._on_lost()
            return
        claimed = self._claim(self._look())
        for dead in claimed:
            self._take_over(dead)
        now_us = self._clock.elapsed_us()
        if claimed or self._swept_us is None or now_us - self._swept_us >= self._sweep_us:
            self._swept_us = now_us
            self._on_sweep()
        self._on_beat()

    def stop(self) -> None:
        """Stop beating and looking, but say nothing of it yet; twice is as once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def close(self) -> None:
        """Stop beating; what this worker leaves unfinished is for others to take over."""
        self.stop()
        try:
            with self._db.write() as connection:
                connection.execute(
                    sa.update(_worker)
                    .where(_worker.c.id == self._worker, _worker.c.ended_us.is_(None))
                    .values(ended_us=self._clock.now_us())
                )
        except StorageUnavailable:
            _log.warning("heartbeat_not_ended", extra={"worker": self._worker}, exc_info=True)

    def _beat_on(self) -> None:
        while not self.lost.is_set():
            try:
                self.beat()
            except Exception:  # noqa: BLE001 - the database may be back at the next beat
                _log.warning("heartbeat_missed", extra={"worker": self._worker}, exc_info=True)
            if self._stop.wait(self._beat_s):
                return

    def _say_alive(self) -> bool:
        with self._db.write() as connection:
            said = connection.execute(
                sa.update(_worker)
                .where(_worker.c.id == self._worker, _worker.c.ended_us.is_(None))
                .values(beat_us=self._clock.now_us())
            )
        return said.rowcount == 1

    def _look(self) -> list[_Row]:
        with self._db.read() as connection:
            rows = connection.execute(
                sa.select(
                    _worker.c.id,
                    _worker.c.host,
                    _worker.c.pid,
                    _worker.c.beat_us,
                    _worker.c.ended_us,
                ).where(_worker.c.settled_us.is_(None), _worker.c.id != self._worker)
            ).all()
        now_us = self._clock.elapsed_us()
        before_us, self._looked_us = self._looked_us, now_us
        if before_us is None or now_us - before_us > self._silence_us // 2:
            # We were away ourselves, or the database was: nobody could be heard meanwhile.
            self._seen = {}
        found = [_Row(*row) for row in rows]
        self._seen = look_again(self._seen, found, now_us=now_us)
        is_first = before_us is None
        return [
            row
            for row in found
            if now_us - self._seen[row.id].since_us >= self._silence_us
            or self._is_known_dead(row, is_first=is_first)
        ]

    def _is_known_dead(self, row: _Row, *, is_first: bool) -> bool:
        if row.ended_us is None:
            return row.host == self._host and not process_runs(row.pid)
        # Whoever ended the row may be busy taking over, so we wait; but a program that was stopped
        # and is run again should go on at once, and taking over twice does no harm.
        return is_first

    def _claim(self, dead: list[_Row]) -> list[WorkerId]:
        return [WorkerId(row.id) for row in dead if self._claim_one(row)]

    def _claim_one(self, row: _Row) -> bool:
        # True for one of all who try: each changes what the others' condition looks for.
        unchanged = (
            sa.and_(_worker.c.ended_us.is_(None), _worker.c.beat_us == row.beat_us)
            if row.ended_us is None
            else _worker.c.ended_us == row.ended_us
        )
        with self._db.write() as connection:
            claimed = connection.execute(
                sa.update(_worker)
                .where(_worker.c.id == row.id, _worker.c.settled_us.is_(None), unchanged)
                .values(ended_us=max(self._clock.now_us(), (row.ended_us or 0) + 1))
            )
        return claimed.rowcount == 1

    def _take_over(self, dead: WorkerId) -> None:
        _log.info("worker_dead", extra={"worker": dead, "found_by": self._worker})
        try:
            self._on_dead(dead)
        except Exception:  # noqa: BLE001 - the row stays unsettled, so somebody tries again
            _log.warning("takeover_failed", extra={"worker": dead}, exc_info=True)
            return
        with self._db.write() as connection:
            connection.execute(
                sa.update(_worker)
                .where(_worker.c.id == dead)
                .values(settled_us=self._clock.now_us())
            )


@dataclass(frozen=True, slots=True)
class _Row:
    """A worker whose work is not known to be taken over."""

    id: str
    host: str
    pid: int
    beat_us: int
    ended_us: int | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """How a row looked, and since when, by our own monotonic clock."""

    beat_us: int
    ended_us: int | None
    since_us: int


def look_again(seen: Mapping[str, _Seen], rows: list[_Row], *, now_us: int) -> dict[str, _Seen]:
    """Return what is seen now; what has not changed keeps the time at which it was first seen."""
    now = {}
    for row in rows:
        last = seen.get(row.id)
        if last is not None and (last.beat_us, last.ended_us) == (row.beat_us, row.ended_us):
            now[row.id] = last
        else:
            now[row.id] = _Seen(row.beat_us, row.ended_us, now_us)
    return now


def process_runs(pid: int) -> bool:
    """Return whether a process of this machine runs; one that is only not yet reaped does not.

    A number may have been given to another process since; then only silence tells.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def this_host() -> str:
    """Return a name that two processes share only if they see each other's process numbers."""
    parts = [socket.gethostname()]
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    if boot.exists():
        parts.append(boot.read_text().strip())
    if namespace.is_symlink():
        parts.append(str(namespace.readlink()))
    return "/".join(parts)

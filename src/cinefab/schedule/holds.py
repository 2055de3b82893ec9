"""Devices that several workers of a machine share: who holds which, all of a gang or none.

A wish is a row, and rows are served in the order of asking. Whoever waits looks now and then
whether its turn has come; what it finds and what it takes are one transaction, which no other
worker's overlaps. So a gang never holds a part of what it needs, two of them never wait for each
other, and singles that ask later do not starve it. What a dead worker held is given back by
whoever takes its work over, in one go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cinefab.core.clock import Clock
from cinefab.core.device import Device, DeviceNeed
from cinefab.core.errors import Unavailable
from cinefab.core.ids import WorkerId
from cinefab.schedule.placement import (
    Fleet,
    Placement,
    Use,
    Wish,
    could_use,
    find_placement,
    grants,
)
from cinefab.schedule.tables import device_hold
from cinefab.store.database import Database


class SharedDevices:
    """The devices of one machine as one of its workers sees them; any thread may use it.

    `devices` gives those of a class. Devices are known by their names, so all workers of a machine
    call them the same.
    """

    def __init__(
        self,
        db: Database,
        *,
        machine: str,
        worker: WorkerId,
        clock: Clock,
        devices: Callable[[str], Sequence[Device]],
    ) -> None:
        self._db = db
        self._machine = machine
        self._worker = worker
        self._clock = clock
        self._devices = devices

    def ask(self, needs: Sequence[DeviceNeed], *, is_pinned: bool = False) -> int:
        """Write down that devices are wanted; return the ticket. What is pinned stays for good."""
        with self._db.write() as connection:
            made = connection.execute(
                device_hold.insert().values(
                    machine=self._machine,
                    worker_id=self._worker,
                    needs=json.dumps([[n.device_class, n.memory_mb, n.count] for n in needs]),
                    is_pinned=int(is_pinned),
                    asked_us=self._clock.now_us(),
                )
            )
        key = made.inserted_primary_key
        assert key is not None, "a row that was inserted has an id"
        return int(key[0])

    def try_take(self, ticket: int) -> Placement | None:
        """Return where a ticket was placed, if its turn has come; None while it has to wait.

        Raises `Unavailable` if models that are kept warm leave no room for it, ever.
        """
        with self._db.write() as connection:
            self._hold_off_others(connection)
            rows = self._rows(connection)
            mine = next((row for row in rows if row.id == ticket), None)
            if mine is None:
                raise Unavailable(
                    attempted="place work on a device",
                    found="this worker was taken for dead, and what it asked for was given up",
                    remedy="Nothing: whoever took it over goes on with it.",
                )
            if mine.placed is not None:
                return _placed(mine)
            fleet, lasting = self._fleet(rows)
            if find_placement(_needs(mine), Fleet(devices=fleet.devices, used=lasting)) is None:
                raise no_room_ever(_needs(mine))
            found = grants(_wishes(rows), fleet, lasting=lasting).get(ticket)
            if found is None:
                return None
            place = {"need": _needs(mine).index(found.need), "devices": list(found.devices)}
            connection.execute(
                device_hold.update()
                .where(device_hold.c.id == ticket)
                .values(placed=json.dumps(place), granted_us=self._clock.now_us())
            )
        return found

    def give_back(self, ticket: int) -> None:
        """Give up what a ticket waits for or holds; twice is as once."""
        with self._db.write() as connection:
            connection.execute(device_hold.delete().where(device_hold.c.id == ticket))

    def waiting(self) -> Sequence[tuple[int, frozenset[str]]]:
        """Return who waits, in the order of asking: each ticket, and the devices it could use."""
        with self._db.read() as connection:
            rows = self._rows(connection)
        fleet, lasting = self._fleet(rows)
        empty = Fleet(devices=fleet.devices, used=lasting)
        return [(wish.ticket, could_use(wish.needs, empty)) for wish in _wishes(rows)]

    def _rows(self, connection: sa.Connection) -> Sequence[sa.Row[Any]]:
        every = sa.select(device_hold).where(device_hold.c.machine == self._machine)
        return connection.execute(every.order_by(device_hold.c.id)).all()

    def _fleet(self, rows: Sequence[sa.Row[Any]]) -> tuple[Fleet, Mapping[str, Use]]:
        """Return the devices with what is in use, and what of that is never given up."""
        classes = dict.fromkeys(need.device_class for row in rows for need in _needs(row))
        devices = tuple(each for name in classes for each in self._devices(name))
        held = [row for row in rows if row.placed is not None]
        all_of_it = lasting = Fleet(devices=devices)
        for row in held:
            all_of_it = all_of_it.with_use(_placed(row))
            if row.is_pinned:
                lasting = lasting.with_use(_placed(row))
        return all_of_it, lasting.used

    def _hold_off_others(self, connection: sa.Connection) -> None:
        # On SQLite the transaction itself has the only write lock there is.
        if connection.dialect.name == "postgresql":
            key = sa.func.hashtextextended(f"device_hold:{self._machine}", 0)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def release_devices_of(connection: sa.Connection, worker: WorkerId) -> None:
    """Give back all that a worker waits for or holds, as it is dead or has stopped."""
    connection.execute(device_hold.delete().where(device_hold.c.worker_id == worker))


def _needs(row: sa.Row[Any]) -> tuple[DeviceNeed, ...]:
    return tuple(
        DeviceNeed(device_class=name, memory_mb=memory_mb, count=count)
        for name, memory_mb, count in json.loads(row.needs)
    )


def _placed(row: sa.Row[Any]) -> Placement:
    place = json.loads(row.placed)
    return Placement(need=_needs(row)[place["need"]], devices=tuple(place["devices"]))


def _wishes(rows: Sequence[sa.Row[Any]]) -> tuple[Wish, ...]:
    return tuple(Wish(ticket=row.id, needs=_needs(row)) for row in rows if row.placed is None)


def no_room_ever(needs: Sequence[DeviceNeed]) -> Unavailable:
    """Return the error for work that models which are kept warm leave no room for."""
    return Unavailable(
        attempted=f"place work that needs {' or '.join(map(str, needs))}",
        found="models that are kept warm hold what it would need, for good",
        remedy="Keep fewer models warm (warm.models in the settings), or add a device.",
    )

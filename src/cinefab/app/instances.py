"""Models that stay loaded: each in a process of its own, on devices that it holds meanwhile.

A model whose loading takes long keeps its process between takes: the next take of the same model
finds it warm. Room is made by ending whoever was used least recently, never one that is in use or
pinned. On cards that a machine's workers share, an instance holds its devices for as long as it
lives, and gives them up as soon as somebody waits for them. Everything else (models that load in no
time, somebody else's machine) runs in the pools that its device class has.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from cinefab.app.devices import CPU, StudioDevices
from cinefab.core.brief import Tier
from cinefab.core.clock import Clock
from cinefab.core.errors import BriefInvalid, CinefabError, NotWarm
from cinefab.core.stage import SERVICE
from cinefab.engine.compute import Compute
from cinefab.engine.processes import ONE_THREAD, LocalProcesses
from cinefab.jobs.workshop import Model, Seat
from cinefab.schedule.holds import SharedDevices, no_room_ever
from cinefab.schedule.placement import require_fit
from cinefab.schedule.slots import Slots
from cinefab.schedule.warm import (
    ColdStart,
    Resident,
    Room,
    WarmPolicy,
    overdue,
    to_make_room,
)

LOAD_TASK: Final = "cinefab.generate.take:load_model"
LOAD_LIMIT_S: Final = 1800.0
_LOOK_S: Final = 0.5
_PAUSE_S: Final = 0.05
_PAUSE_MAX_S: Final = 0.5

_log: Final = logging.getLogger(__name__)

MakePool = Callable[[str, int, Mapping[str, str]], LocalProcesses]
"""Makes a pool of so many processes for a device class, with this in their environment."""


class Instances:
    """Where the models of one worker run; used from one event loop and from threads of its own."""

    def __init__(
        self,
        policy: WarmPolicy,
        *,
        devices: StudioDevices,
        slots: Slots,
        pool_of: Callable[[str], Compute],
        make: MakePool,
        clock: Clock,
    ) -> None:
        self._policy = policy
        self._devices = devices
        self._slots = slots
        self._pool_of = pool_of
        self._make = make
        self._clock = clock
        self._shared: SharedDevices | None = None
        self._lock = threading.Lock()
        self._live: dict[int, _Instance] = {}
        self._warming: set[str] = set()
        self._pinned: dict[str, Model] = {}
        self._asked: dict[int, str] = {}
        self._short: set[int] = set()
        self._next_turn = 0
        self._next_key = 0
        self._closed = threading.Event()
        self._janitor: threading.Thread | None = None

    def share(self, shared: SharedDevices) -> None:
        """Take cards from those that this machine's workers share; call it before the first take."""
        self._shared = shared

    def take(self, model: Model, tier: Tier) -> AbstractAsyncContextManager[Seat]:
        """Wait for a place to run a model and hold it, with the processes that run it there.

        Raises `NotWarm` for interactive work where the policy says so.
        """
        return self._instance_seat(model, tier) if self.is_kept(model) else self._pool_seat(model)

    def is_kept(self, model: Model) -> bool:
        """Say whether a model has a process of its own that stays loaded."""
        if model.device_class == CPU:
            return "any-frame" not in model.card.capabilities
        return self._is_card(model.device_class)

    def is_kept_warm(self, model: Model) -> bool:
        """Say whether a model is loaded here and ready, so that no cold start is to be expected."""
        if not self.is_kept(model):
            return False
        with self._lock:
            return any(each.is_loaded for each in self._of(model))

    def require_warm(self, model: Model, tier: Tier) -> None:
        """Raise `NotWarm` for interactive work that would never find its model warm here."""
        may_be = (
            tier is not Tier.INTERACTIVE
            or not self.is_kept(model)
            or self._policy.interactive is ColdStart.LOAD
            or model.card.name in self._policy.models
        )
        if not may_be and not self.is_kept_warm(model):
            raise _not_warm(model, "it is not among the models that are kept warm")

    def warm(self, model: Model) -> None:
        """Load a model ahead, in the background, and keep it for good; twice is as once."""
        with self._lock:
            if model.affinity in self._warming or self._closed.is_set():
                return
            self._warming.add(model.affinity)
            self._pinned[model.affinity] = model
        name = f"warm-{model.card.name}"
        threading.Thread(target=self._warm, args=(model,), name=name, daemon=True).start()

    def close(self) -> None:
        """End every instance and give its devices back."""
        self._closed.set()
        with self._lock:
            keys = list(self._live)
        for key in keys:
            self._end(key)
        if self._janitor is not None:
            self._janitor.join(_LOOK_S * 4)

    @asynccontextmanager
    async def _pool_seat(self, model: Model) -> AsyncIterator[Seat]:
        async with self._slots.take(model.device_class, model.devices):
            yield Seat(
                compute=self._pool_of(model.device_class),
                device_class=model.device_class,
                devices=model.devices,
            )

    @asynccontextmanager
    async def _instance_seat(self, model: Model, tier: Tier) -> AsyncIterator[Seat]:
        if self._is_card(model.device_class):
            async with self._instance(model, tier) as seat:
                yield seat
            return
        # A core is taken while work runs; memory for as long as the model stays loaded.
        core = self._slots.take(model.device_class, model.devices)
        async with core, self._instance(model, tier) as seat:
            yield seat

    @asynccontextmanager
    async def _instance(self, model: Model, tier: Tier) -> AsyncIterator[Seat]:
        instance = await self._acquire(model, tier)
        try:
            yield Seat(
                compute=instance.pool,
                device_class=model.device_class,
                devices=model.devices,
                was_warm=instance.is_loaded,
            )
        except BriefInvalid:
            # The model is fine, and was asked: it is loaded.
            instance.is_loaded = True
            self._release(instance)
            raise
        except BaseException:
            # Whatever it was, nobody knows what it left on the device.
            await asyncio.shield(asyncio.to_thread(self._end, instance.key))
            raise
        else:
            instance.is_loaded = True
            self._release(instance)

    async def _acquire(self, model: Model, tier: Tier) -> _Instance:
        began_us, pause_s = self._clock.elapsed_us(), _PAUSE_S
        turn = _Turn(number=self._next_turn)
        self._next_turn += 1
        try:
            while True:
                waited_s = (self._clock.elapsed_us() - began_us) / 1_000_000
                found = await self._uncut(self._idle, model, turn)
                if found is None and self._may_load(model, tier, waited_s):
                    found = await self._uncut(self._try_start, model, turn)
                if found is not None:
                    return found
                await asyncio.sleep(pause_s)
                pause_s = min(_PAUSE_MAX_S, pause_s * 1.5)
        finally:
            await asyncio.shield(asyncio.to_thread(self._forget, turn))

    async def _uncut(
        self, work: Callable[[Model, _Turn], _Instance | None], model: Model, turn: _Turn
    ) -> _Instance | None:
        """Run `work` in a thread; if nobody waits any more, let go of what it took."""
        running = asyncio.ensure_future(asyncio.to_thread(work, model, turn))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            found = await running
            if found is not None and found.is_loaded:
                self._release(found)
            elif found is not None:
                await asyncio.to_thread(self._end, found.key)
            raise

    def _forget(self, turn: _Turn) -> None:
        """Give up what a turn still waits for."""
        with self._lock:
            self._short.discard(turn.number)
            self._asked.pop(turn.ticket or 0, None)
        if turn.ticket is not None and self._shared is not None:
            self._shared.give_back(turn.ticket)

    def _may_load(self, model: Model, tier: Tier, waited_s: float) -> bool:
        """Say whether work may start a cold instance; False is to wait for a warm one."""
        if tier is not Tier.INTERACTIVE or self._policy.interactive is ColdStart.LOAD:
            return True
        self.require_warm(model, tier)
        if self._policy.interactive is ColdStart.REFUSE:
            raise _not_warm(model, "every warm one is busy, or it is still being loaded")
        if waited_s > self._policy.wait_s:
            raise _not_warm(model, f"no warm one was free within {self._policy.wait_s:g} s")
        if model.card.name in self._policy.models:
            self.warm(model)
        return False

    def _idle(self, model: Model, turn: _Turn) -> _Instance | None:
        """Return an idle instance of a model, now busy, unless somebody came first for its devices."""
        waiting = self._waiting() if self._is_card(model.device_class) else ()
        with self._lock:
            if self._is_late(turn):
                return None
            for each in self._of(model):
                first = _first_for(each, waiting)
                if (
                    each.is_loaded
                    and not each.is_busy
                    and (each.is_pinned or first is None or first == turn.ticket)
                ):
                    each.is_busy = True
                    return each
        return None

    def _try_start(self, model: Model, turn: _Turn) -> _Instance | None:
        """Return a new instance, busy, if there is room for one."""
        if self._is_card(model.device_class):
            return self._try_cards(model, turn)
        return self._try_memory(model, turn)

    def _is_late(self, turn: _Turn) -> bool:
        """Say whether somebody who came before waits for this machine's memory; hold the lock."""
        return any(number < turn.number for number in self._short)

    def _try_memory(
        self, model: Model, turn: _Turn, *, is_pinned: bool = False
    ) -> _Instance | None:
        """Start an instance in memory that is shared with others, ending idle ones for it."""
        placed = require_fit(
            model.card.ref, [model.need], self._devices.of_class(model.device_class)
        )
        wanted = {name: use.memory_bytes for name, use in placed.uses().items()}
        devices = {each.name: each for each in self._devices.of_class(placed.device_class)}
        limits = {name: self._limit(devices[name].memory_bytes) for name in wanted}
        with self._lock:
            if self._is_late(turn):
                return None
            residents = [each.resident for each in self._live.values()]
            room = Room(memory_bytes=limits, most=max(self._policy.most, 1))
            if to_make_room([each for each in residents if each.is_pinned], wanted, room) is None:
                raise no_room_ever([model.need])
            leaving = to_make_room(residents, wanted, room)
            if leaving is None:
                self._short.add(turn.number)
                return None
            going = [self._live.pop(key) for key in leaving]
            made = self._add(model, wanted, environment={}, ticket=None, is_pinned=is_pinned)
        for each in going:
            self._stop(each)
        self._start(made)
        return made

    def _try_cards(self, model: Model, turn: _Turn, *, is_pinned: bool = False) -> _Instance | None:
        """Start an instance on cards that are shared with other workers, if it is its turn."""
        assert self._shared is not None, "cards are shared before they are taken"
        if turn.ticket is None:
            turn.ticket = self._shared.ask([model.need], is_pinned=is_pinned)
            with self._lock:
                self._asked[turn.ticket] = model.affinity
        placed = self._shared.try_take(turn.ticket)
        if placed is None:
            self._give_way()
            return None
        devices = {each.name: each for each in self._devices.of_class(placed.device_class)}
        indexes = [devices[name].index for name in dict.fromkeys(placed.devices)]
        seen = ",".join(str(index) for index in indexes if index is not None)
        wanted = {name: use.memory_bytes for name, use in placed.uses().items()}
        with self._lock:
            made = self._add(
                model,
                wanted,
                environment={"CUDA_VISIBLE_DEVICES": seen} if seen else {},
                ticket=turn.ticket,
                is_pinned=is_pinned,
            )
            # From here on it is the instance's, which holds it for as long as it lives.
            del self._asked[turn.ticket]
            turn.ticket = None
        self._start(made)
        return made

    def _add(
        self,
        model: Model,
        memory: Mapping[str, int],
        *,
        environment: Mapping[str, str],
        ticket: int | None,
        is_pinned: bool,
    ) -> _Instance:
        self._next_key += 1
        made = _Instance(
            key=self._next_key,
            affinity=model.affinity,
            pool=self._make(model.device_class, 1, {**ONE_THREAD, **environment}),
            memory=memory,
            ticket=ticket,
            is_pinned=is_pinned,
            used_us=self._clock.elapsed_us(),
        )
        self._live[made.key] = made
        return made

    def _start(self, made: _Instance) -> None:
        made.pool.start()
        with self._lock:
            if self._janitor is None and not self._closed.is_set():
                self._janitor = threading.Thread(target=self._tidy, name="warm-pool", daemon=True)
                self._janitor.start()
        if self._closed.is_set():
            self._end(made.key)

    def _release(self, instance: _Instance) -> None:
        with self._lock:
            instance.used_us = self._clock.elapsed_us()
            instance.is_busy = False

    def _end(self, key: int) -> None:
        with self._lock:
            instance = self._live.pop(key, None)
        if instance is not None:
            self._stop(instance)

    def _stop(self, instance: _Instance) -> None:
        # Its devices are given back once its process is gone, and with it what it had of them.
        instance.pool.close()
        if instance.ticket is not None and self._shared is not None:
            with suppress(CinefabError):
                self._shared.give_back(instance.ticket)

    def _warm(self, model: Model) -> None:
        try:
            self._warm_up(model)
        except CinefabError:
            # Whatever is wrong with it is said by the first work that wants it.
            _log.warning("not_kept_warm", extra={"model": model.card.ref}, exc_info=True)
            with self._lock:
                self._pinned.pop(model.affinity, None)
        finally:
            with self._lock:
                self._warming.discard(model.affinity)

    def _warm_up(self, model: Model) -> None:
        if not self.is_kept(model):
            asyncio.run(self._load_in_every_process(model))
            return
        made, turn = None, _Turn(number=-1)
        start = self._try_cards if self._is_card(model.device_class) else self._try_memory
        try:
            while made is None and not self._closed.is_set():
                made = start(model, turn, is_pinned=True)
                if made is None:
                    self._closed.wait(_PAUSE_MAX_S)
        finally:
            self._forget(turn)
        if made is None:
            return
        try:
            asyncio.run(self._load(made.pool, model))
        except BaseException:
            self._end(made.key)
            raise
        made.is_loaded = True
        self._release(made)

    async def _load_in_every_process(self, model: Model) -> None:
        # At once: the processes that are busy with it take no other load.
        pool = self._pool_of(model.device_class)
        at_once = range(self._slots.count(model.device_class))
        await asyncio.gather(*(self._load(pool, model) for _ in at_once))

    async def _load(self, compute: Compute, model: Model) -> None:
        await compute.run(LOAD_TASK, model.address, affinity=model.affinity, timeout_s=LOAD_LIMIT_S)

    def _tidy(self) -> None:
        while not self._closed.wait(_LOOK_S):
            with self._lock:
                residents = [each.resident for each in self._live.values()]
            for key in overdue(
                residents, now_us=self._clock.elapsed_us(), idle_s=self._policy.idle_s
            ):
                self._end_if_idle(key)
            self._warm_again()
            try:
                self._give_way()
            except CinefabError:
                _log.warning("warm_pool_blind", exc_info=True)  # the database may come back

    def _warm_again(self) -> None:
        """Load what is to be kept and was ended, as its process broke."""
        with self._lock:
            alive = {each.affinity for each in self._live.values() if each.is_pinned}
            ended = [each for name, each in self._pinned.items() if name not in alive]
        for model in ended:
            if self.is_kept(model):
                self.warm(model)

    def _give_way(self) -> None:
        """End the least recently used idle instance whose devices somebody else waits for."""
        with self._lock:
            held = [each for each in self._live.values() if each.ticket is not None]
        if not any(each.resident.may_go for each in held):
            return
        waiting = self._waiting()
        for each in sorted(held, key=lambda one: one.used_us):
            first = _first_for(each, waiting)
            # Who waits for the very same model takes it as it is, warm.
            for_others = first is not None and self._asked.get(first) != each.affinity
            if for_others and self._end_if_idle(each.key):
                return

    def _end_if_idle(self, key: int) -> bool:
        with self._lock:
            instance = self._live.get(key)
            if instance is None or not instance.resident.may_go:
                return False
            del self._live[key]
        self._stop(instance)
        return True

    def _waiting(self) -> Sequence[tuple[int, frozenset[str]]]:
        return () if self._shared is None else self._shared.waiting()

    def _of(self, model: Model) -> list[_Instance]:
        return [each for each in self._live.values() if each.affinity == model.affinity]

    def _limit(self, device_bytes: int | None) -> int | None:
        known = [each for each in (device_bytes, self._policy.memory_bytes) if each is not None]
        return min(known, default=None)

    def _is_card(self, device_class: str) -> bool:
        return device_class not in (CPU, SERVICE) and self._devices.are_shared(device_class)


@dataclass(slots=True, kw_only=True)
class _Turn:
    """Somebody's turn to run a model: which it is, and by which ticket cards are waited for."""

    number: int
    ticket: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class _Instance:
    """A model in a process of its own; fields change under the lock of `Instances`."""

    key: int
    affinity: str
    pool: LocalProcesses
    memory: Mapping[str, int]
    ticket: int | None
    is_pinned: bool
    used_us: int
    is_busy: bool = True
    is_loaded: bool = False

    @property
    def resident(self) -> Resident:
        return Resident(
            key=self.key,
            memory_bytes=self.memory,
            used_us=self.used_us,
            is_busy=self.is_busy,
            is_pinned=self.is_pinned,
        )


def _first_for(instance: _Instance, waiting: Sequence[tuple[int, frozenset[str]]]) -> int | None:
    """Return the ticket that came first of those that could use an instance's devices."""
    return next((ticket for ticket, some in waiting if some & instance.memory.keys()), None)


def _not_warm(model: Model, found: str) -> NotWarm:
    return NotWarm(
        attempted=f"run {model.card.ref} for interactive work",
        found=found,
        remedy="Send it again in a moment, order it as batch, or name the model in warm.models of "
        "the settings; warm.interactive says what becomes of such work.",
    )

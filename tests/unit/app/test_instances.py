"""A model that was loaded is found warm, makes room when others need it, and never while it is used."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from slow_to_load import SlowToLoad

from cinefab.app.devices import StudioDevices
from cinefab.app.instances import LOAD_TASK, Instances
from cinefab.app.settings import load_settings
from cinefab.core.brief import Tier
from cinefab.core.clock import SystemClock
from cinefab.core.errors import NotWarm, Unavailable
from cinefab.core.ids import WorkerId
from cinefab.engine.processes import LocalProcesses
from cinefab.jobs.workshop import Model, Seat
from cinefab.schedule.holds import SharedDevices
from cinefab.schedule.slots import Slots
from cinefab.store.database import Database
from cinefab.store.migrate import migrate

ENTRY = "slow_to_load:SlowToLoad"
CARDS = {"card": {"class": "cuda", "memory_gb": 8, "count": 2}}


class Pool:
    """A warm pool of a studio of its own, and what its models say when they load."""

    def __init__(self, folder: Path, db: Database | None, **given: Any) -> None:
        settings = load_settings({"home": folder, "workers": 2, **given})
        self.log = folder / "loads"
        self.is_making, self.may_make = threading.Event(), threading.Event()
        self.may_make.set()
        devices = StudioDevices(settings)
        self.instances = Instances(
            settings.warm.policy,
            devices=devices,
            slots=Slots(devices.places),
            pool_of=lambda _name: LocalProcesses(1),
            make=self._make,
            clock=SystemClock(),
        )
        if db is not None:
            self.instances.share(
                SharedDevices(
                    db,
                    machine="here",
                    worker=WorkerId("me"),
                    clock=SystemClock(),
                    devices=devices.of_class,
                )
            )

    def _make(
        self, _device_class: str, count: int, environment: Mapping[str, str]
    ) -> LocalProcesses:
        self.is_making.set()
        self.may_make.wait(30)
        return LocalProcesses(count, environment=environment)

    def model(self, name: str, **settings: Any) -> Model:
        """Return a model of this name, which logs its loads."""
        given = {"log": str(self.log), **settings}
        return Model(
            card=SlowToLoad(name, given, {}).card,
            entry=ENTRY,
            configured={"name": name, "settings": given, "secrets": {}},
        )

    async def run(self, model: Model, tier: Tier = Tier.BATCH) -> tuple[bool, int]:
        """Take a seat and ask the model for something; return whether it was warm, and its load."""
        async with self.instances.take(model, tier) as seat:
            answer = await seat.compute.run(LOAD_TASK, model.address, timeout_s=60)
            value: Any = answer.value
            return seat.was_warm, value["load_us"]

    @property
    def loads(self) -> list[str]:
        """Which models were loaded, in order, and what cards their processes saw."""
        text = self.log.read_text() if self.log.exists() else ""
        return [" ".join(line.split()[::2]) for line in text.splitlines()]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Callable[..., Pool]]:
    made: list[Pool] = []
    db = Database(f"sqlite:///{tmp_path / 'cinefab.db'}")
    migrate(db)

    def build(**given: Any) -> Pool:
        made.append(Pool(tmp_path, db, **given))
        return made[-1]

    yield build
    for each in made:
        each.instances.close()
    db.close()


def test_the_second_take_of_a_model_finds_it_loaded(pool: Callable[..., Pool]) -> None:
    studio = pool()
    model = studio.model("one")

    async def twice() -> list[tuple[bool, int]]:
        return [await studio.run(model), await studio.run(model)]

    cold, warm = asyncio.run(twice())

    assert not cold[0]
    assert cold[1] > 0
    assert warm == (True, 0)
    assert studio.loads == ["one"]


def test_the_least_recently_used_makes_room_and_what_is_in_use_does_not(
    pool: Callable[..., Pool],
) -> None:
    studio = pool(warm={"memory_gb": 0.25})
    one, two, three = (studio.model(name) for name in ("one", "two", "three"))

    async def in_turn() -> None:
        await studio.run(one)
        async with studio.instances.take(two, Tier.BATCH) as seat:
            await load(seat, two)
            await studio.run(three)
        await studio.run(two)

    asyncio.run(in_turn())

    assert studio.loads == ["one", "two", "three"]
    assert studio.instances.is_kept_warm(two)
    assert not studio.instances.is_kept_warm(one)


def test_a_gang_sees_its_own_cards_and_idle_models_give_them_up(pool: Callable[..., Pool]) -> None:
    studio = pool(devices=CARDS)
    single = studio.model("single", device_class="cuda")
    gang = studio.model("gang", device_class="cuda", count=2)

    async def in_turn() -> list[tuple[bool, int]]:
        return [await studio.run(each) for each in (single, single, gang, single)]

    ran = asyncio.run(in_turn())

    assert [warm for warm, _ in ran] == [False, True, False, False]
    assert studio.loads == ["single 0", "gang 0,1", "single 0"]


def test_who_waits_for_a_card_takes_the_warm_model_that_is_on_it(pool: Callable[..., Pool]) -> None:
    studio = pool(devices={"card": {"class": "cuda", "memory_gb": 8}})
    model = studio.model("one", device_class="cuda")

    async def at_once() -> list[tuple[bool, int]]:
        return await asyncio.gather(*(studio.run(model) for _ in range(3)))

    ran = asyncio.run(at_once())

    assert sorted(warm for warm, _ in ran) == [False, True, True]
    assert studio.loads == ["one 0"]


def test_interactive_work_goes_to_warm_models_alone(pool: Callable[..., Pool]) -> None:
    studio = pool(warm={"models": ["kept"], "wait_s": 60})
    kept, other = studio.model("kept"), studio.model("other")

    warm = asyncio.run(studio.run(kept, Tier.INTERACTIVE))
    with pytest.raises(NotWarm, match="not among the models"):
        studio.instances.require_warm(other, Tier.INTERACTIVE)
    with pytest.raises(NotWarm):
        asyncio.run(studio.run(other, Tier.INTERACTIVE))

    assert warm == (True, 0)
    assert studio.loads == ["kept"]


def test_a_pinned_model_never_makes_room_and_work_that_would_need_it_is_refused(
    pool: Callable[..., Pool],
) -> None:
    studio = pool(warm={"models": ["kept"], "memory_gb": 0.15, "idle_s": 0.01})
    asyncio.run(studio.run(studio.model("kept"), Tier.INTERACTIVE))

    with pytest.raises(Unavailable, match="kept warm"):
        asyncio.run(studio.run(studio.model("other")))

    assert studio.instances.is_kept_warm(studio.model("kept"))


def test_a_model_that_stands_idle_is_ended(pool: Callable[..., Pool]) -> None:
    studio = pool(warm={"idle_s": 0.1})
    model = studio.model("one")

    async def and_wait() -> None:
        await studio.run(model)
        await until(lambda: not studio.instances.is_kept_warm(model))

    asyncio.run(and_wait())

    assert studio.loads == ["one"]


def test_a_run_that_fails_leaves_no_process_behind_it(pool: Callable[..., Pool]) -> None:
    studio = pool()
    model = studio.model("one")

    async def fail() -> None:
        async with studio.instances.take(model, Tier.BATCH) as seat:
            await load(seat, model)
            raise Unavailable(attempted="run it", found="it broke", remedy="Mend it.")

    with pytest.raises(Unavailable):
        asyncio.run(fail())

    assert asyncio.run(studio.run(model))[0] is False
    assert studio.loads == ["one", "one"]


def test_a_pinned_model_whose_run_broke_is_loaded_again(pool: Callable[..., Pool]) -> None:
    studio = pool(warm={"models": ["kept"]})
    model = studio.model("kept")
    asyncio.run(studio.run(model, Tier.INTERACTIVE))

    async def fail() -> None:
        with contextlib.suppress(Unavailable):
            async with studio.instances.take(model, Tier.BATCH):
                raise Unavailable(attempted="run it", found="it broke", remedy="Mend it.")
        await until(lambda: studio.instances.is_kept_warm(model))

    asyncio.run(fail())

    assert studio.loads == ["kept", "kept"]


def test_who_stops_waiting_while_a_process_is_made_leaves_no_card_taken(
    pool: Callable[..., Pool],
) -> None:
    studio = pool(devices={"card": {"class": "cuda", "memory_gb": 8}})
    wanted = [studio.model(name, device_class="cuda") for name in ("given up", "next")]

    async def give_up_and_go_on() -> None:
        waiting = asyncio.ensure_future(studio.run(wanted[0]))
        await asyncio.to_thread(studio.is_making.wait, 30)
        waiting.cancel()
        studio.may_make.set()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(studio.run(wanted[1]), 20)

    studio.may_make.clear()
    asyncio.run(give_up_and_go_on())

    assert studio.loads == ["next 0"]


async def load(seat: Seat, model: Model) -> None:
    await seat.compute.run(LOAD_TASK, model.address, timeout_s=60)


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not come about")

"""Where a model can run: its needs held against the devices of the studio, by counting alone.

A need is met whole or not at all: a gang's devices are named together. A model that the emptiest
studio could not hold fits nowhere, and is refused before anybody orders anything of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cinefab.core.device import Device, DeviceNeed, as_size
from cinefab.core.errors import FitsNowhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a model's work runs: the need that is met, and a device for each that it asks for.

    A device that runs several works at once may stand there more than once.
    """

    need: DeviceNeed
    devices: tuple[str, ...]

    @property
    def device_class(self) -> str:
        """The class of its devices."""
        return self.need.device_class

    def uses(self) -> Mapping[str, Use]:
        """Return what it takes of each of its devices."""
        names = dict.fromkeys(self.devices)
        return {
            name: Use(
                places=(count := self.devices.count(name)),
                memory_bytes=count * self.need.memory_bytes,
            )
            for name in names
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What is taken of a device: places, and memory."""

    places: int = 0
    memory_bytes: int = 0

    def __add__(self, other: Use) -> Use:
        return Use(
            places=self.places + other.places,
            memory_bytes=self.memory_bytes + other.memory_bytes,
        )


_NOTHING: Final = Use()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The devices of a studio, and what of them is in use; nothing is, if it is left out."""

    devices: tuple[Device, ...]
    used: Mapping[str, Use] = field(default_factory=dict)

    def with_use(self, placed: Placement) -> Fleet:
        """Return the fleet as it is once something runs there."""
        used = dict(self.used)
        for name, use in placed.uses().items():
            used[name] = used.get(name, _NOTHING) + use
        return Fleet(devices=self.devices, used=used)

    def without(self, names: Collection[str]) -> Fleet:
        """Return the fleet as it is for those who may have nothing of these devices."""
        full = {each.name: Use(places=each.places) for each in self.devices if each.name in names}
        return Fleet(devices=self.devices, used={**self.used, **full})


def find_placement(needs: Sequence[DeviceNeed], fleet: Fleet) -> Placement | None:
    """Return where one of `needs` can go now, the first one first; None where none can.

    Of the devices that would do, those are taken that are left with the least memory, so that the
    large ones stay free for what fits nowhere else.
    """
    for need in needs:
        rooms = [
            (room, left, device.name)
            for device in fleet.devices
            if device.device_class == need.device_class
            and (room := _room(device, need, fleet.used.get(device.name, _NOTHING))) > 0
            for left in [_left(device, fleet.used.get(device.name, _NOTHING))]
        ]
        if sum(room for room, _, _ in rooms) < need.count:
            continue
        # A device of one place comes before a shared one, whose memory others count on, too.
        rooms.sort(key=lambda each: (each[1], each[0], each[2]))
        chosen = [name for room, _, name in rooms for _ in range(room)][: need.count]
        return Placement(need=need, devices=tuple(chosen))
    return None


def require_fit(model: str, needs: Sequence[DeviceNeed], devices: Sequence[Device]) -> Placement:
    """Return where a model would go in the empty studio.

    Raises `FitsNowhere`, which names each device and why the model does not fit there.
    """
    found = find_placement(needs, Fleet(devices=tuple(devices)))
    if found is not None:
        return found
    wanted = " or ".join(str(need) for need in needs)
    raise FitsNowhere(
        model=model,
        wanted=wanted,
        misfits={device.name: _why_not(device, needs) for device in devices},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Somebody who waits for devices: by which ticket, and what would do."""

    ticket: int
    needs: tuple[DeviceNeed, ...]


def grants(
    wishes: Sequence[Wish], fleet: Fleet, *, lasting: Mapping[str, Use]
) -> Mapping[int, Placement]:
    """Return where each wish goes now, by its ticket; those that have to wait are not in it.

    `wishes` are in the order of asking. What one that waits could use is kept for it from all who
    asked later, so a gang that waits for its last device is not starved by singles that need one
    each. A wish that could never be met beside what is `lasting` keeps nothing from anybody.
    """
    granted: dict[int, Placement] = {}
    empty = Fleet(devices=fleet.devices, used=lasting)
    for wish in wishes:
        placed = find_placement(wish.needs, fleet)
        if placed is not None:
            granted[wish.ticket] = placed
            fleet = fleet.with_use(placed)
        elif find_placement(wish.needs, empty) is not None:
            fleet = fleet.without(could_use(wish.needs, empty))
    return granted


def could_use(needs: Sequence[DeviceNeed], fleet: Fleet) -> frozenset[str]:
    """Return the devices of a fleet that could stand for one of `needs`, or for part of it."""
    return frozenset(
        device.name
        for device in fleet.devices
        for need in needs
        if need.device_class == device.device_class
        and _room(device, need, fleet.used.get(device.name, _NOTHING)) > 0
    )


def _room(device: Device, need: DeviceNeed, use: Use) -> int:
    """Return how many of a need's devices this one can stand for."""
    places = device.places - use.places
    if device.memory_bytes is None or need.memory_bytes == 0:
        return max(0, places)
    return max(0, min(places, (device.memory_bytes - use.memory_bytes) // need.memory_bytes))


def _left(device: Device, use: Use) -> float:
    return float("inf") if device.memory_bytes is None else device.memory_bytes - use.memory_bytes


def _why_not(device: Device, needs: Sequence[DeviceNeed]) -> str:
    same = [need for need in needs if need.device_class == device.device_class]
    if not same:
        return f"it is a {device.device_class}"
    need = min(same, key=lambda each: (each.memory_bytes, each.count))
    if device.places == 0:
        return "nothing may run there"
    if device.memory_bytes is not None and device.memory_bytes < need.memory_bytes:
        return f"it has {as_size(device.memory_bytes)}, not {as_size(need.memory_bytes)}"
    room = _room(device, need, _NOTHING)
    return f"it stands for {room} of the {need.count} that are wanted at once"

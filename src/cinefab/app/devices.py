"""The devices of this studio: those that the settings declare, and those that this machine has.

A class that the settings declare is theirs alone. Of the others, the processors are one device
that has as many places as there are workers, NVIDIA's cards are asked of their driver, and a class
that only has `places` is a device whose memory nobody counts.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from cinefab.app.settings import DeviceTable, Settings
from cinefab.core.device import Device
from cinefab.core.stage import SERVICE

CPU: Final = "cpu-core"
CUDA: Final = "cuda"
HOST: Final = "host"
"""What this machine's processors are called as a device."""

_GIB: Final = 1 << 30
_NVML: Final = ("libnvidia-ml.so.1", "libnvidia-ml.so")
_CGROUP_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")


class StudioDevices:
    """The devices of a studio; a machine's cards are looked for when a model wants one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def of_class(self, device_class: str) -> tuple[Device, ...]:
        """Return the devices of a class, by name."""
        found = tuple(each for each in self._without_cards if each.device_class == device_class)
        return found if found or device_class != CUDA else self._cards

    @property
    def all(self) -> tuple[Device, ...]:
        """Every device, by name."""
        has_cards = any(each.device_class == CUDA for each in self._without_cards)
        return self._without_cards if has_cards else (*self._without_cards, *self._cards)

    def are_shared(self, device_class: str) -> bool:
        """Say whether a class is of devices that all workers of this machine use: cards, above all.

        Our own cores, and what only has `places`, each worker counts for itself.
        """
        own = {table.device_class for table in self._settings.devices.values()}
        if device_class in own:
            return device_class not in (CPU, SERVICE)
        return device_class == CUDA and self.of_class(CUDA) == self._cards != ()

    @property
    def places(self) -> Mapping[str, int]:
        """How many works may run on each class at once, but for cards that nobody declared."""
        places: dict[str, int] = {}
        for each in self._without_cards:
            places[each.device_class] = places.get(each.device_class, 0) + each.places
        return places

    @cached_property
    def _without_cards(self) -> tuple[Device, ...]:
        declared = list(_declared(self._settings.devices))
        own = {each.device_class for each in declared}
        counted = sorted(self._settings.places_by_class.items())
        return (
            *declared,
            *(_undeclared(name, places) for name, places in counted if name not in own),
        )

    @cached_property
    def _cards(self) -> tuple[Device, ...]:
        return tuple(
            Device(name=f"{CUDA}-{index}", device_class=CUDA, memory_bytes=size, index=index)
            for index, size in enumerate(nvidia_memories())
        )


def nvidia_memories() -> Iterator[int]:
    """Yield the memory of each NVIDIA card that this machine's driver knows, in its order."""
    import ctypes  # noqa: PLC0415 - asked only where a model wants a card

    library = next(filter(None, map(_library, _NVML)), None)
    if library is None or library.nvmlInit_v2() != 0:
        return
    try:
        count = ctypes.c_uint()
        if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return
        for index in range(count.value):
            handle = ctypes.c_void_p()
            memory = (ctypes.c_ulonglong * 3)()  # total, free, used
            known = library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) == 0
            if known and library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0:
                yield memory[0]
    finally:
        library.nvmlShutdown()


def this_machine() -> str:
    """Return what all workers on this machine call it, in whichever container they run."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return boot.read_text().strip() if boot.exists() else socket.gethostname()


def machine_memory() -> int:
    """Return the memory that processes of this machine may use together, in bytes."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(machine, int(_CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return machine


def _declared(tables: Mapping[str, DeviceTable]) -> Iterator[Device]:
    """Yield the devices of the tables; those of a class are numbered on from those before."""
    following: dict[str, int] = {}
    for name, table in sorted(tables.items()):
        first = following.get(table.device_class, 0) if table.index is None else table.index
        following[table.device_class] = first + table.count
        for number in range(table.count):
            yield Device(
                name=name if table.count == 1 else f"{name}-{number}",
                device_class=table.device_class,
                memory_bytes=None if table.memory_gb is None else round(table.memory_gb * _GIB),
                places=table.places,
                index=first + number,
            )


def _undeclared(device_class: str, places: int) -> Device:
    is_host = device_class == CPU
    return Device(
        name=HOST if is_host else device_class,
        device_class=device_class,
        memory_bytes=machine_memory() if is_host else None,
        places=places,
    )


def _library(name: str) -> Any:
    import ctypes  # noqa: PLC0415 - as above

    try:
        return ctypes.CDLL(name)
    except OSError:
        return None

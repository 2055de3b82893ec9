"""Devices: what a model needs to run on, and what the machines of the studio have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNeed:
    """A class of device a model runs on, how many of them at once, and its memory on each.

    A need of several devices is a gang: it has all of them together or none. `memory_mb` counts
    mebibytes, of this studio's memory alone: what runs elsewhere takes next to none.
    """

    device_class: str
    memory_mb: int
    count: int = 1

    @property
    def memory_bytes(self) -> int:
        """The memory on each of the devices."""
        return self.memory_mb * MIB

    def __str__(self) -> str:
        many = f"{self.count} x " if self.count > 1 else ""
        return f"{many}{self.device_class} with {as_size(self.memory_bytes)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of the studio: what kind it is, its memory, and how many works it runs at once.

    `memory_bytes` is shared by all that runs there; None where it is not counted, as on somebody
    else's machine. `index` is what its driver calls it, where it is one of several in a machine.
    """

    name: str
    device_class: str
    memory_bytes: int | None
    places: int = 1
    index: int | None = None


def as_size(size_bytes: int) -> str:
    """Return an amount of memory as people read it: `512 MiB`, `79.6 GiB`."""
    if size_bytes < 1 << 30:
        return f"{size_bytes / MIB:.4g} MiB"
    return f"{size_bytes / (1 << 30):.3g} GiB"

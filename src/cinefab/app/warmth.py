"""What takes long to start, started in the background while the rest of the program loads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Final

from cinefab.app.devices import StudioDevices
from cinefab.app.on_demand import OnDemand, PoolsByClass
from cinefab.app.settings import Settings
from cinefab.core.errors import CinefabError
from cinefab.engine.processes import ONE_THREAD, LocalProcesses
from cinefab.media.sandbox.outcome import Confinement, SandboxLimits
from cinefab.media.sandbox.pictures import PICTURE_TASK
from cinefab.media.sandbox.sandbox import Sandbox
from cinefab.schedule.slots import Slots

_CPU: Final = "cpu-core"
_PRELOAD: Final = ("cinefab.jobs.making", "cinefab.ingest.prepare")
_LOAD_TASK: Final = "cinefab.generate.take:load_model"
_LOAD_LIMIT_S: Final = 120.0


class Warmth:
    """The rendering processes and the sandbox; cold until `start`, and usable either way."""

    def __init__(self, settings: Settings) -> None:
        self._limits_mb = settings.containment.memory_mb
        self._pool = self.pool(_CPU, settings.worker_count)
        self.compute = OnDemand(self._pool)
        self.devices = StudioDevices(settings)
        self.slots = Slots(self.devices.places, others=1)
        self._elsewhere = PoolsByClass(
            _CPU,
            self.compute,
            count=self.slots.count,
            make=self.pool,
        )
        self.compute_on = self._elsewhere.of
        self.sandbox = Sandbox(SandboxLimits(), confinement=Confinement(settings.sandbox))

    def pool(
        self, device_class: str, count: int, environment: Mapping[str, str] = ONE_THREAD
    ) -> LocalProcesses:
        """Return processes for a device class, not started yet."""
        return LocalProcesses(
            count,
            preload=_PRELOAD,
            environment=environment,
            memory_mb=self._limits_mb.get(device_class),
        )

    def start(self, entry: str | None) -> None:
        """Start and return at once; `entry` names the class of the model to be loaded.

        One rendering process only: the first picture needs no more, and others that load at the
        same time would take its core from this program, which is still starting itself.
        """
        self._pool.start(1)
        self.sandbox.warm(PICTURE_TASK)
        if entry is not None:
            load = threading.Thread(target=self._load, args=(entry,), name="warmth", daemon=True)
            load.start()

    def close(self) -> None:
        """End what was started."""
        self._elsewhere.close()
        self._pool.close()
        self.sandbox.close()

    def _load(self, entry: str) -> None:
        try:
            # Whoever asks with the model's own affinity is sent to the process that holds it.
            load = self._pool.run(
                _LOAD_TASK, {"entry": entry}, affinity=entry, timeout_s=_LOAD_LIMIT_S
            )
            asyncio.run(load)
        except CinefabError:
            # Whatever is wrong with the model is said by the first task that needs it.
            return

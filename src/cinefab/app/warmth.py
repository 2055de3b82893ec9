"""What takes long to start, started in the background while the rest of the program loads."""

from __future__ import annotations

import asyncio
import threading
from typing import Final

from cinefab.app.on_demand import OnDemand
from cinefab.app.settings import Settings
from cinefab.core.errors import CinefabError
from cinefab.engine.processes import LocalProcesses
from cinefab.media.sandbox.outcome import Confinement, SandboxLimits
from cinefab.media.sandbox.pictures import PICTURE_TASK
from cinefab.media.sandbox.sandbox import Sandbox

_PRELOAD: Final = ("cinefab.generate.take", "cinefab.ingest.prepare")
_LOAD_TASK: Final = "cinefab.generate.take:load_model"
_LOAD_LIMIT_S: Final = 120.0


class Warmth:
    """The rendering processes and the sandbox; cold until `start`, and usable either way."""

    def __init__(self, settings: Settings) -> None:
        self._workers = settings.worker_count
        self.compute = OnDemand(LocalProcesses(self._workers, preload=_PRELOAD))
        self.sandbox = Sandbox(SandboxLimits(), confinement=Confinement(settings.sandbox))

    def start(self, entry: str | None) -> None:
        """Start everything and return at once; `entry` names the model's class to be loaded."""
        self.compute.start()
        self.sandbox.warm(PICTURE_TASK)
        if entry is not None:
            load = threading.Thread(target=self._load, args=(entry,), name="warmth", daemon=True)
            load.start()

    def close(self) -> None:
        """End what was started."""
        self.compute.close()
        self.sandbox.close()

    def _load(self, entry: str) -> None:
        async def everywhere() -> None:
            task = self.compute.run
            await asyncio.gather(
                *(
                    task(_LOAD_TASK, {"entry": entry}, timeout_s=_LOAD_LIMIT_S)
                    for _ in range(self._workers)
                ),
                return_exceptions=True,
            )

        try:
            asyncio.run(everywhere())
        except CinefabError:
            # Whatever is wrong with the model is said by the first task that needs it.
            return

"""A model's run as the tier sees it: watched, kept where another machine finds it, and stopped.

What the model keeps lies in a folder of this machine first; each resume point is copied into the
blobs while the model goes on. Whoever makes the same next is given the newest of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.errors import CinefabError, StorageUnavailable
from cinefab.core.plan import PlannedShot
from cinefab.engine.compute import ComputeResult
from cinefab.generate.resume import StoredPoint, end_points, find_points, record_point
from cinefab.generate.run import Run
from cinefab.jobs.stages import Order
from cinefab.jobs.status import ENDED, find_status
from cinefab.jobs.workshop import Model, Workshop
from cinefab.store.sweeping import refuse_swept

_CANCEL_TASK: Final = "cinefab.generate.take:cancel_takes"
_STEP_S: Final = 0.6
"""How long a run that tells its steps has to come to the end of one when it is cancelled."""

_CANCEL_S: Final = 5.0

_log: Final = logging.getLogger(__name__)


class WatchedRun:
    """One run of a model; `key` is all that determines what it makes.

    `folder` is where its process keeps resume points, `done` the share of its steps that are done,
    and `has_shown` whether a picture of it was shown.
    """

    def __init__(
        self,
        shop: Workshop,
        order: Order,
        key: Sha256,
        model: Model,
        *,
        on_done: Callable[[float], None],
        on_picture: Callable[[Path], Coroutine[Any, Any, None]],
    ) -> None:
        self._shop = shop
        self._job = order.job
        self._model = model
        self.key = key
        self.folder = shop.scratch / order.job / f"run-{self.key[:16]}"
        self._on_done = on_done
        self._on_picture = on_picture
        self.done = 0.0
        self.has_shown = False
        self._newest: dict[str, str] = {}
        self._copying: asyncio.Task[None] | None = None
        self._showing: asyncio.Task[None] | None = None

    async def restore(self) -> None:
        """Put what an earlier run of the same kept where the model finds it."""
        await asyncio.to_thread(self._restore)

    def hear(self, news: Json) -> None:
        """Take a piece of news from the model's process; called in the event loop."""
        told: Any = news
        if "kept" in told:
            self._newest[told["part"]] = told["kept"]
            if self._copying is None or self._copying.done():
                self._copying = asyncio.create_task(self._copy())
        if "step" in told and told["steps"]:
            self.done = told["step"] / told["steps"]
            self._on_done(self.done)
        if "preview" in told and (self._showing is None or self._showing.done()):
            self._showing = asyncio.create_task(self._on_picture(Path(told["preview"])))

    async def follow(self, asked: Coroutine[Any, Any, ComputeResult]) -> ComputeResult:
        """Wait for the model's answer; when nobody wants it any more, stop it between two steps.

        A model that tells no steps, or takes too long for one, is ended with its process. What it
        asked of somebody else is cancelled there.
        """
        running = asyncio.ensure_future(asked)
        try:
            answer = await asyncio.shield(running)
        except asyncio.CancelledError:
            await self._stop(running)
            raise
        for task in (self._copying, self._showing):
            if task is not None:
                await task
        return answer

    def forget(self, connection: sa.Connection) -> None:
        """Write that there is nothing to continue: part of the commit of what was made."""
        now_us = self._shop.recorder.clock.now_us()
        end_points(connection, self.key, tenant=self._shop.tenant, now_us=now_us)

    def end(self) -> None:
        """Write that there is nothing to continue any more, and remove the folder."""
        self._end()
        self.close()

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _stop(self, running: asyncio.Future[ComputeResult]) -> None:
        if "progress" in self._model.card.capabilities:
            await asyncio.to_thread(Run(folder=self.folder).stop)
            with contextlib.suppress(CinefabError, TimeoutError):
                await asyncio.wait_for(asyncio.shield(running), _STEP_S)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, CinefabError):
            await running
        if self._model.cancels:
            await asyncio.shield(self._cancel_elsewhere())

    async def _cancel_elsewhere(self) -> None:
        """Have an engine end what it was asked for, unless another worker goes on waiting for it."""
        if not await asyncio.to_thread(self._has_ended):
            return
        argument: Json = {**self._model.address, "run_folder": str(self.folder)}
        asked = self._shop.compute_on(self._model.device_class).run(
            _CANCEL_TASK, argument, affinity=self._model.affinity, timeout_s=_CANCEL_S
        )
        try:
            await asked
        except CinefabError:
            # The engine may be away; whatever it still does, nobody here waits for it.
            _log.warning("not_cancelled_elsewhere", extra={"job": self._job}, exc_info=True)
        else:
            await asyncio.to_thread(self._end)

    def _end(self) -> None:
        with self._shop.recorder.db.write() as connection:
            self.forget(connection)

    def _has_ended(self) -> bool:
        with self._shop.recorder.db.read() as connection:
            return find_status(connection, tenant=self._shop.tenant, job_id=self._job) in ENDED

    def _restore(self) -> None:
        with self._shop.recorder.db.read() as connection:
            points = find_points(connection, self.key, tenant=self._shop.tenant)
        here = {part.folder.name for part in Run(folder=self.folder).parts if part.folder}
        for stored in points:
            # What lies here is as new as what was copied, or newer.
            if stored.part in here and Run(folder=self.folder / stored.part).kept() is not None:
                continue
            try:
                files = {name: self._shop.blobs.load(d) for name, d in stored.files.items()}
            except StorageUnavailable:
                # It was swept or lost: the run starts anew, which is never wrong.
                continue
            Run(folder=self.folder / stored.part).keep(stored.point, files)

    async def _copy(self) -> None:
        while self._newest:
            part, point = self._newest.popitem()
            with contextlib.suppress(StorageUnavailable):
                await asyncio.to_thread(self._store, part, point)

    def _store(self, part: str, point: str) -> None:
        kept = Run(folder=self.folder / part).kept()
        if kept is None:
            return
        # The model may replace the point while it is copied: what was linked stays.
        links = self.folder.with_name(f"{self.folder.name}.{part}")
        shutil.rmtree(links, ignore_errors=True)
        links.mkdir(parents=True)
        try:
            for name, path in kept.files.items():
                os.link(path, links / name)
            files = {name: self._shop.blobs.put_file(links / name) for name in kept.files}
        except FileNotFoundError:
            # The model went on meanwhile: news of a newer point is on its way.
            return
        finally:
            shutil.rmtree(links, ignore_errors=True)
        stored = StoredPoint(part=part, point=kept.point, files=files)
        with self._shop.recorder.db.write() as connection:
            refuse_swept(connection, files.values(), has=self._shop.blobs.has)
            record_point(
                connection,
                stored,
                run=self.key,
                tenant=self._shop.tenant,
                job=self._job,
                now_us=self._shop.recorder.clock.now_us(),
            )


def run_key(shots: Sequence[PlannedShot]) -> Sha256:
    """Return what a run for some shots is known by: everything that determines its pixels."""
    return digest_of({"run": [segment.key for shot in shots for segment in shot.segments]})

"""The whole studio in one process: parts are made from settings, joined, started and stopped here.

What takes long to start is started elsewhere and early (`app/warmth.py`).
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final, Self

from cinefab.app.plugins import find_plugins, load_plugin
from cinefab.app.settings import Settings
from cinefab.app.warmth import Warmth
from cinefab.core.brief import Brief
from cinefab.core.clock import SystemClock
from cinefab.core.errors import Cancelled, StorageUnavailable, Unavailable, WorkerLost
from cinefab.core.ids import JobId, RandomIds, WorkerId
from cinefab.economics.prices import PriceBook, record_prices
from cinefab.engine.durable import Durable, Status
from cinefab.engine.heartbeat import Heartbeat
from cinefab.engine.system_database import system_url_for
from cinefab.engine.wire import Fault
from cinefab.ingest.fetch import Fetcher
from cinefab.jobs.cancelling import absorb_leases_of, cancel_job, fail_job
from cinefab.jobs.door import Opened, open_job
from cinefab.jobs.film import WORKFLOW, register_film
from cinefab.jobs.report import build_report
from cinefab.jobs.stages import CPU
from cinefab.jobs.workshop import FoundCheck, Model, Progress, Workshop
from cinefab.media.encode import encoder_version
from cinefab.media.machine import machine_signature
from cinefab.provenance.authority import open_authority
from cinefab.record.commit import Recorder
from cinefab.schedule.slots import Slots
from cinefab.store.blobs import Blobs
from cinefab.store.database import Database
from cinefab.store.migrate import migrate
from cinefab.tenancy.local import LOCAL_PRINCIPAL, LOCAL_TENANT, record_local_tenant

APPLICATION_VERSION: Final = "1"
"""Goes up when jobs that began under the release before cannot be finished by this one."""

_LOOK_EVERY_S: Final = 0.5


class Studio:
    """A running studio: makes films, resumes what others left unfinished, and closes cleanly."""

    def __init__(
        self,
        settings: Settings,
        *,
        tell: Callable[[Progress], None],
        warmth: Warmth | None = None,
    ) -> None:
        self.settings = settings
        self._stack = ExitStack()
        warmth = warmth or Warmth(settings)
        self._stack.callback(warmth.close)
        try:
            self.shop = self._assemble(settings, tell, warmth)
        except BaseException:
            self._stack.close()
            raise
        self._launched = False

    @property
    def authority_created(self) -> bool:
        """Whether the development authority was made by this very start."""
        return self.shop.authority.created

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything that was started; jobs that still run are left for the next worker."""
        self._stack.close()

    def make(self, brief: Brief, *, base: Path, requested_us: int) -> Mapping[str, Any]:
        """Make the film that `brief` asks for; return the job's report.

        The brief's files are relative to `base`. Control-C cancels the job. Raises
        `BriefInvalid`, `BudgetTooSmall` or `StorageUnavailable` before there is a job; after
        that, failures are in the report.
        """
        opened = open_job(
            self.shop,
            brief,
            base=base,
            out=self.settings.out,
            requested_us=requested_us,
        )
        try:
            return self._finish(opened)
        except KeyboardInterrupt:
            cancel_job(self.shop, opened.job, by="the person at the keyboard")
            return build_report(self.shop, opened.job)

    def serve(self, stop: threading.Event) -> None:
        """Work as a worker until `stop` is set: whatever dead workers left behind is finished."""
        self.launch()
        stop.wait()

    def launch(self) -> None:
        """Start the durable engine and the heartbeat; what dead workers left is taken over."""
        if self._launched:
            return
        self._launched = True
        shop = self.shop
        register_film(shop)
        shop.durable.launch()
        self._stack.callback(shop.durable.close)
        self._heartbeat = Heartbeat(
            shop.recorder.db,
            shop.worker,
            clock=shop.recorder.clock,
            on_dead=self._take_over,
        )
        self._heartbeat.start()
        self._stack.callback(self._heartbeat.close)

    def _finish(self, opened: Opened) -> Mapping[str, Any]:
        self.launch()
        durable = self.shop.durable
        if durable.status(opened.job) is Status.UNKNOWN:
            durable.start(WORKFLOW, opened.job, opened.job)
        while not self._ended(opened.job):
            if self._heartbeat.lost.is_set():
                raise WorkerLost(
                    attempted=f"make {opened.job}",
                    found="this process stood still for so long that another one took its jobs over",
                    remedy="Run it again to follow the job; nothing is done or charged twice.",
                )
        return build_report(self.shop, opened.job)

    def _ended(self, job: JobId) -> bool:
        try:
            self.shop.durable.result(job, timeout_s=_LOOK_EVERY_S)
        except (Cancelled, Fault):
            return True
        except WorkerLost as error:
            fail_job(self.shop, job, error)
            return True
        except StorageUnavailable:
            raise
        except Unavailable:
            return False
        return True

    def _take_over(self, worker: WorkerId) -> None:
        absorb_leases_of(self.shop, worker)
        self.shop.durable.adopt([worker])

    def _assemble(
        self, settings: Settings, tell: Callable[[Progress], None], warmth: Warmth
    ) -> Workshop:
        clock = SystemClock()
        ids = RandomIds(clock)
        db = Database(settings.db_url, durability=settings.durability)
        self._stack.callback(db.close)
        migrate(db)
        prices = PriceBook.from_usd_per_hour(settings.prices_usd_per_hour)
        with db.write() as connection:
            record_local_tenant(connection, now_us=clock.now_us())
            record_prices(connection, prices, now_us=clock.now_us())
        authority = open_authority(settings.home / "authority", clock=clock)
        worker = WorkerId(ids.new("wrk"))
        scratch = settings.home / "scratch" / worker
        self._stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        return Workshop(
            tenant=LOCAL_TENANT,
            principal=LOCAL_PRINCIPAL,
            worker=worker,
            recorder=Recorder(db=db, signer=authority.signer, clock=clock, ids=ids),
            blobs=Blobs(
                settings.blobs_url,
                cache=settings.home / "cache",
                durability=settings.durability,
            ),
            durable=Durable(
                system_url=system_url_for(settings.db_url),
                worker=worker,
                durability=settings.durability,
                application_version=APPLICATION_VERSION,
            ),
            compute=warmth.compute,
            slots=Slots({CPU: settings.worker_count}),
            sandbox=warmth.sandbox,
            fetcher=Fetcher(allow_networks=settings.allow_networks),
            models={name: _model(point) for name, point in find_plugins("models").items()},
            checks=tuple(_check(point) for _, point in sorted(find_plugins("checks").items())),
            target=load_plugin(find_plugins("targets")["folder"]),
            prices=prices,
            authority=authority,
            machine=machine_signature(),
            encoder=encoder_version(),
            scratch=scratch,
            tell=tell,
        )


def _model(point: EntryPoint) -> Model:
    return Model(card=load_plugin(point).card, entry=point.value)


def _check(point: EntryPoint) -> FoundCheck:
    check = load_plugin(point)
    return FoundCheck(name=check.name, version=check.version, entry=point.value)

"""The whole studio in one process: parts are made from settings, joined, started and stopped here.

What takes long to start is started elsewhere and early (`app/warmth.py`).
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final, Self

from cinefab.app.devices import this_machine
from cinefab.app.instances import Instances
from cinefab.app.models import Models, kept_in
from cinefab.app.plugins import FoundOnDemand, find_plugins, load_plugin
from cinefab.app.settings import Settings, SettingsInvalid
from cinefab.app.warmth import Warmth
from cinefab.app.watching import Watchable, watchable
from cinefab.core.brief import Brief
from cinefab.core.canonical import Json
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.errors import (
    Cancelled,
    CinefabError,
    NothingToDecide,
    StorageUnavailable,
    Unavailable,
    WorkerLost,
)
from cinefab.core.ids import JobId, RandomIds, WorkerId
from cinefab.deliver.places import AllowedPlace, Places, PurgeHook
from cinefab.deliver.target import Access, Target
from cinefab.economics.prices import PriceBook, record_prices
from cinefab.engine.durable import Durable, Status
from cinefab.engine.heartbeat import Heartbeat
from cinefab.engine.system_database import system_url_for
from cinefab.engine.wire import Fault
from cinefab.ingest.brief import WrittenBrief
from cinefab.ingest.fetch import Fetcher
from cinefab.jobs.cancelling import cancel_job, fail_job, failure_of
from cinefab.jobs.caretaking import Caretaker, is_made_elsewhere
from cinefab.jobs.delivering import write_report
from cinefab.jobs.door import Opened, open_job
from cinefab.jobs.estimating import Estimate
from cinefab.jobs.film import WORKFLOW, register_film
from cinefab.jobs.gating import decide, expire_overdue, find_waiting, waiting_items
from cinefab.jobs.intake import Intake
from cinefab.jobs.listing import load_listed
from cinefab.jobs.owners import workshop_of
from cinefab.jobs.report import build_report
from cinefab.jobs.rounds import current_workflow, load_order
from cinefab.jobs.sending_back import send_back
from cinefab.jobs.status import ENDED, JobStatus, find_status
from cinefab.jobs.uploading import register_uploads, tend_uploads
from cinefab.jobs.workshop import (
    FoundCheck,
    FoundEffect,
    FoundVoice,
    OutFolder,
    Progress,
    Workshop,
)
from cinefab.media.encode import encoder_version
from cinefab.media.machine import machine_signature
from cinefab.provenance.authority import open_authority
from cinefab.record.commit import Recorder
from cinefab.review.gate import Choice
from cinefab.review.items import Decision, Item
from cinefab.review.thresholds import bounds_from, thresholds_from
from cinefab.schedule.holds import SharedDevices
from cinefab.store.blobs import Blobs
from cinefab.store.database import Database
from cinefab.store.migrate import migrate
from cinefab.tenancy.local import LOCAL_PRINCIPAL, LOCAL_TENANT, record_local_tenant
from cinefab.tenancy.quotas import Quota

APPLICATION_VERSION: Final = "1"
"""Goes up when jobs that began under the release before cannot be finished by this one."""

_PREVIEW: Final = "preview.jpg"

_LOOK_EVERY_S: Final = 0.2


class Studio:
    """A running studio: makes films, resumes what others left unfinished, and closes cleanly.

    `tell` takes the news of jobs, `say` a sentence for the person who waits; any thread calls them.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        tell: Callable[[Progress], None],
        say: Callable[[str], None] = lambda _line: None,
        warmth: Warmth | None = None,
    ) -> None:
        self.settings = settings
        self._say = say
        self._stack = ExitStack()
        warmth = warmth or Warmth(settings)
        self._stack.callback(warmth.close)
        try:
            self.shop = self._assemble(settings, tell, warmth)
        except BaseException:
            self._stack.close()
            raise
        self._launched = False
        self._on_lost: Callable[[], None] = lambda: None

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

    def make(
        self,
        brief: Brief,
        *,
        base: Path,
        requested_us: int,
        stop: threading.Event | None = None,
        written: WrittenBrief | None = None,
    ) -> Mapping[str, Any]:
        """Make the film that `brief` asks for; return the job's report.

        The brief's files are relative to `base`; `written` is what it was read from. Control-C, or `stop` being set, cancels the job,
        unless another worker makes it: then `Cancelled` is raised and the job goes on. Raises
        `BriefInvalid`, `BudgetTooSmall` or `StorageUnavailable` before there is a job; after
        that, failures are in the report, but for `StorageUnavailable` while the database is away
        and `WorkerLost` when this process was taken for dead: both leave the job to be resumed.
        """
        stop = stop or threading.Event()
        if stop.is_set():
            raise KeyboardInterrupt
        opened = open_job(
            self.shop,
            brief,
            base=base,
            out=self.settings.out,
            requested_us=requested_us,
            written=written,
        )
        try:
            if opened.resumed:
                self._say_resumed(opened)
            if opened.estimate is not None and opened.estimate.preview_model is not None:
                self._say_parts(brief.model, opened.estimate)
            return self._finish(opened.job, stop)
        except KeyboardInterrupt:
            if opened.resumed and is_made_elsewhere(self.shop, opened.job):
                raise _stopped_following(opened.job) from None
            return self._cancel(opened.job)

    def retry(self, job: JobId, *, stop: threading.Event) -> Mapping[str, Any]:
        """Order what a job asked for again, and make it; return the new job's report.

        Raises `NothingToDecide` while the job has not ended, and otherwise as `make`.
        """
        with self.shop.recorder.db.read() as connection:
            listed = load_listed(connection, tenant=self.shop.tenant, job=job)
        if not listed.is_over:
            raise NothingToDecide(
                attempted=f"order {job} again",
                found=f"it is {listed.status}",
                remedy="Wait until it has ended, or cancel it.",
            )
        # Its files are blobs by now, so it is relative to nothing.
        return self.make(
            load_order(self.shop, job).brief,
            base=self.settings.home,
            requested_us=self.shop.recorder.clock.now_us(),
            stop=stop,
        )

    def report(self, job: JobId) -> Mapping[str, Any]:
        """Write the report of a job, as it stands now, to where its film was ordered; return it.

        Raises `Unavailable` if there is no such job, `StorageUnavailable` if it cannot be put there.
        """
        return write_report(self.shop, load_order(self.shop, job))

    def waiting(self) -> tuple[Item, ...]:
        """Return what waits for a person, the soonest due first; what is overdue is ended first."""
        self._end_overdue()
        return waiting_items(self.shop)

    def watchable(self, item: Item) -> Watchable:
        """Return where the cut and the frame that a person is asked about can be seen."""
        return watchable(self.settings, self.shop.blobs, item)

    def decide(self, subject: str, choice: Choice, *, reason: str) -> tuple[Item, Decision]:
        """Answer what was asked about a film, named by its job or by the item that waits.

        Raises `NothingToDecide` where there is nothing to answer, any more or at all.
        """
        self._end_overdue()
        item = find_waiting(self.shop, subject)
        made = decide(self.shop, item, choice, by=self.shop.principal, reason=reason)
        self._report(item.job)
        return item, made

    def send_back(
        self, subject: str, *, reason: str, changes: Sequence[str], shots: Sequence[int]
    ) -> tuple[Item, Decision]:
        """Have a film that waits made again, changed; what is not affected is reused.

        Raises as `decide` does, and `BriefInvalid` or `BudgetTooSmall` for the changes.
        """
        self._end_overdue()
        item = find_waiting(self.shop, subject)
        made = send_back(
            self.shop,
            item,
            by=self.shop.principal,
            reason=reason,
            changes=changes,
            shots=shots,
        )
        self._report(item.job)
        return item, made

    def begin(self, job: JobId) -> None:
        """Have a job of any tenant made here if there is room, else by whoever has; after `launch`."""
        self._intake.offer(current_workflow(workshop_of(self.shop, job), job))

    def on_lost(self, call: Callable[[], None]) -> None:
        """Have `call` told, from another thread, if this process is taken for dead."""
        self._on_lost = call

    def go_on(self, job: JobId, *, stop: threading.Event) -> Mapping[str, Any]:
        """Make a job that was let go on, or wait until another worker has; return its report.

        When `stop` is set, `Cancelled` is raised and the job is left to the next worker.
        """
        try:
            return self._finish(job, stop)
        except KeyboardInterrupt:
            raise _stopped_following(job) from None

    def serve(self, stop: threading.Event) -> None:
        """Work as a worker until `stop` is set: whatever dead workers left behind is finished.

        Raises `WorkerLost` if this process was taken for dead; `stop` is set then, too.
        """
        self._on_lost = stop.set
        self.launch()
        self.keep_warm()
        stop.wait()
        if self._heartbeat.lost.is_set():
            raise self._lost("work on what others left")

    def launch(self) -> None:
        """Start the durable engine and the heartbeat; what dead workers left is taken over."""
        if self._launched:
            return
        self._launched = True
        shop = self.shop
        register_film(shop)
        register_uploads(shop)
        at_once = self.settings.jobs_at_once
        caretaker = Caretaker(shop, adopts=at_once > 0)
        self._intake = Intake(shop, start=self._start, at_once=at_once)

        def sweep() -> None:
            caretaker.sweep()
            tend_uploads(shop, starts=at_once > 0)

        self._heartbeat = Heartbeat(
            shop.recorder.db,
            shop.worker,
            clock=shop.recorder.clock,
            on_dead=caretaker.take_over,
            on_lost=self._notice_lost,
            on_sweep=sweep,
            on_beat=self._intake.look,
        )
        # Closed in the other order: nobody looks for work any more, then the work stops, and only
        # then is the row ended, so that nothing is taken up after others were told to take over.
        self._stack.callback(self._heartbeat.close)
        self._stack.callback(shop.durable.close)
        self._stack.callback(self._heartbeat.stop)
        shop.durable.launch()
        self._heartbeat.start()

    def keep_warm(self) -> None:
        """Load the models that the settings keep warm, in the background; call it after `launch`.

        Raises `SettingsInvalid` for one that there is not.
        """
        for name in self.settings.warm.models:
            model = self.shop.models.get(name)
            if model is None:
                raise SettingsInvalid(
                    attempted="keep models warm",
                    found=f"warm.models: there is no model {name!r}",
                    remedy=f"Choose from: {', '.join(self.shop.models)}.",
                )
            self.instances.warm(model)

    def _notice_lost(self) -> None:
        self._on_lost()

    def _start(self, workflow: str) -> None:
        self.shop.durable.start(WORKFLOW, workflow, workflow)

    def _finish(self, job: JobId, stop: threading.Event) -> Mapping[str, Any]:
        while not self._rests(job):
            self._finish_round(job, stop)
        return build_report(self.shop, job)

    def _finish_round(self, job: JobId, stop: threading.Event) -> None:
        self.launch()
        workflow = current_workflow(self.shop, job)
        if self.shop.durable.status(workflow) is Status.UNKNOWN:
            self._start(workflow)
        while not self._ended(job, workflow):
            if stop.is_set():
                raise KeyboardInterrupt
            if self._heartbeat.lost.is_set():
                raise self._lost(f"make {job}")

    def _rests(self, job: JobId) -> bool:
        """Say whether a job has ended, or waits for a person, who is not kept company."""
        self._end_overdue()
        with self.shop.recorder.db.read() as connection:
            status = find_status(connection, tenant=self.shop.tenant, job_id=job)
        return status in ENDED or status is JobStatus.NEEDS_PERSON

    def _end_overdue(self) -> None:
        for expired in expire_overdue(self.shop):
            self._report(expired)

    def _ended(self, job: JobId, workflow: str) -> bool:
        durable = self.shop.durable
        try:
            durable.result(workflow, timeout_s=_LOOK_EVERY_S)
        except Fault as error:
            self._end_broken(job, failure_of(error))
        except StorageUnavailable as error:
            # Either it is away now, and the job goes on later, or it was away at the very end.
            if durable.status(workflow) is not Status.FAILED:
                raise
            self._end_broken(job, failure_of(error))
        except WorkerLost as error:
            self._end_broken(job, failure_of(error), to=JobStatus.PARKED)
        except Unavailable as error:
            if durable.status(workflow) is not Status.FAILED:
                return False
            self._end_broken(job, failure_of(error))
        except CinefabError as error:
            self._end_broken(job, failure_of(error))
        return True

    def _end_broken(self, job: JobId, failure: Json, *, to: JobStatus = JobStatus.FAILED) -> None:
        """End the row of a job whose workflow is over without having done so."""
        if fail_job(self.shop, job, failure, to=to):
            self._report(job)

    def _cancel(self, job: JobId) -> Mapping[str, Any]:
        if not cancel_job(self.shop, job, by="the person at the keyboard"):
            return build_report(self.shop, job)
        if self._launched:
            # Our own steps first, or one of them would put its picture there again.
            self._heartbeat.stop()
            self.shop.durable.close()
        (load_order(self.shop, job).out / _PREVIEW).unlink(missing_ok=True)
        return self._report(job)

    def _report(self, job: JobId) -> Mapping[str, Any]:
        try:
            return write_report(self.shop, load_order(self.shop, job))
        except StorageUnavailable as error:
            self._say(f"the report could not be put beside the film: {error}")
            return build_report(self.shop, job)

    def _say_resumed(self, opened: Opened) -> None:
        self._say(f"going on with {opened.job}, which was begun before and is unfinished")
        if opened.out.parent != self.settings.out.absolute():
            self._say(f"its film was ordered into {opened.out} and is put there")

    def _say_parts(self, model: str, estimate: Estimate) -> None:
        preview, film = estimate.preview_uusd, estimate.film_uusd
        if preview is None or film is None:
            self._say(f"first a preview on {estimate.preview_model}, then the film on {model}")
            return
        self._say(
            f"first a preview on {estimate.preview_model}, estimated at "
            f"${preview / 1_000_000:.6f}, then the film on {model}, at ${film / 1_000_000:.6f}"
        )

    def _lost(self, attempted: str) -> WorkerLost:
        """Stop working at once, as others do it now, and say why."""
        self._heartbeat.stop()
        self.shop.durable.close()
        return WorkerLost(
            attempted=attempted,
            found="this process stood still for so long that another one took its jobs over",
            remedy="Run it again to go on; nothing is done or charged twice.",
        )

    def _seats(
        self, settings: Settings, warmth: Warmth, db: Database, worker: WorkerId, clock: Clock
    ) -> Instances:
        self.instances = Instances(
            settings.warm.policy,
            devices=warmth.devices,
            slots=warmth.slots,
            pool_of=warmth.compute_on,
            make=warmth.pool,
            clock=clock,
        )
        self.instances.share(
            SharedDevices(
                db,
                machine=this_machine(),
                worker=worker,
                clock=clock,
                devices=warmth.devices.of_class,
            )
        )
        # Before the database goes, in which they give back what they held.
        self._stack.callback(self.instances.close)
        return self.instances

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
            compute_on=warmth.compute_on,
            slots=warmth.slots,
            seats=self._seats(settings, warmth, db, worker, clock),
            sandbox=warmth.sandbox,
            fetcher=Fetcher(allow_networks=settings.allow_networks),
            readers=tuple(
                load_plugin(point) for _, point in sorted(find_plugins("readers").items())
            ),
            models=Models(settings, kept_in(db)),
            effects=FoundOnDemand("effects", _effect),
            voices=FoundOnDemand("voices", _voice),
            recognisers=FoundOnDemand("recognisers", _entry),
            checks=tuple(_check(point) for _, point in sorted(find_plugins("checks").items())),
            thresholds=thresholds_from(settings.review_thresholds),
            threshold_bounds=bounds_from(settings.review_bounds),
            target=OutFolder(
                folder=load_plugin(find_plugins("targets")["folder"]), access=Access(clock=clock)
            ),
            places=_places(settings, clock),
            prices=prices,
            authority=authority,
            machine=machine_signature(),
            encoder=encoder_version(),
            scratch=scratch,
            tell=tell,
            preview_model=settings.preview_model,
            usual_quota=Quota(
                jobs_in_flight=settings.quota_jobs_in_flight or None,
                requests_per_minute=settings.quota_requests_per_minute or None,
                upload_bytes=settings.quota_upload_bytes or None,
            ),
            containment=settings.containment.policy,
        )


def _places(settings: Settings, clock: Clock) -> Places:
    plugins = find_plugins("targets")

    def load(scheme: str) -> Target | None:
        point = plugins.get(scheme)
        return None if point is None else load_plugin(point)

    allowed = [
        AllowedPlace(
            url=url,
            access=Access(
                clock=clock,
                headers=place.headers,
                options=place.options,
                attempts_max=place.attempts,
            ),
            public_url=place.public_url,
            purge=None if place.purge is None else PurgeHook(**place.purge.model_dump()),
        )
        for url, place in settings.targets.items()
    ]
    return Places(allowed, out=settings.out, own=Access(clock=clock), load=load)


def _stopped_following(job: JobId) -> Cancelled:
    return Cancelled(
        attempted=f"wait for {job}",
        found="you asked to stop waiting; another worker makes it, and goes on",
        remedy="Run the same command again to wait for it, or stop the command that makes it.",
    )


def _voice(point: EntryPoint) -> FoundVoice:
    return FoundVoice(voice=load_plugin(point), entry=point.value)


def _entry(point: EntryPoint) -> str:
    return point.value


def _effect(point: EntryPoint) -> FoundEffect:
    return FoundEffect(effect=load_plugin(point), entry=point.value)


def _check(point: EntryPoint) -> FoundCheck:
    check = load_plugin(point)
    return FoundCheck(
        name=check.name,
        version=check.version,
        entry=point.value,
        takes=bool(getattr(check, "takes", False)),
        advice=getattr(check, "advice", None),
    )

"""The studio as a service asks for it: each verb once, for whoever may, on the caller's tenant.

The API and its dialects call these functions, which block and are called in threads. They decide
by the policy who may do what, and let no location through that names a file of this machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from cinefab.app.events import EventHub
from cinefab.app.models import Models, kept_in
from cinefab.app.serving.audit import Audit
from cinefab.app.serving.callers import Callers
from cinefab.app.serving.desk import Desk
from cinefab.app.serving.entrance import Entrance
from cinefab.app.serving.keys import Keys
from cinefab.app.serving.locations import check_locations, locations_in
from cinefab.app.serving.meters import Meters
from cinefab.app.serving.models import ServedModels
from cinefab.app.serving.origins import Origins
from cinefab.app.serving.pacing import Pacing
from cinefab.app.serving.people import People
from cinefab.app.serving.templates import Templates
from cinefab.app.serving.tenants import Tenants
from cinefab.app.serving.uploads import Uploads
from cinefab.app.serving.webhooks import Webhooks
from cinefab.app.settings import Settings
from cinefab.app.studio import Studio
from cinefab.core.brief import Brief, Size
from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.clock import Clock
from cinefab.core.errors import CinefabError, NothingToDecide, Unavailable
from cinefab.core.ids import AssetId, IdSource, JobId
from cinefab.deliver.releases import Release, find_release
from cinefab.economics.budgets import Spenders
from cinefab.economics.report import ledger_report
from cinefab.ingest.brief import WrittenBrief, parse_brief
from cinefab.ingest.uploads import find_sender
from cinefab.jobs.cancelling import cancel_job
from cinefab.jobs.door import open_job, revise_brief
from cinefab.jobs.gating import decide, expire_overdue, find_waiting, waiting_items
from cinefab.jobs.listing import ListedJob, list_jobs, load_listed, put_away
from cinefab.jobs.once import Once, find_by_key
from cinefab.jobs.owners import working_as
from cinefab.jobs.report import build_report
from cinefab.jobs.rounds import load_asked, load_order
from cinefab.jobs.sending_back import send_back
from cinefab.jobs.status import JobStatus
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Progress, Workshop
from cinefab.media.overview import write_poster, write_sheet
from cinefab.provenance.asset import Asset
from cinefab.provenance.assets import assets_of_job, find_asset_by_digest, load_asset
from cinefab.provenance.credential_rows import Credential, find_credential
from cinefab.record.books import check_books
from cinefab.record.trace import find_by_digest, trace
from cinefab.review.gate import Choice
from cinefab.review.items import Decision, Item, decisions_of
from cinefab.schedule.breakers import Breaker, troubled
from cinefab.store.database import Database
from cinefab.store.facts import ToldEvent, events_of
from cinefab.store.migrate import HEAD
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.policy import Resource, load_policy
from cinefab.tenancy.roles import Action

if TYPE_CHECKING:
    from cinefab.app.serving.openid import OpenId

_log: Final = getLogger(__name__)

_STARTERS: Final = 2

_NOWHERE: Final = Path("/nonexistent")
"""What a brief that came from elsewhere is relative to: none of our files are its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """A job that a create led to; `before` says that it was there already."""

    job: ListedJob
    before: bool


class Service:
    """A running studio, for many callers at once; any thread may call."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._progress: dict[JobId, Progress] = {}
        self._hub: EventHub | None = None
        self.studio = Studio(settings, tell=self._tell)
        try:
            self.policy = load_policy(settings.policies_folder)
            self.events = EventHub(self.studio.shop.recorder.db)
            self._hub = self.events
            self.callers = Callers(db=self.db, clock=self.clock, ids=self.ids)
            desk = Desk(db=self.db, clock=self.clock, ids=self.ids, policy=self.policy)
            self.keys = Keys(desk)
            self.people = People(desk)
            self.entrance = Entrance(desk)
            self.openid = _provider(desk, settings)
            self.tenants = Tenants(desk, usual=self.studio.shop.usual_quota)
            self.audit = Audit(desk)
            self.meters = Meters(desk, self.events)
            self.templates = Templates(desk)
            self.registry = ServedModels(desk, Models(settings, kept_in(self.db)))
            self.webhooks = Webhooks(desk, settings)
            self.uploads = Uploads(desk, self.studio)
            self.origins = Origins(desk, self.studio)
            self.pacing = Pacing(settings, self.db, self.clock)
        except BaseException:
            self.studio.close()
            raise
        self._starters = ThreadPoolExecutor(_STARTERS, thread_name_prefix="start")
        self._lost = False
        self._works = False

    def start(self, on_lost: Callable[[], None]) -> None:
        """Start working; `on_lost` is called if this process is taken for dead."""

        def lost() -> None:
            self._lost = True
            on_lost()

        self.studio.on_lost(lost)
        self.studio.launch()
        self.studio.keep_warm()
        self._works = True

    def close(self) -> None:
        """Stop; jobs that still run are left for the next worker."""
        self.events.close()
        self._starters.shutdown(wait=True, cancel_futures=True)
        self.studio.close()

    # Whether it works

    def ready(self) -> Mapping[str, str]:
        """Return what was found of each thing that work needs; `ok` where it is there."""
        found = {"worker": "taken for dead" if self._lost else "ok"}
        try:
            with self.db.read() as connection:
                connection.execute(sa.select(1))
            found["database"] = "ok"
        except CinefabError as error:
            found["database"] = type(error).__name__
            return found | {"models": "unknown", "schema": HEAD}
        # One that rests is no reason to send nobody here: others work, and it may be named instead.
        count = len(self.resting())
        found["models"] = "ok" if count == 0 else f"{count} of them resting"
        found["schema"] = HEAD
        return found

    def resting(self) -> Mapping[str, Breaker]:
        """Return the models that failed for several jobs and are given nothing, or tried, by name."""
        with self.db.read() as connection:
            return troubled(connection)

    # Jobs

    def create(
        self,
        caller: Caller,
        text: str,
        *,
        once: Once,
        files: Mapping[str, Path] | None = None,
        folder: Path | None = None,
    ) -> Ordered:
        """Make a job of a brief as text; its files are URLs, or names of `files` in `folder`.

        Raises as `jobs.door.open_job` does, and `Forbidden`.
        """
        shop = self._shop(caller, Action.JOB_CREATE)
        known = self._sent_before(shop, once)
        if known is not None:
            return known
        now_us = self.clock.now_us()
        brief = parse_brief(text, origin="the request", now_us=now_us)
        check_locations(brief, allowed=frozenset(files or ()))
        written = WrittenBrief(brief=brief, text=text, folder=_NOWHERE)
        opened = open_job(
            shop,
            brief,
            base=folder or _NOWHERE,
            out=self.settings.out,
            requested_us=now_us,
            written=written,
            once=once,
            spenders=_spenders(caller, brief),
        )
        return self._ordered(shop, opened.job, before=opened.resumed)

    def list(
        self,
        caller: Caller,
        *,
        limit: int,
        after: str | None,
        status: JobStatus | None,
        label: tuple[str, str] | None,
        oldest_first: bool = False,
    ) -> tuple[ListedJob, ...]:
        """Return a page of the tenant's jobs, newest first unless told otherwise."""
        shop = self._shop(caller, Action.JOB_READ)
        with self.db.read() as connection:
            return list_jobs(
                connection,
                tenant=shop.tenant,
                limit=limit,
                after=None if after is None else JobId(after),
                status=status,
                label=label,
                oldest_first=oldest_first,
            )

    def show(self, caller: Caller, job: str) -> ListedJob:
        """Return a job; raise `Unavailable` if there is none."""
        return self._find(caller, job, Action.JOB_READ)[1]

    def progress(self, job: JobId) -> Progress | None:
        """Return the latest news of a job that this process makes."""
        return self._progress.get(job)

    def cancel(self, caller: Caller, job: str) -> ListedJob:
        """Stop a job; of one that is over nothing changes."""
        shop, listed = self._find(caller, job, Action.JOB_CANCEL)
        cancel_job(shop, listed.id, by=shop.principal)
        return self.show(caller, job)

    def put_away(self, caller: Caller, job: str) -> None:
        """Stop a job and show it in no list any more; its records and what it made stay."""
        shop, listed = self._find(caller, job, Action.JOB_CANCEL)
        cancel_job(shop, listed.id, by=shop.principal)
        with self.db.write() as connection:
            put_away(connection, tenant=shop.tenant, job=listed.id, now_us=self.clock.now_us())

    def retry(self, caller: Caller, job: str, *, once: Once) -> Ordered:
        """Order what a job asked for again, once it has ended; what was finished is reused.

        Raises `NothingToDecide` while it has not.
        """
        again = replace(once, again=JobId(job))
        return self.remix(caller, job, changes=(), shots=(), once=again)

    def remix(
        self,
        caller: Caller,
        job: str,
        *,
        changes: Sequence[str],
        shots: Sequence[int],
        once: Once,
    ) -> Ordered:
        """Make another job of a job's brief, with `changes` (`path=value`) and new seeds in `shots`.

        Without any, it is the same again, for which the job must have ended. Raises as `create`.
        """
        _, listed = self._find(caller, job, Action.JOB_READ)
        shop = self._shop(caller, Action.JOB_CREATE)
        known = self._sent_before(shop, once)
        if known is not None:
            return known
        if not changes and not shots and not listed.is_over:
            raise NothingToDecide(
                attempted=f"order {listed.id} again",
                found=f"it is {listed.status}",
                remedy="Wait until it has ended, or cancel it; or change something of it.",
            )
        now_us = self.clock.now_us()
        # As it was asked for: whoever orders it again is pinned anew.
        kept = load_asked(shop, listed.id)
        text, folder = self._written(shop, listed.id)
        if changes and text is not None:
            before = parse_brief(text, origin="that was kept", now_us=now_us)
            after = parse_brief(text, origin="that was kept", now_us=now_us, overrides=changes)
            check_locations(after, allowed=frozenset(place for _, place in locations_in(before)))
        revised, revised_text = revise_brief(
            shop,
            kept,
            text=text,
            folder=folder,
            changes=changes,
            reseed={index: _other_seed(listed.id, index) for index in shots},
        )
        opened = open_job(
            shop,
            revised,
            base=_NOWHERE,
            out=self.settings.out,
            requested_us=now_us,
            written=None
            if revised_text is None
            else WrittenBrief(brief=revised, text=revised_text, folder=folder),
            once=once,
            spenders=_spenders(caller, revised),
        )
        return self._ordered(shop, opened.job, before=opened.resumed)

    def report(self, caller: Caller, job: str) -> Mapping[str, Any]:
        """Return all that is known of a job: segments, time, cost, origin, verdict."""
        shop, listed = self._find(caller, job, Action.JOB_READ)
        return build_report(shop, listed.id)

    def events_since(self, caller: Caller, job: str, after: int) -> tuple[ToldEvent, ...]:
        """Return what was told of a job after an event."""
        shop, listed = self._find(caller, job, Action.JOB_READ)
        with self.db.read() as connection:
            return events_of(connection, tenant=shop.tenant, subject=listed.id, after=after)

    # Assets

    def asset(self, caller: Caller, asset: str) -> Asset:
        """Return an asset; raise `Unavailable` if the tenant has none by this id."""
        with self.db.read() as connection:
            found = load_asset(connection, caller.tenant, AssetId(asset))
            sender = find_sender(connection, tenant=caller.tenant, which=found.job or "")
        if sender is not None or found.job is None:
            resource = Resource(tenant=caller.tenant, owner=sender)
            self.policy.check(caller, Action.ASSET_READ, resource)
        else:
            # Whose job it is from and what that was ordered with, a policy may ask.
            self._find(caller, found.job, Action.ASSET_READ)
        return found

    def content(self, caller: Caller, asset: str) -> tuple[Asset, Path]:
        """Return an asset and a file of this machine with its bytes, held against their digest."""
        found = self.asset(caller, asset)
        return found, self.studio.shop.blobs.local_path(found.sha256)

    def preview(self, caller: Caller, job: str) -> tuple[Asset, Path]:
        """Return a job's first picture; raise `Unavailable` while there is none."""
        shop, listed = self._find(caller, job, Action.JOB_READ)
        digest = build_report(shop, listed.id)["preview"]
        if digest is None:
            raise Unavailable(
                attempted=f"show the first picture of {listed.id}",
                found="it has not been made, or was swept away since",
                remedy="Wait for the event that tells of it.",
            )
        with self.db.read() as connection:
            found = find_by_digest(connection, shop.tenant, Sha256(digest))
        return found, shop.blobs.local_path(found.sha256)

    def beside(self, caller: Caller, job: str, kind: str) -> tuple[tuple[Asset, Path], ...]:
        """Return what a job delivered of a kind beside its film, each with a file of its bytes."""
        shop, listed = self._find(caller, job, Action.ASSET_READ)
        with self.db.read() as connection:
            found = assets_of_job(connection, shop.tenant, listed.id, kind)
        return tuple((each, shop.blobs.local_path(each.sha256)) for each in found)

    def job_of_film(self, caller: Caller, digest: Sha256) -> JobId | None:
        """Return the tenant's job that delivered exactly this film, None if none did."""
        self.policy.check(caller, Action.JOB_READ, Resource(tenant=caller.tenant))
        with self.db.read() as connection:
            found = find_asset_by_digest(connection, caller.tenant, digest, "film")
        return None if found is None else found.job

    def released(self, caller: Caller, job: str) -> Release | None:
        """Return the film that a job delivered, None while there is none."""
        shop, listed = self._find(caller, job, Action.JOB_READ)
        with self.db.read() as connection:
            return find_release(connection, tenant=shop.tenant, job=listed.id)

    def sheet(self, caller: Caller, asset: str) -> tuple[Asset, Path]:
        """Return a film and a picture with one small picture for each second of it.

        It is made when it is first asked for, from the film's own bytes, and kept beside the studio.
        """
        found, film = self.content(caller, asset)
        path = self.settings.home / "sheets" / f"{found.sha256}.jpg"
        if not path.is_file():
            released, size = self._film(caller, found)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sheet(film, path, frames=released.frames, size=size, every_frames=released.fps)
        return found, path

    def thumbnail(self, caller: Caller, asset: str) -> tuple[Asset, Path]:
        """Return a picture of an asset: itself, or of a film the one with most to see of three."""
        found, media = self.content(caller, asset)
        if found.media_type.startswith("image/"):
            return found, media
        path = self.settings.home / "sheets" / f"{found.sha256}-poster.jpg"
        if not path.is_file():
            frames = self._film(caller, found)[0].frames
            path.parent.mkdir(parents=True, exist_ok=True)
            write_poster([(media, frames * part // 4) for part in (1, 2, 3)], path)
        return found, path

    def _film(self, caller: Caller, asset: Asset) -> tuple[Release, Size]:
        released = None
        if asset.job is not None and asset.kind == "film":
            with self.db.read() as connection:
                released = find_release(connection, tenant=caller.tenant, job=asset.job)
        if released is None or asset.job is None:
            raise Unavailable(
                attempted=f"show a picture of {asset.public_id}",
                found=f"it is no film but {asset.kind}, {asset.media_type}",
                remedy="Ask for its content.",
            )
        return released, load_order(self._as(caller), asset.job).brief.output.size

    def traced(self, caller: Caller, asset: str) -> Mapping[str, Any]:
        """Return where an asset comes from, what that cost, and who is paid."""
        found = self.asset(caller, asset)
        with self.db.read() as connection:
            return trace(
                connection,
                tenant=caller.tenant,
                asset=found,
                anchors_pem=self.studio.shop.authority.trust_anchors_pem,
            )

    def credentials(self, caller: Caller, asset: str) -> tuple[Asset, Credential | None]:
        """Return the content credentials that an asset's bytes carry, as far as is known."""
        found = self.asset(caller, asset)
        with self.db.read() as connection:
            return found, find_credential(connection, found)

    # Reviews

    def reviews(self, caller: Caller) -> tuple[Item, ...]:
        """Return what waits for a person, the soonest due first."""
        shop = self._shop(caller, Action.REVIEW_READ)
        expire_overdue(shop)
        return waiting_items(shop)

    def decide(self, caller: Caller, subject: str, choice: Choice, *, reason: str) -> Decision:
        """Answer what was asked about a film; raise `NothingToDecide`."""
        shop, item = self._waiting(caller, subject)
        made = decide(shop, item, choice, by=shop.principal, reason=reason)
        self._begin(item.job)
        return made

    def send_back(
        self,
        caller: Caller,
        subject: str,
        *,
        reason: str,
        changes: Sequence[str],
        shots: Sequence[int],
    ) -> Decision:
        """Have a film that waits made again, changed; raise as `decide`, `BriefInvalid` too."""
        shop, item = self._waiting(caller, subject)
        self._check_changes(shop, item.job, changes)
        made = send_back(shop, item, by=shop.principal, reason=reason, changes=changes, shots=shots)
        self._begin(item.job)
        return made

    def _waiting(self, caller: Caller, subject: str) -> tuple[Workshop, Item]:
        """Return what waits for a person whom the policy lets the caller be."""
        shop = self._shop(caller, Action.REVIEW_DECIDE)
        expire_overdue(shop)
        item = find_waiting(shop, subject)
        self._find(caller, item.job, Action.REVIEW_DECIDE)
        return shop, item

    # The rest

    def ledger(self, caller: Caller) -> Mapping[str, Any]:
        """Return what was spent and reserved, where device time went and what each job cost."""
        shop = self._shop(caller, Action.LEDGER_READ)
        with self.db.read() as connection:
            found = ledger_report(connection, tenant=shop.tenant)
        return {**asdict(found), "by_class": {str(k): us for k, us in found.by_class.items()}}

    def check_ledger(self, caller: Caller) -> Mapping[str, Any]:
        """Prove that the books balance, from the journal alone."""
        shop = self._shop(caller, Action.LEDGER_READ)
        with self.db.read() as connection:
            checked = check_books(connection, tenant=shop.tenant)
        return {"balances": checked.holds, **asdict(checked)}

    @property
    def db(self) -> Database:
        """The database of this studio."""
        return self.studio.shop.recorder.db

    @property
    def clock(self) -> Clock:
        """What tells this studio the time."""
        return self.studio.shop.recorder.clock

    @property
    def ids(self) -> IdSource:
        """What makes this studio's ids."""
        return self.studio.shop.recorder.ids

    def _shop(self, caller: Caller, action: Action) -> Workshop:
        self.policy.check(caller, action, Resource(tenant=caller.tenant))
        return self._as(caller)

    def _as(self, caller: Caller) -> Workshop:
        return working_as(self.studio.shop, tenant=caller.tenant, principal=caller.principal)

    def _find(self, caller: Caller, job: str, action: Action) -> tuple[Workshop, ListedJob]:
        shop = self._as(caller)
        with self.db.read() as connection:
            listed = load_listed(connection, tenant=caller.tenant, job=JobId(job))
        resource = Resource(
            tenant=caller.tenant, owner=listed.principal, labels=dict(listed.labels)
        )
        self.policy.check(caller, action, resource)
        return shop, listed

    def _sent_before(self, shop: Workshop, once: Once) -> Ordered | None:
        # Asked again in the transaction that writes; here it spares the work of a plan.
        with self.db.read() as connection:
            known = find_by_key(connection, shop, once)
        return None if known is None else self._ordered(shop, JobId(known), before=True)

    def _ordered(self, shop: Workshop, job: JobId, *, before: bool) -> Ordered:
        if not before:
            self._begin(job)
        with self.db.read() as connection:
            listed = load_listed(connection, tenant=shop.tenant, job=job)
        return Ordered(job=listed, before=before)

    def _begin(self, job: JobId) -> None:
        # What is written survives: if this process dies first, a worker finds the job and starts it.
        # One that was not started leaves it to those too.
        if self._works:
            self._starters.submit(self._begin_now, job)

    def _begin_now(self, job: JobId) -> None:
        try:
            self.studio.begin(job)
        except CinefabError as error:
            _log.warning("job_not_started", extra={"job": job, "found": type(error).__name__})

    def _check_changes(self, shop: Workshop, job: JobId, changes: Sequence[str]) -> None:
        text, _ = self._written(shop, job)
        if not changes or text is None:
            return
        now_us = self.clock.now_us()
        before = parse_brief(text, origin="that was kept", now_us=now_us)
        after = parse_brief(text, origin="that was kept", now_us=now_us, overrides=changes)
        check_locations(after, allowed=frozenset(place for _, place in locations_in(before)))

    def _written(self, shop: Workshop, job: JobId) -> tuple[str | None, Path]:
        with self.db.read() as connection:
            row = connection.execute(
                sa.select(job_table.c.written).where(
                    job_table.c.tenant_id == shop.tenant, job_table.c.public_id == job
                )
            ).scalar_one()
            texts = [
                made.written
                for _, made in decisions_of(connection, tenant=shop.tenant, job=job)
                if made.written is not None
            ]
        if row is None:
            return None, _NOWHERE
        ordered: Any = json.loads(row)
        return (texts[-1] if texts else str(ordered["text"])), Path(ordered["folder"])

    def _tell(self, news: Progress) -> None:
        self._progress[news.job] = news
        while len(self._progress) > _PROGRESS_KEPT:
            self._progress.pop(next(iter(self._progress)), None)
        if self._hub is not None:
            self._hub.tell(news)


_PROGRESS_KEPT: Final = 1024


def _provider(desk: Desk, settings: Settings) -> OpenId | None:
    if settings.oidc is None:
        return None
    # Most studios have none, and load nothing of this.
    from cinefab.app.serving.openid import OpenId  # noqa: PLC0415 - see above

    return OpenId(desk, settings.oidc)


def _spenders(caller: Caller, brief: Brief) -> Spenders:
    # What a key says of itself, nobody who has it can say otherwise.
    return Spenders(key=caller.key, labels={**dict(brief.labels), **caller.labels})


def _other_seed(job: JobId, index: int) -> int:
    # The same however often it is asked, another one than the job's own.
    return int.from_bytes(sha256_of(f"{job}:{index}".encode()).encode()[:6], "big")

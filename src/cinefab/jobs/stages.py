"""How a stage is run: timed, leased, and committed once, whatever its body does.

The body only makes things. Whether the stage was done before, on which device and for how long,
what becomes of the lease when the body fails, and the commit itself are settled here, so that no
stage can forget them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from cinefab.core.brief import Brief
from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.errors import Cancelled, CinefabError
from cinefab.core.ids import JobId, LeaseId
from cinefab.core.stage import Bill, Charge, Elapsed, TimeClass
from cinefab.core.units import NO_TIME, DeviceUs
from cinefab.economics.leases import open_lease
from cinefab.economics.ledger import Overrun, absorb_lost_lease
from cinefab.engine.wire import Fault
from cinefab.jobs.pins import Pins
from cinefab.jobs.status import ENDED
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Model, Progress, Seat, Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import (
    AlsoWrite,
    CommittedStage,
    NewAsset,
    StageRef,
    commit_stage,
    find_stage,
    nothing_else,
)
from cinefab.store.facts import AuditLeaf, OutboxEvent
from cinefab.store.sweeping import refuse_swept

_DIGEST: Final = re.compile(r"\b[0-9a-f]{64}\b")

CPU: Final = "cpu-core"
"""The device class of this machine's own processors, one core a place."""

PREVIEW: Final = "preview:"
"""What the names of a preview film's stages begin with."""

_REVISION: Final = "~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A job as its stages see it: what was asked for, and who bears what it costs beyond that.

    `round` counts how often a person let it go on, `revision` how often with another brief: the
    stages of a revision are its own. Of a preview film, `film` is the brief of the film that it is
    the preview of; its stages are its own, too. Its briefs name the very versions of models that
    the job was pinned to; `pins` are what else it began with, None for jobs of before.
    """

    job: JobId
    brief: Brief
    out: Path
    round: int = 0
    revision: int = 0
    film: Brief | None = None
    pins: Pins | None = None

    def named(self, name: str) -> str:
        """Return what a stage of this name is called: of a preview film, `preview:` before it."""
        return name if self.film is None else f"{PREVIEW}{name}"

    @property
    def overrun(self) -> Overrun:
        """A budget is a fixed price: what the work costs beyond it is ours to bear."""
        return Overrun.EXTEND if self.brief.budget_uusd is None else Overrun.ABSORB


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutput:
    """What a stage's body made: assets in order, small facts, and rows of the layer's own.

    `load_us` of the time went into getting ready: a process, its code, a model's weights. It is 0
    where all of them were warm. `work_us` went into the work; what is left of the lease the device
    was held and idle, for what was fetched, handed over and committed. None means that all but
    `load_us` was work.
    `work_class` says what the work was worth: whoever threw it away, or did it again, says so.
    `seat` is where it runs, once it has one. `bills` are what somebody else asks for it.
    """

    assets: tuple[NewAsset, ...]
    facts: Json
    also: AlsoWrite = nothing_else
    load_us: int = 0
    work_us: int | None = None
    work_class: TimeClass = TimeClass.GOOD
    bills: tuple[Bill, ...] = ()


def stage_name(name: str, *, revision: int) -> str:
    """Return what a stage of this revision is recorded as: of the first, as it is called."""
    return f"{name}{_REVISION}{revision}" if revision else name


def stage_ref(shop: Workshop, order: Order, name: str) -> StageRef:
    """Return what the stage of this name is found by, in the revision that is being made."""
    recorded = stage_name(order.named(name), revision=order.revision)
    return StageRef(tenant=shop.tenant, job=order.job, name=recorded)


def stage_called(recorded: str) -> str:
    """Return what a stage is called, whichever revision it was recorded for."""
    return recorded.partition(_REVISION)[0]


def latest_stage(stages: Sequence[CommittedStage], name: str) -> CommittedStage | None:
    """Return the stage of this name of the newest revision that has it: the film's own."""
    return next((each for each in reversed(stages) if stage_called(each.name) == name), None)


StageBody = Callable[[], Awaitable[StageOutput]]


def _nothing_more(_connection: sa.Connection, _lease: LeaseId) -> None:
    """Write nothing beside the waste of a lease that was lost."""


@dataclass(eq=False, slots=True, kw_only=True)
class Attempt:
    """One run of a stage's body as it goes: what is to be known of it if it fails.

    `lease` is what its time is on, while it is open. `bills` are what somebody else has asked so far, so that it is paid whatever becomes of the run;
    `blamed` is the error that whatever the body asked is to blame for. `on_lost` writes more, in
    the transaction that accounts for a lease whose work was lost.
    """

    on_lost: Callable[[sa.Connection, LeaseId], None] = _nothing_more
    lease: LeaseId | None = None
    seat: Seat | None = None
    bills: list[Bill] = field(default_factory=list)
    blamed: CinefabError | Fault | None = None


async def run_stage(
    shop: Workshop,
    order: Order,
    name: str,
    body: StageBody,
    *,
    model: Model | None = None,
    attempt: Attempt | None = None,
) -> CommittedStage:
    """Run a stage of a job once: take a place and a lease, run the body, commit what it made.

    The stage of a `model` runs on that model's devices, all of them at once, and its time is counted
    on each; any other runs on a core of our own.

    A stage that is already committed is returned as it was. If the body fails or is cancelled,
    its time goes into the ledger as waste that nobody is charged for, with what the `attempt` was
    billed by then, and the error goes on.
    """
    attempt = attempt or Attempt()
    job = order.job
    ref = stage_ref(shop, order, name)
    known = await asyncio.to_thread(find_stage, shop.recorder.db, ref)
    if known is not None:
        return known
    async with _seat(shop, order, model) as seat:
        attempt.seat = seat
        device_class, devices = seat.device_class, seat.devices
        shop.tell(Progress(job=job, stage=order.named(name), done=0.0))
        clock = shop.recorder.clock
        started_us, began_us = clock.now_us(), clock.elapsed_us()
        lease = await asyncio.to_thread(
            open_stage_lease, shop, order, ref, device_class, devices, now_us=started_us
        )
        attempt.lease = lease
        try:
            output = await body()
            attempt.bills += output.bills
            took_us = clock.elapsed_us() - began_us
            charge = charge_of(shop, ref, lease, device_class, devices, took_us, output)
            took = Elapsed(started_us=started_us, took_us=took_us)
            committed = await asyncio.to_thread(
                commit_output, shop, order, ref, output, charge, took
            )
        except BaseException:
            lost_us = DeviceUs((clock.elapsed_us() - began_us) * devices)
            # Cancellation must not cut short what keeps the books right.
            await asyncio.shield(asyncio.to_thread(give_up, shop, lease, lost_us, attempt))
            raise
    shop.tell(Progress(job=job, stage=order.named(name), done=1.0))
    return committed


@asynccontextmanager
async def _seat(shop: Workshop, order: Order, model: Model | None) -> AsyncIterator[Seat]:
    if model is not None:
        async with shop.seats.take(model, order.brief.tier) as seat:
            yield seat
        return
    async with shop.slots.take(CPU):
        yield Seat(compute=shop.compute, device_class=CPU)


def open_stage_lease(
    shop: Workshop,
    order: Order,
    ref: StageRef,
    device_class: str,
    devices: int,
    *,
    now_us: int,
) -> LeaseId:
    """Open the lease of a stage whose time began at `now_us`; raise `Cancelled` if its job is over."""
    with shop.recorder.db.write() as connection:
        _refuse_if_over(connection, order, ref)
        return open_lease(
            connection,
            tenant=ref.tenant,
            device_class=device_class,
            worker=shop.worker,
            job=ref.job,
            stage=ref.name,
            prices=shop.prices,
            ids=shop.recorder.ids,
            now_us=now_us,
            devices=devices,
        )


def charge_of(
    shop: Workshop,
    ref: StageRef,
    lease: LeaseId,
    device_class: str,
    devices: int,
    took_us: int,
    output: StageOutput,
) -> Charge:
    """Return what a stage is charged that took so long: every microsecond in its class."""
    load_us = min(output.load_us, took_us)
    work_us = took_us - load_us
    if output.work_us is not None:
        work_us = min(output.work_us, work_us)
    parts = {
        TimeClass.LOAD: DeviceUs(load_us),
        output.work_class: DeviceUs(work_us),
        TimeClass.IDLE: DeviceUs(took_us - load_us - work_us),
    }
    by_class = {kind: DeviceUs(length * devices) for kind, length in parts.items() if length > 0}
    bills = output.bills
    if not bills and shop.prices.is_billed(device_class):
        # Somebody else's machine did it and did not say what they ask: unknown, and said so.
        asks = output.assets[-1].lineage.made_by.partition("@")[0]
        reference = f"{ref.job}:{ref.name}"
        bills = (Bill(amount_uusd=None, basis="unknown", supplier=asks, reference=reference),)
    return Charge(
        lease=lease,
        device_class=device_class,
        by_class=by_class,
        bills=bills,
        billed_class=output.work_class,
    )


def commit_output(
    shop: Workshop,
    order: Order,
    ref: StageRef,
    output: StageOutput,
    charge: Charge,
    took: Elapsed,
) -> CommittedStage:
    """Commit what a stage's body made, unless its job is over or a blob of it was swept."""

    def also(connection: sa.Connection, made: tuple[Asset, ...]) -> None:
        _refuse_if_over(connection, order, ref)
        refuse_swept(connection, _blobs_of(made), has=shop.blobs.has)
        output.also(connection, made)

    said: Json = {
        "stage": ref.name,
        "digests": [asset.content.digest for asset in output.assets],
        "took_us": took.took_us,
        "device_us": charge.device_us,
        **({"bills": [each.as_dict() for each in charge.bills]} if charge.bills else {}),
    }
    return commit_stage(
        shop.recorder,
        ref,
        assets=output.assets,
        charged=charge,
        took=took,
        leaf=AuditLeaf(kind="stage.committed", subject=ref.job, body=said),
        event=OutboxEvent(kind="stage.committed", subject=ref.job, body=said),
        facts=output.facts,
        overrun=order.overrun,
        also=also,
    )


def _blobs_of(made: tuple[Asset, ...]) -> set[Sha256]:
    # A small picture of a segment, say, is no asset of its own: the segment's facts name it.
    named = (_DIGEST.findall(canonical_json(asset.facts).decode()) for asset in made)
    return {asset.sha256 for asset in made} | {Sha256(digest) for each in named for digest in each}


def give_up(
    shop: Workshop,
    lease: LeaseId,
    lost_us: DeviceUs,
    attempt: Attempt,
    *,
    since_us: DeviceUs = NO_TIME,
) -> None:
    """Close a lease whose work came to nothing: nobody is charged for it."""
    with shop.recorder.db.write() as connection:
        absorb_lost_lease(
            connection,
            tenant=shop.tenant,
            lease=lease,
            lost_us=lost_us,
            since_us=since_us,
            bills=tuple(attempt.bills),
            now_us=shop.recorder.clock.now_us(),
        )
        attempt.on_lost(connection, lease)


def _refuse_if_over(connection: sa.Connection, order: Order, ref: StageRef) -> None:
    row = connection.execute(
        sa.select(job_table.c.status, job_table.c.round).where(
            job_table.c.tenant_id == ref.tenant, job_table.c.public_id == ref.job
        )
    ).one()
    attempted = f"go on with {ref.name} of {ref.job}"
    if row.status in ENDED:
        raise Cancelled(
            attempted=attempted,
            found=f"the job is {row.status}",
            remedy="Order it again if it is still wanted; what was finished is reused.",
        )
    if row.round != order.round:
        raise Cancelled(
            attempted=attempted,
            found="a person was asked meanwhile, and the job has gone on without it",
            remedy="Nothing: whoever took it over finishes it.",
        )

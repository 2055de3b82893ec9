"""Stages of no job, such as taking in an upload: leased, timed and committed once, as any other."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from cinefab.core.ids import LeaseId
from cinefab.core.stage import Elapsed
from cinefab.core.units import DeviceUs
from cinefab.economics.leases import open_lease
from cinefab.economics.ledger import Overrun
from cinefab.jobs.stages import CPU, Attempt, StageBody, StageOutput, charge_of, give_up
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import CommittedStage, StageRef, commit_stage, find_stage
from cinefab.store.facts import AuditLeaf, OutboxEvent
from cinefab.store.sweeping import refuse_swept


async def run_apart(
    shop: Workshop, ref: StageRef, body: StageBody, *, event: OutboxEvent
) -> CommittedStage:
    """Run a stage of no job, once, on one of our own processors; `event` tells of it.

    What fails is waste. Nobody ordered it, so all that it costs is ours to bear.
    """
    known = await asyncio.to_thread(find_stage, shop.recorder.db, ref)
    if known is not None:
        return known
    async with shop.slots.take(CPU):
        clock = shop.recorder.clock
        started_us, began_us = clock.now_us(), clock.elapsed_us()
        lease = await asyncio.to_thread(_open, shop, ref, started_us)
        try:
            output = await body()
            took = Elapsed(started_us=started_us, took_us=clock.elapsed_us() - began_us)
            return await asyncio.to_thread(_commit, shop, ref, lease, output, took, event)
        except BaseException:
            lost_us = DeviceUs(clock.elapsed_us() - began_us)
            # Cancellation must not cut short what keeps the books right.
            await asyncio.shield(asyncio.to_thread(give_up, shop, lease, lost_us, Attempt()))
            raise


def _open(shop: Workshop, ref: StageRef, now_us: int) -> LeaseId:
    with shop.recorder.db.write() as connection:
        return open_lease(
            connection,
            tenant=ref.tenant,
            device_class=CPU,
            worker=shop.worker,
            job=ref.job,
            stage=ref.name,
            prices=shop.prices,
            ids=shop.recorder.ids,
            now_us=now_us,
        )


def _commit(
    shop: Workshop,
    ref: StageRef,
    lease: LeaseId,
    output: StageOutput,
    took: Elapsed,
    event: OutboxEvent,
) -> CommittedStage:
    def also(connection: sa.Connection, made: tuple[Asset, ...]) -> None:
        refuse_swept(connection, {asset.sha256 for asset in made}, has=shop.blobs.has)
        output.also(connection, made)

    return commit_stage(
        shop.recorder,
        ref,
        assets=output.assets,
        charged=charge_of(shop, ref, lease, CPU, 1, took.took_us, output),
        took=took,
        leaf=AuditLeaf(kind=event.kind, subject=event.subject, body=event.body),
        event=event,
        facts=output.facts,
        overrun=Overrun.ABSORB,
        also=also,
    )

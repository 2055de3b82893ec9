"""Leases: who has which device since when, and at what price.

A lease is opened before a stage's work begins and closed by the ledger, in the transaction that
charges the stage. One that stays open past its worker was lost, and is absorbed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.ids import IdSource, JobId, LeaseId, TenantId, WorkerId
from cinefab.core.stage import TimeClass
from cinefab.core.units import DeviceUs, Uusd
from cinefab.economics.errors import LeaseClosed, LedgerConflict
from cinefab.economics.prices import PriceBook
from cinefab.economics.tables import lease, lease_class


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLease:
    """A lease whose time is still running; unpriced where `nusd_per_s` is None.

    Its time is counted on each of its `devices`.
    """

    id: LeaseId
    tenant: TenantId
    device_class: str
    worker: WorkerId
    job: JobId
    stage: str
    nusd_per_s: int | None
    opened_us: int
    devices: int = 1

    def lost_us(self, until_us: int) -> DeviceUs:
        """Return the device time since it was opened, if it was lost at `until_us`."""
        return DeviceUs(max(0, until_us - self.opened_us) * self.devices)


def open_lease(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    device_class: str,
    worker: WorkerId,
    job: JobId,
    stage: str,
    prices: PriceBook,
    ids: IdSource,
    now_us: int,
    devices: int = 1,
) -> LeaseId:
    """Open a lease for a stage on so many devices, at the price of the moment; return its id."""
    opened = LeaseId(ids.new("lse"))
    connection.execute(
        lease.insert().values(
            id=opened,
            tenant_id=tenant,
            device_class=device_class,
            worker_id=worker,
            job_id=job,
            stage=stage,
            nusd_per_s=prices.find(device_class),
            devices=devices,
            opened_us=now_us,
        )
    )
    return opened


def open_leases_of(connection: sa.Connection, worker: WorkerId) -> tuple[OpenLease, ...]:
    """Return what a worker has open, oldest first, over all tenants: a dead worker served many.

    Ordered by tenant first, so that whoever absorbs them in one transaction takes the tenants'
    gates in the order that never waits in a circle.
    """
    return _open_leases(connection, lease.c.worker_id == worker)


def open_leases_of_job(
    connection: sa.Connection, *, tenant: TenantId, job: JobId
) -> tuple[OpenLease, ...]:
    """Return what a job has open, oldest first."""
    return _open_leases(connection, lease.c.tenant_id == tenant, lease.c.job_id == job)


def find_open_lease(
    connection: sa.Connection, lease_id: LeaseId, *, tenant: TenantId
) -> OpenLease | None:
    """Return a tenant's lease, or None when there is none by that id or it is closed."""
    found = _open_leases(connection, lease.c.id == lease_id, lease.c.tenant_id == tenant)
    return found[0] if found else None


def close_lease(
    connection: sa.Connection,
    lease_id: LeaseId,
    *,
    tenant: TenantId,
    by_class: Mapping[TimeClass, DeviceUs],
    since_us: DeviceUs,
    cost: Uusd | None,
    charge_key: str | None,
    now_us: int,
) -> None:
    """End a lease with what its time went into; for the ledger alone, which writes the transfers.

    `since_us` is where its time begins in a run that several stages share.

    Raises `LeaseClosed` when somebody else has ended it.
    """
    parts = {time_class: us for time_class, us in by_class.items() if us > 0}
    closed = connection.execute(
        lease.update()
        .where(lease.c.id == lease_id, lease.c.tenant_id == tenant, lease.c.closed_us.is_(None))
        .values(
            closed_us=now_us,
            device_us=sum(parts.values()),
            since_us=since_us,
            cost_uusd=cost,
            charge_key=charge_key,
        )
    )
    if closed.rowcount != 1:
        raise lease_is_closed(lease_id)
    if parts:
        connection.execute(
            lease_class.insert(),
            [
                {"lease_id": lease_id, "time_class": time_class.value, "device_us": us}
                for time_class, us in parts.items()
            ],
        )


def lease_is_closed(lease_id: LeaseId) -> LeaseClosed:
    """Return the error for a lease that is not open any more."""
    return LeaseClosed(
        attempted=f"charge lease {lease_id}",
        found="it is closed: its worker was taken for dead, or its job was ended",
        remedy="Throw this result away; whoever took the stage over charges its own lease.",
    )


def check_lease_is_for(opened: OpenLease, *, job: JobId, stage: str, device_class: str) -> None:
    """Raise `LedgerConflict` unless the lease was opened for exactly this."""
    was = (opened.job, opened.stage, opened.device_class)
    if was != (job, stage, device_class):
        raise LedgerConflict(
            attempted=f"charge lease {opened.id} to stage {stage} of {job} on {device_class}",
            found=f"it was opened for stage {was[1]} of {was[0]} on {was[2]}",
            remedy="Charge a stage with the lease that was opened for it.",
        )


def _open_leases(
    connection: sa.Connection, *which: sa.ColumnElement[bool]
) -> tuple[OpenLease, ...]:
    query = (
        sa.select(lease)
        .where(lease.c.closed_us.is_(None), *which)
        .order_by(lease.c.tenant_id, lease.c.opened_us, lease.c.id)
    )
    return tuple(
        OpenLease(
            id=LeaseId(row.id),
            tenant=TenantId(row.tenant_id),
            device_class=row.device_class,
            worker=WorkerId(row.worker_id),
            job=JobId(row.job_id),
            stage=row.stage,
            nusd_per_s=row.nusd_per_s,
            opened_us=row.opened_us,
            devices=row.devices,
        )
        for row in connection.execute(query)
    )

"""What a report says of runs that failed: of what, what they cost us, and what followed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cinefab.core.clock import iso_utc
from cinefab.core.errors import CinefabError
from cinefab.core.ids import JobId, TenantId
from cinefab.economics.report import JobCosts, LeaseCost
from cinefab.engine.wire import decode_error
from cinefab.jobs.containing import found_of
from cinefab.jobs.stages import stage_called
from cinefab.schedule.containment import FailedRun
from cinefab.schedule.failures import failed_runs_of


def failures_of(
    connection: sa.Connection, job: JobId, costs: JobCosts, *, tenant: TenantId
) -> dict[str, Any]:
    """Return every run of a model that failed, oldest first; nothing where none did.

    `ended` is what it took with it, its process or its worker; `follows` whether it was tried again,
    given up, or the job parked. Its time is ours, so `cost_uusd` is paid by overhead.
    """
    spent: dict[str, LeaseCost] = {lease.id: lease for lease in costs.leases}
    shown = []
    for each in failed_runs_of(connection, tenant=tenant, job=job):
        lease = None if each.lease is None else spent.get(each.lease)
        shown.append(
            {
                "stage": stage_called(each.stage),
                "model": each.model,
                "error": each.kind,
                "found": found_of(each),
                "remedy": _remedy(each),
                "at": iso_utc(each.at_us),
                "ended": each.ended,
                "follows": each.follows,
                "device_us": None if lease is None else lease.device_us,
                "cost_uusd": None if lease is None else lease.cost_uusd,
            }
        )
    return {"failures": shown} if shown else {}


def _remedy(failed: FailedRun) -> str | None:
    error = decode_error(failed.error)
    return error.remedy if isinstance(error, CinefabError) else None

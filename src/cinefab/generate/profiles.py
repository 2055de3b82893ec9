"""What a model version has shown here: how long it takes, what it costs, how often it is refused.

Nothing is kept for this: it is asked of the takes, of the leases that they were made under, of the
times of their stages and of what the checks said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.ids import TenantId
from cinefab.core.stage import TimeClass
from cinefab.core.units import BasisPoints, DeviceUs, Uusd
from cinefab.economics.tables import bill, lease, lease_class
from cinefab.generate.tables import shadow_take, take
from cinefab.latency.tables import stage_time

RUNS_MAX: Final = 1000
"""The newest runs of a version that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a version's runs took on a class of device.

    A run is a stage: what was missing of a shot. `p50_us` and `p95_us` are how long one was waited
    for, of that `load_us` on the whole for getting ready. `us_per_megapixel` is the device time of
    10^6 pixels of a frame, without loading. `uusd_per_frame` is None where a run's price is unknown.
    """

    device_class: str
    runs: int
    frames: int
    p50_us: int
    p95_us: int
    load_us: DeviceUs
    device_us: DeviceUs
    us_per_megapixel: int | None
    cost_uusd: Uusd | None
    uusd_per_frame: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What the checks said of a version's first takes of shots: `refused` counts by the check's name.

    `passed_bp` is None where there were none.
    """

    takes: int
    passed: int
    passed_bp: BasisPoints | None
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What came of a version's takes in the shadow of another one, shot by shot.

    Of each pair both passed, or one was refused alone, or both were; what `failed` is in none.
    """

    other: str
    both: int
    this_refused: int
    other_refused: int
    neither: int
    failed: int


def profiles_of(
    connection: sa.Connection, ref: str, *, tenant: TenantId | None = None
) -> tuple[Profile, ...]:
    """Return what a version's newest runs took, by device class; `tenant`'s alone where one is named."""
    runs = [*_runs(connection, take, ref, tenant), *_runs(connection, shadow_take, ref, tenant)]
    by_device: dict[str, list[Any]] = {}
    for run in runs:
        by_device.setdefault(run.device_class, []).append(run)
    return tuple(_profile(name, found) for name, found in sorted(by_device.items()))


def quality_of(connection: sa.Connection, ref: str, *, tenant: TenantId | None = None) -> Quality:
    """Return what the checks said of what a version made first, delivered or in the shadow."""
    first = (
        sa.select(take.c.job_id, take.c.stage, sa.func.max(take.c.refused).label("refused"))
        .where(
            take.c.model == ref, take.c.attempt == 0, take.c.stage.is_not(None), *_of(take, tenant)
        )
        .group_by(take.c.job_id, take.c.stage)
    )
    said = [row.refused for row in connection.execute(first)]
    shadows = sa.select(shadow_take.c.outcome, shadow_take.c.why).where(
        shadow_take.c.model == ref, *_of(shadow_take, tenant)
    )
    outcomes = connection.execute(shadows).all()
    said += [
        row.why if row.outcome == "refused" else None for row in outcomes if row.outcome != "failed"
    ]
    refused = Counter(each.partition(":")[0] for each in said if each is not None)
    failed = sum(row.outcome == "failed" for row in outcomes)
    if failed:
        refused["failed"] = failed
    takes = len(said) + failed
    passed = takes - sum(refused.values())
    share = BasisPoints(passed * 10_000 // takes) if takes else None
    return Quality(
        takes=takes, passed=passed, passed_bp=share, refused=dict(sorted(refused.items()))
    )


def beside_of(
    connection: sa.Connection, ref: str, *, tenant: TenantId | None = None
) -> tuple[Beside, ...]:
    """Return how a version did beside those that it was in the shadow of."""
    rows = connection.execute(
        sa.select(shadow_take.c.beside, shadow_take.c.outcome, shadow_take.c.beside_refused).where(
            shadow_take.c.model == ref, *_of(shadow_take, tenant)
        )
    )
    counted: dict[str, Counter[tuple[bool, bool] | str]] = {}
    for row in rows:
        pair: tuple[bool, bool] | str = "failed"
        if row.outcome != "failed":
            pair = (row.outcome == "passed", row.beside_refused is None)
        counted.setdefault(row.beside, Counter())[pair] += 1
    return tuple(
        Beside(
            other=other,
            both=pairs[True, True],
            this_refused=pairs[False, True],
            other_refused=pairs[True, False],
            neither=pairs[False, False],
            failed=pairs["failed"],
        )
        for other, pairs in sorted(counted.items())
    )


def _runs(
    connection: sa.Connection, made: sa.Table, ref: str, tenant: TenantId | None
) -> Sequence[Any]:
    """Return the runs that `made` tells of, each with its lease, its time and its bills."""
    runs = (
        sa.select(
            made.c.tenant_id,
            made.c.job_id,
            made.c.stage,
            sa.func.sum(made.c.frames).label("frames"),
            sa.func.max(made.c.pixels).label("pixels"),
            sa.func.max(made.c.id).label("newest"),
        )
        .where(made.c.model == ref, made.c.stage.is_not(None), *_of(made, tenant))
        .group_by(made.c.tenant_id, made.c.job_id, made.c.stage)
        .order_by(sa.func.max(made.c.id).desc())
        .limit(RUNS_MAX)
        .subquery()
    )
    loading = sa.and_(
        lease_class.c.lease_id == lease.c.id, lease_class.c.time_class == TimeClass.LOAD
    )
    billed = (
        sa.select(
            bill.c.lease_id,
            sa.func.sum(bill.c.amount_uusd).label("amount"),
            (sa.func.count() - sa.func.count(bill.c.amount_uusd)).label("unknown"),
        )
        .group_by(bill.c.lease_id)
        .subquery()
    )
    query = (
        sa.select(
            runs.c.frames,
            runs.c.pixels,
            lease.c.device_class,
            lease.c.device_us,
            lease.c.cost_uusd,
            lease_class.c.device_us.label("load_us"),
            stage_time.c.took_us,
            billed.c.amount,
            billed.c.unknown,
        )
        .select_from(runs)
        .join(
            lease,
            sa.and_(
                lease.c.tenant_id == runs.c.tenant_id,
                lease.c.job_id == runs.c.job_id,
                lease.c.stage == runs.c.stage,
                lease.c.charge_key.is_not(None),
            ),
        )
        .join(
            stage_time,
            sa.and_(
                stage_time.c.tenant_id == runs.c.tenant_id,
                stage_time.c.job_id == runs.c.job_id,
                stage_time.c.stage == runs.c.stage,
            ),
        )
        .outerjoin(lease_class, loading)
        .outerjoin(billed, billed.c.lease_id == lease.c.id)
    )
    return connection.execute(query).all()


def _profile(device_class: str, runs: Sequence[Any]) -> Profile:
    took = sorted(run.took_us for run in runs)
    frames = sum(int(run.frames) for run in runs)
    load_us = sum(run.load_us or 0 for run in runs)
    device_us = sum(run.device_us for run in runs)
    pixels = sum(int(run.frames) * run.pixels for run in runs)
    costs = [_cost(run) for run in runs]
    cost = None if None in costs else Uusd(sum(each or 0 for each in costs))
    return Profile(
        device_class=device_class,
        runs=len(runs),
        frames=frames,
        p50_us=_at(took, 50),
        p95_us=_at(took, 95),
        load_us=DeviceUs(load_us),
        device_us=DeviceUs(device_us),
        us_per_megapixel=(device_us - load_us) * 1_000_000 // pixels if pixels else None,
        cost_uusd=cost,
        uusd_per_frame=cost // frames if cost is not None and frames else None,
    )


def _cost(run: Any) -> int | None:
    """Return what a run cost with its bills; None where nobody knows."""
    if run.unknown:
        return None
    if run.amount is not None:
        return int(run.amount) + (run.cost_uusd or 0)
    return None if run.cost_uusd is None else int(run.cost_uusd)


def _at(ordered: Sequence[int], percent: int) -> int:
    """Return the smallest value that so many of a hundred do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _of(table: sa.Table, tenant: TenantId | None) -> list[sa.ColumnElement[bool]]:
    return [] if tenant is None else [table.c.tenant_id == tenant]

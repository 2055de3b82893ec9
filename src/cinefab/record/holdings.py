"""What a tenant keeps: each blob from when its first asset was made until a sweep took it away.

The same bytes are one blob, however many assets point to them, and are counted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Sha256
from cinefab.core.ids import TenantId
from cinefab.core.units import US_PER_S, Uusd
from cinefab.economics.findings import Finding
from cinefab.economics.journal import take_gate
from cinefab.economics.storage import DAY_US, charged_until, post_storage
from cinefab.economics.tables import storage_line, storage_period
from cinefab.provenance.tables import asset
from cinefab.store.schema import swept_blob

RELEASE: Final = "release"
ORIGINAL: Final = "original"
_CLASSES: Final = {"film": RELEASE, "reference": ORIGINAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A stretch of time for which a blob was kept; `until_us` is None while it still is."""

    digest: Sha256
    kept_as: str
    size_bytes: int
    from_us: int
    until_us: int | None


def class_of(kind: str) -> str:
    """Return the class of retention that an asset's kind belongs to: mostly its own."""
    return RELEASE if kind.startswith("release.") else _CLASSES.get(kind, kind)


def charge_storage(
    connection: sa.Connection, *, tenant: TenantId, nusd_per_gb_month: int | None, now_us: int
) -> Uusd | None:
    """Post what the tenant's blobs took since the last time, day by day; return what that costs.

    None where it is unpriced. Sent again at the same moment it posts nothing.
    """
    take_gate(connection, tenant=tenant)
    held = holdings_of(connection, tenant=tenant)
    start_us = charged_until(connection, tenant=tenant)
    if start_us is None:
        start_us = min((each.from_us for each in held), default=now_us)
    charged = Uusd(0)
    while start_us < now_us:
        end_us = min(start_us + DAY_US, now_us)
        cost = post_storage(
            connection,
            _byte_s(held, from_us=start_us, until_us=end_us),
            tenant=tenant,
            from_us=start_us,
            until_us=end_us,
            nusd_per_gb_month=nusd_per_gb_month,
            now_us=now_us,
        )
        charged = Uusd(charged + (cost or 0))
        start_us = end_us
    return None if nusd_per_gb_month is None else charged


def check_storage(connection: sa.Connection, *, tenant: TenantId) -> Iterator[Finding]:
    """Hold what was counted against the assets, by another way of counting.

    Periods were counted blob by blob; here a level that rises when bytes come and falls when they
    go is summed over time.
    """
    held = holdings_of(connection, tenant=tenant)
    lines: dict[int, dict[str, int]] = {}
    for line in connection.execute(
        sa.select(storage_line)
        .join(storage_period, storage_period.c.id == storage_line.c.period_id)
        .where(storage_period.c.tenant_id == tenant)
    ):
        lines.setdefault(line.period_id, {})[line.kept_as] = line.byte_s
    periods = connection.execute(
        sa.select(storage_period)
        .where(storage_period.c.tenant_id == tenant)
        .order_by(storage_period.c.id)
    ).all()
    for period in periods:
        wanted = _by_level(held, from_us=period.from_us, until_us=period.until_us)
        found = {kind: byte_s for kind, byte_s in lines.get(period.id, {}).items() if byte_s}
        if wanted != found:
            yield Finding(
                rule="storage-time",
                row=f"storage from {period.from_us}",
                wanted=f"{wanted} byte-seconds, by the assets",
                found=str(found),
            )


def holdings_of(connection: sa.Connection, *, tenant: TenantId) -> list[Holding]:
    """Return every stretch for which a blob of the tenant was kept, in no particular order."""
    made: dict[str, list[Any]] = {}
    for row in connection.execute(
        sa.select(asset.c.sha256, asset.c.kind, asset.c.size_bytes, asset.c.created_us)
        .where(asset.c.tenant_id == tenant)
        .order_by(asset.c.id)
    ):
        made.setdefault(str(row.sha256), []).append(row)
    gone: dict[str, list[int]] = {}
    for blob in connection.execute(
        sa.select(swept_blob.c.digest, swept_blob.c.condemned_us).order_by(swept_blob.c.id)
    ):
        gone.setdefault(blob.digest, []).append(blob.condemned_us)
    return [
        holding
        for digest, rows in made.items()
        for holding in _stretches(Sha256(digest), rows, gone.get(digest, []))
    ]


def _stretches(digest: Sha256, rows: list[Any], gone_us: list[int]) -> Iterator[Holding]:
    kind, size_bytes = class_of(str(rows[0].kind)), int(rows[0].size_bytes)
    ends: list[int | None] = [*gone_us, None]
    begun_us = -1
    for end_us in ends:
        within = [
            int(row.created_us)
            for row in rows
            if row.created_us > begun_us and (end_us is None or row.created_us <= end_us)
        ]
        if within:
            yield Holding(
                digest=digest,
                kept_as=kind,
                size_bytes=size_bytes,
                from_us=min(within),
                until_us=end_us,
            )
        begun_us = begun_us if end_us is None else end_us


def _byte_s(held: Iterable[Holding], *, from_us: int, until_us: int) -> dict[str, int]:
    byte_us: dict[str, int] = {}
    for each in held:
        begins = max(each.from_us, from_us)
        ends = until_us if each.until_us is None else min(each.until_us, until_us)
        if ends > begins:
            took = each.size_bytes * (ends - begins)
            byte_us[each.kept_as] = byte_us.get(each.kept_as, 0) + took
    return {kind: took // US_PER_S for kind, took in byte_us.items()}


def _by_level(held: Iterable[Holding], *, from_us: int, until_us: int) -> Mapping[str, int]:
    steps: dict[str, dict[int, int]] = {}
    for each in held:
        of_kind = steps.setdefault(each.kept_as, {from_us: 0, until_us: 0})
        begins = min(max(each.from_us, from_us), until_us)
        ends = until_us if each.until_us is None else min(max(each.until_us, from_us), until_us)
        of_kind[begins] = of_kind.get(begins, 0) + each.size_bytes
        of_kind[ends] = of_kind.get(ends, 0) - each.size_bytes
    found = {}
    for kind, changes in steps.items():
        level = total = 0
        for (at_us, change), (next_us, _) in pairwise(sorted(changes.items())):
            level += change
            total += level * (next_us - at_us)
        if total // US_PER_S:
            found[kind] = total // US_PER_S
    return found

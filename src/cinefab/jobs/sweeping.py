"""Mark and sweep: what nobody needs any more and has been kept long enough is taken away.

Marked, and therefore never touched: everything in the lineage of a release, and what its report is
built from and shows; everything that an unfinished job made, planned to use or may still choose;
every file that a brief of one of them brought; and whatever is younger than the grace period. Of the rest, a blob goes when the longest
of its classes' days are over; a class without days is kept for good.

Marking and condemning are one transaction that no commit can slip into (`store/sweeping.py`), so
a piece that is reused at that moment is either marked, or is given up before it is found. The
sweep is the operator's: blobs are shared by all tenants, so it looks at all of them.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256
from cinefab.core.clock import Clock
from cinefab.core.ids import TenantId
from cinefab.core.units import Uusd
from cinefab.deliver.tables import release
from cinefab.generate.tables import refused_take, resume_point, segment
from cinefab.jobs.door import blobs_in
from cinefab.jobs.status import ENDED
from cinefab.jobs.tables import brief as brief_table
from cinefab.jobs.tables import job as job_table
from cinefab.provenance.tables import asset, edge
from cinefab.record.holdings import charge_storage, class_of
from cinefab.record.tables import stage
from cinefab.review.tables import check_result
from cinefab.store.blobs import Blobs, StoredBlob
from cinefab.store.database import Database
from cinefab.store.facts import AuditLeaf, record_leaf
from cinefab.store.schema import METADATA
from cinefab.store.sweeping import (
    Condemned,
    condemn,
    hold_off_commits,
    record_gone,
    unfinished,
)
from cinefab.tenancy.local import LOCAL_TENANT
from cinefab.tenancy.tables import tenant as tenant_table

_T = TypeVar("_T")

ORPHAN: Final = "orphan"
"""A blob that no row speaks of: left by a stage that broke off before it was committed."""

RESUME: Final = "resume"
"""What a run can continue from, once its stage was committed or its job has ended."""

NEVER_EXPIRE: Final = frozenset({"original", "release"})
"""What was brought, and what left: neither goes by itself, whatever the settings say."""

REPORTED: Final = frozenset({"plan", "timeline", "preview", "preview_film", "still", "captions"})
"""What a job made that its report is built from or shows: a release's stays with the release."""

_DAY_US: Final = 86_400_000_000
_DIGEST: Final = re.compile(r"\b[0-9a-f]{64}\b")
_PER_QUERY: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long each class is kept, in days, and how young a blob must be to be left alone."""

    days: Mapping[str, int]
    grace_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep did, or would do: counts and bytes by class, and what storage cost since."""

    dry_run: bool
    blobs: int
    bytes_stored: int
    marked: int
    waiting: int
    gone: Mapping[str, int]
    bytes_freed: Mapping[str, int]
    charged_uusd: Uusd | None

    def as_dict(self) -> dict[str, Json]:
        """Return it as the command prints it."""
        return {
            "dry_run": self.dry_run,
            "blobs": self.blobs,
            "bytes_stored": self.bytes_stored,
            "marked": self.marked,
            "not_expired": self.waiting,
            "gone": dict(self.gone),
            "bytes_freed": dict(self.bytes_freed),
            "storage_charged_uusd": self.charged_uusd,
        }


def sweep(
    db: Database,
    blobs: Blobs,
    *,
    clock: Clock,
    retention: Retention,
    nusd_per_gb_month: int | None,
    dry_run: bool,
    before_deleting: Callable[[], None] = lambda: None,
) -> Swept:
    """Charge every tenant for what it keeps, then take away what has expired and nobody needs.

    With `dry_run` nothing is changed or charged. A sweep that breaks off is finished by the next
    one. `before_deleting` is called between condemning and deleting. Raises `StorageUnavailable`.
    """
    if dry_run:
        with db.read() as connection:
            found = _find(connection, blobs, retention, now_us=clock.now_us())
        return _swept(found, dry_run=True, charged=None)
    charged = _charge(db, nusd_per_gb_month=nusd_per_gb_month, now_us=clock.now_us())
    with db.write() as connection:
        hold_off_commits(connection)
        left = unfinished(connection)
        found = _find(connection, blobs, retention, now_us=clock.now_us())
        _condemn(connection, found, now_us=clock.now_us())
    before_deleting()
    gone = [*left, *(blob.digest for blob in found.going)]
    for digest in gone:
        blobs.delete(digest)
    with db.write() as connection:
        record_gone(connection, gone, now_us=clock.now_us())
    return _swept(found, dry_run=False, charged=charged)


def _charge(db: Database, *, nusd_per_gb_month: int | None, now_us: int) -> Uusd | None:
    charged = Uusd(0)
    with db.write() as connection:
        tenants = connection.execute(sa.select(tenant_table.c.id).order_by(tenant_table.c.id))
        for tenant in tenants.scalars().all():
            cost = charge_storage(
                connection,
                tenant=TenantId(tenant),
                nusd_per_gb_month=nusd_per_gb_month,
                now_us=now_us,
            )
            charged = Uusd(charged + (cost or 0))
    return None if nusd_per_gb_month is None else charged


@dataclass(slots=True)
class _Found:
    """What a look at everything came to."""

    stored: list[StoredBlob] = field(default_factory=list)
    going: list[Condemned] = field(default_factory=list)
    owners: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    marked: int = 0
    waiting: int = 0


def _find(connection: sa.Connection, blobs: Blobs, retention: Retention, *, now_us: int) -> _Found:
    found = _Found()
    known = _Known.of(connection)
    marked = _marked(connection, blobs, known) | _gone_on_from(connection, known)
    spoken_of = _spoken_of(connection)
    for blob in blobs.stored():
        found.stored.append(blob)
        if blob.digest in marked:
            found.marked += 1
            continue
        rows = known.rows.get(blob.digest, [])
        if not rows and blob.digest in spoken_of:
            found.marked += 1
            continue
        kept_as, expires_us = _expiry(blob, rows, retention)
        youngest_us = max([blob.modified_us, *(row.created_us for row in rows)])
        if expires_us is None or now_us < max(expires_us, youngest_us + retention.grace_us):
            found.waiting += 1
            continue
        found.going.append(
            Condemned(digest=blob.digest, size_bytes=blob.size_bytes, kept_as=kept_as)
        )
        found.owners[blob.digest] |= {row.tenant for row in rows}
    return found


def _expiry(blob: StoredBlob, rows: list[_Row], retention: Retention) -> tuple[str, int | None]:
    if not rows:
        days = retention.days.get(ORPHAN)
        return ORPHAN, None if days is None else blob.modified_us + days * _DAY_US
    latest = 0
    for row in rows:
        days = None if row.kept_as in NEVER_EXPIRE else retention.days.get(row.kept_as)
        if days is None:
            return row.kept_as, None
        latest = max(latest, row.created_us + days * _DAY_US)
    return rows[0].kept_as, latest


def _condemn(connection: sa.Connection, found: _Found, *, now_us: int) -> None:
    digests = [blob.digest for blob in found.going]
    for some in _in_parts(digests):
        connection.execute(segment.delete().where(segment.c.digest.in_(some)))
        connection.execute(refused_take.delete().where(refused_take.c.digest.in_(some)))
    _forget_points(connection, set(digests))
    condemn(connection, found.going, now_us=now_us)
    by_tenant: dict[str, list[Condemned]] = defaultdict(list)
    for blob in found.going:
        for owner in found.owners[blob.digest] or {LOCAL_TENANT}:
            by_tenant[owner].append(blob)
    for tenant, gone in sorted(by_tenant.items()):
        freed: dict[str, int] = defaultdict(int)
        for blob in gone:
            freed[blob.kept_as] += blob.size_bytes
        said: Json = {"digests": [blob.digest for blob in gone], "bytes_freed": dict(freed)}
        leaf = AuditLeaf(kind="blobs.swept", subject="sweep", body=said)
        record_leaf(connection, leaf, tenant=TenantId(tenant), now_us=now_us)


def _gone_on_from(connection: sa.Connection, known: _Known) -> set[str]:
    """Return what unfinished jobs can go on from; what else was kept for that counts as `RESUME`."""
    rows = connection.execute(
        sa.select(resume_point, job_table.c.status).outerjoin(
            job_table,
            sa.and_(
                job_table.c.public_id == resume_point.c.job_id,
                job_table.c.tenant_id == resume_point.c.tenant_id,
            ),
        )
    )
    marked: set[str] = set()
    for row in rows:
        digests = set(_DIGEST.findall(row.files))
        if row.ended_us is None and row.status is not None and row.status not in ENDED:
            marked |= digests
            continue
        since_us = row.created_us if row.ended_us is None else row.ended_us
        for digest in digests:
            known.rows[digest].append(_Row(0, row.tenant_id, RESUME, since_us))
    return marked


def _forget_points(connection: sa.Connection, gone: set[Sha256]) -> None:
    rows = connection.execute(sa.select(resume_point.c.id, resume_point.c.files)).all()
    lost = [row.id for row in rows if not gone.isdisjoint(_DIGEST.findall(row.files))]
    for some in _in_parts(lost):
        connection.execute(resume_point.delete().where(resume_point.c.id.in_(some)))


# ── Marking ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Row:
    """An asset, as far as a sweep cares."""

    row_id: int
    tenant: str
    kept_as: str
    created_us: int


@dataclass(slots=True)
class _Known:
    """Every asset by the blobs that it keeps: its own bytes, and those that its facts name."""

    rows: dict[str, list[_Row]] = field(default_factory=lambda: defaultdict(list))
    blobs_of: dict[int, set[str]] = field(default_factory=dict)
    by_public_id: dict[str, int] = field(default_factory=dict)
    by_job: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, connection: sa.Connection) -> _Known:
        known = cls()
        for found in connection.execute(sa.select(asset).order_by(asset.c.id)):
            row = _Row(found.id, found.tenant_id, class_of(found.kind), found.created_us)
            digests = {found.sha256, *_DIGEST.findall(found.facts)}
            # A key is a digest too, and names no blob; that does no harm.
            known.blobs_of[row.row_id] = digests
            known.by_public_id[found.public_id] = row.row_id
            known.by_job[found.job_id or ""].append((row.row_id, found.kind))
            for digest in digests:
                known.rows[digest].append(row)
        return known


def _marked(connection: sa.Connection, blobs: Blobs, known: _Known) -> set[str]:
    roots: set[int] = set()
    marked: set[str] = set()
    for row in connection.execute(sa.select(release.c.job_id, release.c.asset_id)):
        roots.add(known.by_public_id[row.asset_id])
        roots |= {
            row_id
            for row_id, kind in known.by_job[row.job_id]
            if kind.startswith("release.") or kind in REPORTED
        }
    unfinished_jobs = connection.execute(
        sa.select(job_table.c.public_id, job_table.c.tenant_id).where(
            job_table.c.status.not_in(ENDED)
        )
    ).all()
    for job in unfinished_jobs:
        roots |= {row_id for row_id, _ in known.by_job[job.public_id]}
        marked |= _may_be_used(connection, blobs, job.tenant_id, job.public_id)
    live = sa.or_(
        job_table.c.status.not_in(ENDED),
        job_table.c.public_id.in_(sa.select(release.c.job_id)),
    )
    briefs = sa.select(brief_table.c.document).join(job_table).where(live)
    for document in connection.execute(briefs).scalars():
        marked |= blobs_in(document)
    for row_id in _with_ancestors(connection, roots):
        marked |= known.blobs_of[row_id]
    return marked | _shown_of_others(connection, marked)


def _shown_of_others(connection: sa.Connection, marked: set[str]) -> set[str]:
    """Return what reports of releases show though another job made it: reused, as their pieces are.

    The first picture is named by the stage that signed the film; frames that speak for or against a
    cut are in its findings, which are kept by the cut's bytes.
    """
    signed = sa.select(stage.c.facts).where(
        stage.c.job_id.in_(sa.select(release.c.job_id)), stage.c.name.startswith("deliver")
    )
    found = {
        digest
        for facts in connection.execute(signed).scalars()
        for digest in _DIGEST.findall(facts)
    }
    for row in connection.execute(sa.select(check_result.c.cut_digest, check_result.c.findings)):
        if row.cut_digest in marked:
            found |= set(_DIGEST.findall(row.findings))
    return found


def _may_be_used(connection: sa.Connection, blobs: Blobs, tenant: str, job: str) -> set[str]:
    """Return what an unfinished job may reuse: by its plan, or anything while it has none."""
    kept = sa.select(segment.c.digest).where(segment.c.tenant_id == tenant)
    of_job = sa.select(stage.c.facts).where(stage.c.tenant_id == tenant, stage.c.job_id == job)
    keys: set[str] = set()
    planned = False
    for facts in connection.execute(of_job).scalars():
        said: Any = json.loads(facts)
        # Also of a shot that was refused and planned anew.
        if isinstance(said, dict) and "plan" in said:
            # Every digest in it, as one of them may be the key of whatever a plan comes to hold.
            keys |= set(_DIGEST.findall(blobs.load(Sha256(said["plan"])).decode()))
            planned = True
    refused = sa.select(refused_take.c.digest).where(refused_take.c.tenant_id == tenant)
    if not planned:
        return {each for query in (kept, refused) for each in connection.execute(query).scalars()}
    # Rungs and first pictures have keys of their own, made from the pieces'.
    derived = (
        sa.select(segment.c.digest)
        .join(asset, asset.c.public_id == segment.c.asset_id)
        .where(segment.c.tenant_id == tenant, asset.c.kind.in_(["rung", "preview"]))
    )
    found = set(connection.execute(derived).scalars())
    for some in _in_parts(sorted(keys)):
        found |= set(connection.execute(kept.where(segment.c.key.in_(some))).scalars())
        known = refused.where(refused_take.c.segment_key.in_(some))
        found |= set(connection.execute(known).scalars())
    return found


def _with_ancestors(connection: sa.Connection, roots: set[int]) -> set[int]:
    reached, level = set(roots), set(roots)
    while level:
        above: set[int] = set()
        for some in _in_parts(sorted(level)):
            above |= set(
                connection.execute(sa.select(edge.c.src).where(edge.c.dst.in_(some))).scalars()
            )
        level = above - reached
        reached |= level
    return reached


def _spoken_of(connection: sa.Connection) -> set[str]:
    """Return every digest that any row names, so that an orphan is one of which nothing speaks."""
    found: set[str] = set()
    found |= {
        digest
        for facts in connection.execute(sa.select(stage.c.facts)).scalars()
        for digest in _DIGEST.findall(facts)
    }
    for table in METADATA.sorted_tables:
        for column in table.c:
            if column.name == "digest" or column.name.endswith("_digest"):
                if table.name in ("swept_blob", "brief"):
                    continue
                rows = connection.execute(sa.select(column).where(column.is_not(None)))
                found |= set(rows.scalars())
    return found


def _in_parts(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for first in range(0, len(items), _PER_QUERY):
        yield items[first : first + _PER_QUERY]


def _swept(found: _Found, *, dry_run: bool, charged: Uusd | None) -> Swept:
    gone: dict[str, int] = defaultdict(int)
    freed: dict[str, int] = defaultdict(int)
    for blob in found.going:
        gone[blob.kept_as] += 1
        freed[blob.kept_as] += blob.size_bytes
    return Swept(
        dry_run=dry_run,
        blobs=len(found.stored),
        bytes_stored=sum(blob.size_bytes for blob in found.stored),
        marked=found.marked,
        waiting=found.waiting,
        gone=dict(gone),
        bytes_freed=dict(freed),
        charged_uusd=charged,
    )

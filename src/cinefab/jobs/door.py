"""The door of the durable tier: a brief becomes a job with its budget reserved, or an error.

Everything is checked before anything is written. Files that the brief names are read here, once,
and become blobs, so that any worker can go on with the job; then the job's row, its reservation,
its audit leaf and its event become true together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from cinefab.core.brief import ASSET, UPLOAD, Brief, Tier
from cinefab.core.canonical import Json, Sha256, canonical_json, sha256_of
from cinefab.core.errors import BriefInvalid
from cinefab.core.ids import JobId
from cinefab.deliver.places import Place, PlaceRefused
from cinefab.economics.budgets import NOBODY_ELSE, Spenders, record_spenders
from cinefab.economics.journal import take_gate
from cinefab.economics.ledger import reserve
from cinefab.generate.preview_film import preview_brief
from cinefab.generate.storyboard import expand
from cinefab.ingest.brief import (
    WrittenBrief,
    brief_document,
    brief_from_document,
    rewrite,
)
from cinefab.jobs.asked_models import find_model, with_bed, with_music_model, with_preview_model
from cinefab.jobs.clips import check_clips
from cinefab.jobs.effects import BLOB, check_files, with_effect_files
from cinefab.jobs.estimating import (
    Estimate,
    amount_to_reserve,
    estimate_order,
    refuse_unpriced,
    trial_of,
)
from cinefab.jobs.keeping import kept_as_blob
from cinefab.jobs.lines import check_lines_allowed
from cinefab.jobs.once import Once, find_alike, find_by_key, lock_key, record_key
from cinefab.jobs.pins import (
    Pins,
    choose_models,
    pinned,
    pins_text,
    record_first_sight,
)
from cinefab.jobs.status import ENDED, JobStatus
from cinefab.jobs.tables import brief as brief_table
from cinefab.jobs.tables import job as job_table
from cinefab.jobs.workshop import Workshop
from cinefab.store.facts import AuditLeaf, OutboxEvent, record_event, record_leaf
from cinefab.store.sweeping import refuse_swept
from cinefab.tenancy.quotas import check_jobs, find_quota

_BLOB_NAME: Final = re.compile(r"blob:([0-9a-f]{64})/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A job at the door; `resumed` says that an unfinished one was found for the same brief.

    `out` is the job's own folder: of one that was found, where the film was ordered first.
    `estimate` is what a new one may cost.
    """

    job: JobId
    resumed: bool
    out: Path
    estimate: Estimate | None = None


def open_job(
    shop: Workshop,
    brief: Brief,
    *,
    base: Path,
    out: Path,
    requested_us: int,
    written: WrittenBrief | None = None,
    spenders: Spenders = NOBODY_ELSE,
    once: Once | None = None,
) -> Opened:
    """Check the brief, reserve its budget and write its job; or find the unfinished one.

    `base` is the folder that the brief's files are relative to, `out` where films are put;
    `written` is what the brief was read from, for changes later, and its template. With `once`,
    only what was sent before is found, finished or not, and not just any job for the same brief.
    `spenders` are who pays beside the tenant: their budgets hold, too.
    Raises `BriefInvalid`, `ReferenceRefused`, `BudgetTooSmall`, `QuotaExceeded`,
    `IdempotencyKeyReused` or
    `StorageUnavailable`; none of them leaves a job, a reservation or an asset behind.
    """
    brief = with_preview_model(shop, brief)
    chosen = choose_models(shop, brief)
    brief = with_music_model(shop, with_bed(brief, chosen[0].model))
    chosen += choose_models(shop, brief, but={each.pins.asked for each in chosen})
    pins = tuple(each.pins for each in chosen)
    job = JobId(shop.recorder.ids.new("job"))
    _check_places(shop, brief)
    check_lines_allowed(shop, brief)
    if written is not None:
        _check_checks(shop, written.checks)
    wanted = expand(brief)
    if any(shot.voice for shot in wanted.shots):
        from cinefab.jobs.speaking import check_lines  # noqa: PLC0415 - most films say nothing

        check_lines(shop, wanted)
    exactly, film_pins = pinned(wanted, pins)
    model = find_model(shop, exactly)
    _require_warm(shop, exactly)
    estimate = estimate_order(shop, exactly, trial_of(shop, exactly, film_pins, job))
    amount = amount_to_reserve(wanted, model, estimate)
    # A deadline such as "10m" is another moment each time; it belongs to the job, not the brief.
    portable = replace(_with_files_as_blobs(shop, wanted, base), deadline_us=None)
    _check_files(shop, pinned(portable, pins)[0])
    check_clips(shop, portable)
    document = canonical_json(brief_document(portable)).decode()
    digest = sha256_of(document.encode())
    with shop.recorder.db.write() as connection:
        if once is not None:
            lock_key(connection, shop, once)
        _lock_brief(connection, shop, digest)
        refuse_swept(connection, blobs_in(document), has=shop.blobs.has)
        brief_id = _brief_row(connection, shop, digest, document)
        before = _find_before(connection, shop, brief_id, once)
        if before is not None:
            return before
        _check_quota(connection, shop)
        _insert_job(
            connection,
            shop,
            job,
            brief_id,
            wanted,
            out=out,
            requested_us=requested_us,
            written=written,
            pins=pins,
        )
        if once is not None:
            record_key(connection, shop, once, job, now_us=shop.recorder.clock.now_us())
        now_us = shop.recorder.clock.now_us()
        record_first_sight(connection, chosen, now_us=now_us)
        record_spenders(connection, tenant=shop.tenant, job=job, spenders=spenders)
        if amount is None:
            refuse_unpriced(connection, shop, job, wanted, now_us=now_us)
        else:
            reserve(connection, tenant=shop.tenant, job=job, amount=amount, key=job, now_us=now_us)
        said: Json = {
            "brief": digest,
            "title": wanted.title,
            "reserved_uusd": amount,
            **({} if estimate.preview_model is None else {"estimate": estimate.as_dict()}),
            "models": [each.model for each in pins],
            **(
                {}
                if written is None or written.template is None
                else {"template": written.template}
            ),
        }
        leaf = AuditLeaf(kind="job.created", subject=job, body=said)
        event = OutboxEvent(kind="job.created", subject=job, body=said)
        record_leaf(connection, leaf, tenant=shop.tenant, now_us=now_us)
        record_event(connection, event, tenant=shop.tenant, now_us=now_us)
    return Opened(job=job, resumed=False, out=out.absolute() / job, estimate=estimate)


def revise_brief(
    shop: Workshop,
    kept: Brief,
    *,
    text: str | None,
    folder: Path,
    changes: Sequence[str],
    reseed: Mapping[int, int],
    pins: Sequence[Pins] = (),
) -> tuple[Brief, str | None]:
    """Return a job's brief with changes, and its text: `path=value` as `--set` takes them.

    `reseed` gives shots another seed. What the changes leave alone stays as it was kept, files
    included: only those that a change names are read again, from `folder` where they are relative.
    `pins` are what the job stays with, none where another one is to be ordered.
    Raises `BriefInvalid` and `ReferenceRefused`.
    """
    revised, written = kept, text
    if changes:
        if text is None:
            raise BriefInvalid(
                attempted="change the brief",
                field=changes[0].partition("=")[0],
                found="the job was not ordered by a document",
                remedy="Give shots another seed, or order it anew.",
            )
        now_us = shop.recorder.clock.now_us()
        before = rewrite(text, folder=folder, now_us=now_us)
        after = rewrite(text, folder=folder, now_us=now_us, overrides=changes)
        merged = _merged(
            brief_document(kept),
            brief_document(expand(before.brief)),
            brief_document(expand(after.brief)),
        )
        revised = _with_files_as_blobs(shop, brief_from_document(merged), folder)
        revised = with_preview_model(shop, replace(revised, deadline_us=None))
        revised = with_music_model(shop, revised)
        written = after.text
    for index in reseed:
        if index >= len(revised.shots):
            raise BriefInvalid(
                attempted="change the brief",
                field=f"shots[{index}]",
                found=f"the film has {len(revised.shots)} shots",
                remedy="Count them from 0.",
            )
    shots = tuple(
        replace(shot, seed=reseed[i]) if i in reseed else shot
        for i, shot in enumerate(revised.shots)
    )
    revised = replace(revised, shots=shots)
    check_lines_allowed(shop, revised)
    _check_files(shop, pinned(revised, pins)[0])
    check_clips(shop, revised)
    return revised, written


def record_brief(connection: sa.Connection, shop: Workshop, brief: Brief) -> int:
    """Write a brief whose files are blobs, unless it is known; return its row's id."""
    document = canonical_json(brief_document(brief)).decode()
    digest = sha256_of(document.encode())
    _lock_brief(connection, shop, digest)
    return _brief_row(connection, shop, digest, document)


def _merged(kept: Json, before: Json, after: Json) -> Json:
    # What was kept differs from what was written: its files are blobs. So only what differs between
    # the two ways of writing it is taken from the newer one.
    if before == after:
        return kept
    if isinstance(kept, Mapping) and isinstance(before, Mapping) and isinstance(after, Mapping):
        return {
            name: _merged(kept.get(name), before.get(name), each) for name, each in after.items()
        }
    if isinstance(kept, list) and isinstance(before, list) and isinstance(after, list):
        if len(kept) == len(before) == len(after):
            return [_merged(*each) for each in zip(kept, before, after, strict=True)]
        return after
    return after


def _check_checks(shop: Workshop, wanted: Sequence[str]) -> None:
    missing = sorted(set(wanted) - {check.name for check in shop.checks})
    if missing:
        raise BriefInvalid(
            attempted="fill the template",
            field="template.guardrails.checks",
            found=f"the check {missing[0]!r} is not installed",
            remedy="Install its plug-in: the template lets nothing pass without it.",
        )


def _check_files(shop: Workshop, brief: Brief) -> None:
    # A preview's model may leave to effects what the film's draws itself.
    drawn = [brief] if brief.preview_first is None else [brief, preview_brief(brief)]
    for each in drawn:
        check_files(shop, each, draws=find_model(shop, each).card.capabilities)


def _check_places(shop: Workshop, brief: Brief) -> None:
    for position, url in enumerate(brief.deliver):
        find_place(shop, url, position)


def find_place(shop: Workshop, url: str, position: int) -> Place:
    """Return the place that a brief names there; raise `BriefInvalid` with the field's path."""
    try:
        return shop.places.find(url)
    except PlaceRefused as error:
        raise BriefInvalid(
            field=f"deliver[{position}]", found=error.found, remedy=error.remedy
        ) from error


def blobs_in(document: str) -> frozenset[Sha256]:
    """Return the digests of the files that a stored brief names."""
    return frozenset(Sha256(digest) for digest in _BLOB_NAME.findall(document))


def _require_warm(shop: Workshop, brief: Brief) -> None:
    """Raise `NotWarm` for interactive work that one of its models would have to be loaded for."""
    if brief.tier is not Tier.INTERACTIVE:
        return
    wanted = [find_model(shop, brief)]
    if brief.preview_first is not None:
        wanted.append(find_model(shop, preview_brief(brief)))
    music = None if brief.sound is None else brief.sound.music
    if music is not None and music.model is not None:
        wanted.append(shop.models[music.model.partition("@")[0]])
    for model in wanted:
        shop.seats.require_warm(model, brief.tier)


def _check_quota(connection: sa.Connection, shop: Workshop) -> None:
    quota = find_quota(connection, tenant=shop.tenant, usual=shop.usual_quota)
    if quota.jobs_in_flight is None:
        return
    # Whoever else orders for this tenant waits here until this order is written or given up.
    take_gate(connection, tenant=shop.tenant)
    in_flight = connection.execute(
        sa.select(sa.func.count())
        .select_from(job_table)
        .where(
            job_table.c.tenant_id == shop.tenant,
            job_table.c.status.in_([JobStatus.WAITING, JobStatus.RUNNING]),
        )
    ).scalar_one()
    check_jobs(quota, tenant=shop.tenant, in_flight=in_flight)


def _with_files_as_blobs(shop: Workshop, brief: Brief, base: Path) -> Brief:
    references = tuple(
        replace(
            reference,
            location=_as_blob(
                shop, reference.location, base=base, field=f"references.{reference.name}"
            ),
        )
        for reference in brief.references
    )
    brand = brief.brand
    files: Mapping[str, str | None] = {"font": brand.font, "lut": brand.lut}
    kept = {
        name: None if place is None else _as_blob(shop, place, base=base, field=f"brand.{name}")
        for name, place in files.items()
    }
    return replace(
        with_effect_files(brief, lambda at, field: _as_blob(shop, at, base=base, field=field)),
        references=references,
        brand=replace(brand, font=kept["font"], lut=kept["lut"]),
    )


def _as_blob(shop: Workshop, location: str, *, base: Path, field: str) -> str:
    # What is behind a URL is fetched by the job, which can be stopped and tried again.
    if location.startswith((BLOB, "http://", "https://")):
        return location
    if location.startswith((ASSET, UPLOAD)):
        return kept_as_blob(shop, location, field=field)
    fetched = shop.fetcher.fetch(location, base=base, field=field)
    return f"{BLOB}{shop.blobs.put(fetched.data)}/{fetched.name}"


def _lock_brief(connection: sa.Connection, shop: Workshop, digest: Sha256) -> None:
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"{shop.tenant}:{digest}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def _brief_row(connection: sa.Connection, shop: Workshop, digest: Sha256, document: str) -> int:
    known = connection.execute(
        sa.select(brief_table.c.id).where(
            brief_table.c.tenant_id == shop.tenant, brief_table.c.digest == digest
        )
    ).scalar()
    if known is not None:
        return int(known)
    inserted = connection.execute(
        brief_table.insert().values(
            tenant_id=shop.tenant,
            digest=digest,
            document=document,
            created_us=shop.recorder.clock.now_us(),
        )
    )
    key = inserted.inserted_primary_key
    assert key is not None, "a row that was inserted has an id"
    return int(key[0])


def _find_before(
    connection: sa.Connection, shop: Workshop, brief_id: int, once: Once | None
) -> Opened | None:
    if once is None:
        return _find_unfinished(connection, shop, brief_id)
    sent = find_by_key(connection, shop, once) or find_alike(connection, shop, once, brief_id)
    if sent is None:
        return None
    out = sa.select(job_table.c.out).where(
        job_table.c.tenant_id == shop.tenant, job_table.c.public_id == sent
    )
    return Opened(job=JobId(sent), resumed=True, out=Path(connection.execute(out).scalar_one()))


def _find_unfinished(connection: sa.Connection, shop: Workshop, brief_id: int) -> Opened | None:
    row = connection.execute(
        sa.select(job_table.c.public_id, job_table.c.out)
        .where(
            job_table.c.tenant_id == shop.tenant,
            job_table.c.brief_id == brief_id,
            job_table.c.status.not_in(ENDED),
        )
        .order_by(job_table.c.id.desc())
    ).first()
    if row is None:
        return None
    return Opened(job=JobId(row.public_id), resumed=True, out=Path(row.out))


def _written_down(written: WrittenBrief) -> str:
    return json.dumps({"folder": str(written.folder), "text": written.text}, ensure_ascii=False)


def _insert_job(
    connection: sa.Connection,
    shop: Workshop,
    job: JobId,
    brief_id: int,
    wanted: Brief,
    *,
    out: Path,
    requested_us: int,
    written: WrittenBrief | None,
    pins: Sequence[Pins],
) -> None:
    connection.execute(
        job_table.insert().values(
            public_id=job,
            tenant_id=shop.tenant,
            principal_id=shop.principal,
            brief_id=brief_id,
            status=JobStatus.WAITING,
            out=str(out.absolute() / job),
            requested_us=requested_us,
            deadline_us=wanted.deadline_us,
            written=None if written is None else _written_down(written),
            template=None
            if written is None or written.template is None
            else canonical_json(written.template).decode(),
            created_us=shop.recorder.clock.now_us(),
            models=pins_text(pins),
        )
    )

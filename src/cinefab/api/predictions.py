"""A job as Replicate's clients read it: at the door, and in the messages that tell of it.

starting        waiting
processing      running, or waiting for a person
succeeded       delivered
failed          refused, failed or parked
canceled        cancelled
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cinefab.api.links import Links
from cinefab.api.one_shot import percent, percent_of, said_of
from cinefab.core.clock import iso_utc
from cinefab.core.ids import JobId, TenantId
from cinefab.core.units import US_PER_S
from cinefab.jobs.listing import ListedJob, load_listed
from cinefab.jobs.status import ENDED, JobStatus
from cinefab.store.facts import ToldEvent, events_of

if TYPE_CHECKING:
    import sqlalchemy as sa

    from cinefab.app.settings import Settings
    from cinefab.deliver.webhooks.deliveries import Form, Writer
    from cinefab.jobs.workshop import Progress

DIALECT: Final = "replicate"

OWNER: Final = "cinefab"
"""Whose models they are: those of the studio."""

STATUS: Final[Mapping[JobStatus, str]] = {
    JobStatus.WAITING: "starting",
    JobStatus.RUNNING: "processing",
    JobStatus.NEEDS_PERSON: "processing",
    JobStatus.DELIVERED: "succeeded",
    JobStatus.REFUSED: "failed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "canceled",
    JobStatus.PARKED: "failed",
}

OVER: Final = tuple(sorted(f"job.{status}" for status in ENDED))

TOLD: Final[Mapping[str, tuple[str, ...]]] = {
    "start": (f"job.{JobStatus.RUNNING}",),
    "output": (f"job.{JobStatus.DELIVERED}",),
    "logs": ("stage.committed",),
    "completed": OVER,
}
"""The events that a webhook may ask for, and what they are here."""

_LASTS_S: Final = 3600
_BAR: Final = 20


def prediction_document(
    job: ListedJob,
    *,
    base: str,
    tenant: TenantId,
    links: Links,
    now_us: int,
    events: Sequence[ToldEvent] = (),
    news: Progress | None = None,
) -> dict[str, Any]:
    """Return a job as a prediction; `base` is the dialect's own address, without a slash.

    `events` are the job's own, of which its logs tell, and `news` the latest of it if it is known.
    """
    here = f"{base}/predictions/{job.id}"
    started = next((each.at_us for each in events if each.kind in TOLD["start"]), None)
    status = STATUS[job.status]
    return {
        "id": job.id,
        "object": "prediction",
        "model": f"{OWNER}/{job.model.partition('@')[0]}",
        "version": job.model,
        "input": {"prompt": job.prompt, "seconds": job.seconds, "size": job.size},
        "output": _output(job, base=base, tenant=tenant, links=links, now_us=now_us),
        "logs": _logs(job, events, news),
        "error": said_of(job.failure) if status == "failed" else None,
        "status": status,
        "created_at": iso_utc(job.created_us),
        "started_at": None if started is None else iso_utc(started),
        "completed_at": None if job.ended_us is None else iso_utc(job.ended_us),
        "data_removed": False,
        "metrics": _metrics(job, started),
        "urls": {"get": here, "cancel": f"{here}/cancel"},
    }


def writer_of(settings: Settings) -> Writer:
    """Return what writes messages about a studio's predictions."""
    links = Links(settings.home, secrets_key=settings.secrets_key)

    def write(connection: sa.Connection, tenant: TenantId, subject: str, form: Form) -> bytes:
        job = load_listed(connection, tenant=tenant, job=JobId(subject))
        events = events_of(connection, tenant=tenant, subject=subject)
        # As of the last thing that happened: equal for each time that it is sent.
        now_us = events[-1].at_us if events else job.created_us
        said = prediction_document(
            job, base=form.base, tenant=tenant, links=links, now_us=now_us, events=events
        )
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()

    return write


def _output(
    job: ListedJob, *, base: str, tenant: TenantId, links: Links, now_us: int
) -> str | None:
    if job.film is None:
        return None
    # The same for an hour, so that who asks again is told that nothing is new.
    expires = (now_us // US_PER_S // _LASTS_S + 2) * _LASTS_S
    root = base.removesuffix("/replicate/v1")
    return f"{root}{links.sign(tenant, job.film, expires=expires)}"


def _metrics(job: ListedJob, started_us: int | None) -> dict[str, float]:
    if job.ended_us is None:
        return {}
    found = {"total_time": (job.ended_us - job.created_us) / US_PER_S}
    if started_us is not None:
        found["predict_time"] = (job.ended_us - started_us) / US_PER_S
    if job.film is not None:
        found["video_output_duration_seconds"] = job.seconds
    return found


def _logs(job: ListedJob, events: Sequence[ToldEvent], news: Progress | None) -> str:
    """Return a line for each stage that is done, and one of how far it is, as tqdm writes it."""
    lines = []
    done = percent(job, news)
    stage = "" if news is None else news.stage
    for event in events:
        body: Any = event.body
        if event.kind == "stage.committed":
            lines.append(f"{body['stage']}: done in {body['took_us'] / US_PER_S:.2f} s")
            if not job.is_over:
                done = max(done, percent_of(str(body["stage"]), 1.0))
                stage = stage or str(body["stage"])
    if job.status in (JobStatus.RUNNING, JobStatus.NEEDS_PERSON, JobStatus.DELIVERED):
        bar = "#" * (done * _BAR // 100)
        lines.append(f"{done:3d}%|{bar:<{_BAR}}| {done}/100{f' [{stage}]' if stage else ''}")
    return "".join(f"{line}\n" for line in lines)

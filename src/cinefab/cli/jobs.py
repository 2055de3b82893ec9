"""`cinefab jobs`: which there are and how each stands, and ordering one again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cinefab.cli.exits import exit_for_report
from cinefab.cli.interrupt import Interrupt
from cinefab.cli.said import print_json, reports_errors

_STATUSES = (
    "waiting",
    "running",
    "needs_person",
    "delivered",
    "refused",
    "failed",
    "cancelled",
    "parked",
)


@click.group()
def jobs() -> None:
    """What was ordered, how it stands, and ordering it again."""


@jobs.command()
@click.option("--status", type=click.Choice(_STATUSES), help="Only those that stand so.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="How many at most.")
@click.option("--db", help="Database URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def ls(*, status: str | None, limit: int, db: str | None, as_json: bool) -> None:
    """List this machine's jobs, newest first, with what ended those that failed or are parked."""
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.core.clock import iso_utc  # noqa: PLC0415 - as above
    from cinefab.jobs.listing import list_jobs  # noqa: PLC0415 - as above
    from cinefab.jobs.status import JobStatus  # noqa: PLC0415 - as above

    with open_records(load_settings({"db": db})) as records, records.db.read() as connection:
        found = list_jobs(
            connection,
            tenant=records.tenant,
            limit=limit,
            status=None if status is None else JobStatus(status),
        )
    if as_json:
        print_json(
            [
                {
                    "job": each.id,
                    "status": each.status,
                    "title": each.title,
                    "model": each.model,
                    "created": iso_utc(each.created_us),
                    "failure": each.failure,
                }
                for each in found
            ]
        )
        return
    for each in found:
        click.echo(f"{each.id}  {each.status:<13} {each.title}")
        failure: Any = each.failure
        if failure is not None:
            click.echo(f"  {failure.get('error')}: {failure.get('found')}")


@jobs.command()
@click.argument("job")
@click.option("--out", type=click.Path(path_type=Path), help="The folder for films (out).")
@click.option("--db", help="Database URL: where it was made.")
@click.option("--blobs", help="Blob URL: where what was made is kept.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@reports_errors
def retry(job: str, *, out: Path | None, db: str | None, blobs: str | None, as_json: bool) -> None:
    """Order what JOB asked for again, once it has ended or was parked, and make it.

    It is a job of its own: what was finished is reused, and failures are counted anew.
    """
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.studio import Studio  # noqa: PLC0415 - as above
    from cinefab.cli.make import show_report  # noqa: PLC0415 - as above
    from cinefab.cli.progress import ProgressView  # noqa: PLC0415 - as above
    from cinefab.core.ids import JobId  # noqa: PLC0415 - as above

    settings = load_settings({"db": db, "blobs": blobs, "out": out})
    view = ProgressView(quiet=as_json)
    with (
        Interrupt() as interrupt,
        Studio(settings, tell=view.tell) as studio,
        view.shown(),
    ):
        report = studio.retry(JobId(job), stop=interrupt.asked)
    show_report(report, as_json=as_json)
    raise SystemExit(exit_for_report(report))

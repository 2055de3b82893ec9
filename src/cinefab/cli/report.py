"""`cinefab report`: the report of a job, written again as it stands now."""

from __future__ import annotations

from pathlib import Path

import click

from cinefab.cli.said import print_json, reports_errors


@click.command()
@click.argument("job", metavar="JOB|FOLDER")
@click.option("--db", help="Database URL: where it was made.")
@click.option("--blobs", help="Blob URL: where its film and pictures are kept.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@reports_errors
def report(job: str, *, db: str | None, blobs: str | None, as_json: bool) -> None:
    """Write the report of a JOB (job_…, or the folder of its film) and say where it is.

    Whether it runs, waits, ended well or not: report.html and report.json are put where its film
    was ordered, as things stand now.
    """
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.studio import Studio  # noqa: PLC0415 - as above
    from cinefab.core.ids import JobId  # noqa: PLC0415 - as above

    # A folder is named for its job, and what lies in it is its film's.
    place = Path(job)
    named = next((part for part in reversed(place.parts) if part.startswith("job_")), job)
    with Studio(load_settings({"db": db, "blobs": blobs}), tell=lambda _news: None) as studio:
        written = studio.report(JobId(named))
    if as_json:
        print_json(written)
        return
    click.echo(f"{written['job']}: {written['status']}")
    click.echo(f"{written['out']}/report.html")

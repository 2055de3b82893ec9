"""`cinefab worker`: a process that finishes what dead workers left behind."""

from __future__ import annotations

import signal
import threading

import click

from cinefab.cli.said import reports_errors


@click.command()
@click.option("--db", help="Database URL, shared with the other workers.")
@click.option("--blobs", help="Blob URL, shared with the other workers.")
@reports_errors
def worker(*, db: str | None, blobs: str | None) -> None:
    """Take part in the work on a database until stopped.

    A worker takes over the jobs of workers that died and finishes them. Jobs themselves are
    given by `cinefab make`.
    """
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.studio import Studio  # noqa: PLC0415 - as above
    from cinefab.cli.progress import ProgressView  # noqa: PLC0415 - as above

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    view = ProgressView(quiet=False)
    with Studio(load_settings({"db": db, "blobs": blobs}), tell=view.tell) as studio, view.shown():
        click.echo(f"cinefab: worker {studio.shop.worker} is ready", err=True)
        studio.serve(stop)

"""`cinefab webhooks`: a process that tells others what happened, and that nobody waits for."""

from __future__ import annotations

import logging
import signal
import sys
import threading

import click

from cinefab.cli.said import reports_errors


@click.command()
@click.option("--db", help="Database URL, shared with the service and its workers.")
@click.option(
    "--until-end-of-input",
    is_flag=True,
    help="Stop when standard input ends, as it does when whoever started this is gone.",
)
@reports_errors
def webhooks(*, db: str | None, until_end_of_input: bool) -> None:
    """Send what webhooks are owed until stopped; any number of these may run on one database.

    `cinefab up` starts one by itself once there is a webhook.
    """
    from cinefab.api.predictions import writer_of  # noqa: PLC0415 - as below
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.app.telling import sender_of  # noqa: PLC0415 - as above
    from cinefab.cli.log import log_as_json  # noqa: PLC0415 - as above

    log_as_json(logging.getLogger().level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if until_end_of_input:
        threading.Thread(target=_watch_input, args=(stop,), daemon=True).start()
    settings = load_settings({"db": db})
    with open_records(settings) as records:
        sender_of(settings, records, write=writer_of(settings)).run(stop)


def _watch_input(stop: threading.Event) -> None:
    while sys.stdin.buffer.read(1):
        pass
    stop.set()

"""`cinefab up`: the whole studio as a service, in one process."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from cinefab.cli.said import reports_errors


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8300, show_default=True, help="Which port; 0: any that is free.")
@click.option("--db", help="Database URL, shared with other workers.")
@click.option("--blobs", help="Blob URL, shared with other workers.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder for films (out).")
@reports_errors
def up(*, host: str, port: int, db: str | None, blobs: str | None, out: Path | None) -> None:
    """Answer the API and make its films, until stopped; what is unfinished then is handed on.

    Nothing listens beyond this machine unless --host says so, and then every request needs a key.
    """
    from cinefab.api.serving import is_loopback, listen, serve, url_of  # noqa: PLC0415 - `--help` needs none
    from cinefab.app.service import Service  # noqa: PLC0415 - as above
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.cli.log import log_as_json  # noqa: PLC0415 - as above

    log_as_json(logging.getLogger().level)
    settings = load_settings({"db": db, "blobs": blobs, "out": out})
    listening = listen(host, port)
    service = Service(settings)
    try:
        url = url_of(listening)
        link = service.entrance.owner_link()
        if not is_loopback(listening) and service.callers.is_open():
            key = service.callers.create_owner_key()
            click.echo(f"cinefab: the owner's key, shown this once: {key}")
        if link is not None:
            click.echo(f"cinefab: become its owner, once, within a day: {url}/sign-in?link={link}")
        serve(
            service,
            listening,
            started=lambda: click.echo(f"cinefab: ready at {url} (what can be asked: {url}/docs)"),
        )
    finally:
        service.close()

"""`cinefab backup` and `cinefab restore`: a studio into a folder, while it works, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cinefab.cli.exits import Exit
from cinefab.cli.said import print_json, reports_errors

if TYPE_CHECKING:
    from cinefab.app.backups import Backup

_FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
_DB = click.option("--db", help="Database URL.")
_BLOBS = click.option("--blobs", help="Blob URL.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")


@click.command()
@_FOLDER
@_DB
@_BLOBS
@_JSON
@reports_errors
def backup(*, folder: Path, db: str | None, blobs: str | None, as_json: bool) -> None:
    """Copy the studio into FOLDER while it works: database, blobs, keys, policies, settings.

    The same FOLDER again copies only the blobs that are new. FOLDER holds private keys.
    """
    from cinefab.app.backups import back_up  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.core.clock import SystemClock  # noqa: PLC0415 - as above

    settings = load_settings({"db": db, "blobs": blobs})
    _tell(back_up(settings, folder, clock=SystemClock()), as_json=as_json)


@click.command()
@_FOLDER
@_DB
@_BLOBS
@_JSON
@reports_errors
def restore(*, folder: Path, db: str | None, blobs: str | None, as_json: bool) -> None:
    """Put the studio in FOLDER where the settings point, which must be empty.

    Never let the restored studio and the one that was backed up work at the same time: both would
    go on with the same jobs.
    """
    from cinefab.app.backups import restore as put_back  # noqa: PLC0415 - as above
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above

    _tell(put_back(load_settings({"db": db, "blobs": blobs}), folder), as_json=as_json)


def _tell(found: Backup, *, as_json: bool) -> None:
    if as_json:
        print_json(found.as_dict())
    else:
        click.echo(f"{'Database':<10} {found.database}, revision {found.revision}")
        click.echo(f"{'Blobs':<10} {found.blobs} of {found.blob_bytes / 1e6:.1f} MB")
        click.echo(f"{'Copied':<10} {found.copied}")
        for digest in found.missing:
            click.echo(f"{'Missing':<10} {digest}: the studio had lost it before")
    if found.missing:
        raise SystemExit(Exit.FAULT)

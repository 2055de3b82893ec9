"""`cinefab sweep`: what nobody needs any more is taken away, and what is kept is charged."""

from __future__ import annotations

import click

from cinefab.cli.said import print_json, reports_errors, usd


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go; change and charge nothing.")
@click.option("--db", help="Database URL.")
@click.option("--blobs", help="Blob URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def sweep(*, dry_run: bool, db: str | None, blobs: str | None, as_json: bool) -> None:
    """Take away intermediates that have expired and that no release or unfinished job needs.

    Storage is charged up to this moment first. Safe beside jobs that run.
    """
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.app.sweeping import sweep_studio  # noqa: PLC0415 - as above

    settings = load_settings({"db": db, "blobs": blobs})
    with open_records(settings) as records:
        swept = sweep_studio(settings, records, dry_run=dry_run)
    if as_json:
        print_json(swept.as_dict())
        return
    click.echo(f"{'Blobs':<14} {swept.blobs} of {swept.bytes_stored / 1e6:.1f} MB")
    click.echo(f"{'Needed':<14} {swept.marked}")
    click.echo(f"{'Not expired':<14} {swept.waiting}")
    for kind, count in sorted(swept.gone.items()):
        verb = "would go" if dry_run else "gone"
        click.echo(f"{kind:<14} {count} {verb}, {swept.bytes_freed[kind] / 1e6:.1f} MB")
    if not dry_run:
        click.echo(f"{'Storage':<14} {usd(swept.charged_uusd)}")

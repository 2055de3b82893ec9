"""`cinefab ledger`: proof that the books balance, and what they say."""

from __future__ import annotations

from dataclasses import asdict

import click

from cinefab.cli.exits import Exit
from cinefab.cli.said import print_json, reports_errors, usd


@click.group()
def ledger() -> None:
    """Money and device time, in double entry."""


@ledger.command()
@click.option("--tenant", help="Whose; by default the tenant's of this machine.")
@click.option("--db", help="Database URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def check(*, tenant: str | None, db: str | None, as_json: bool) -> None:
    """Prove that the ledger balances, from the journal alone. Exits with 0 only if it does."""
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.core.ids import TenantId  # noqa: PLC0415 - as above
    from cinefab.record.books import check_books  # noqa: PLC0415 - as above

    with open_records(load_settings({"db": db})) as records, records.db.read() as connection:
        checked = check_books(connection, tenant=TenantId(tenant or records.tenant))
    if as_json:
        print_json({"balances": checked.holds, **asdict(checked)})
    elif checked.holds:
        click.echo(f"The ledger balances: {checked.transfers} transfers.")
    else:
        for finding in checked.findings:
            click.echo(f"{finding}", err=True)
    raise SystemExit(Exit.DELIVERED if checked.holds else Exit.FAULT)


@ledger.command()
@click.option("--tenant", help="Whose; by default the tenant's of this machine.")
@click.option("--db", help="Database URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def report(*, tenant: str | None, db: str | None, as_json: bool) -> None:
    """Show balances, where device time went, what suppliers ask, what each job cost."""
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.core.ids import TenantId  # noqa: PLC0415 - as above
    from cinefab.economics.report import ledger_report  # noqa: PLC0415 - as above

    with open_records(load_settings({"db": db})) as records, records.db.read() as connection:
        found = ledger_report(connection, tenant=TenantId(tenant or records.tenant))
    if as_json:
        document = asdict(found)
        document["by_class"] = {str(name): us for name, us in found.by_class.items()}
        print_json(document)
        return
    click.echo(f"{'Spent':<22} {usd(found.spend_uusd):>16}")
    click.echo(f"{'Reserved':<22} {usd(found.reserved_uusd):>16}")
    click.echo(f"{'Overhead':<22} {usd(found.overhead_uusd):>16}")
    click.echo(f"{'Unpriced device time':<22} {found.unpriced_us / 1_000_000:>14.6f} s")
    kept = found.storage
    click.echo(f"{'Storage':<22} {usd(kept.cost_uusd):>16}  {kept.byte_s / 3.6e12:.6f} GB·h")
    if kept.unpriced_byte_s:
        click.echo(f"{'Unpriced storage':<22} {kept.unpriced_byte_s / 3.6e12:>13.6f} GB·h")
    for kind, cost in kept.lines.items():
        click.echo(f"  {kind:<20} {usd(cost):>16}")
    if found.suppliers:
        click.echo("\nSuppliers")
    for asked in found.suppliers:
        unknown = f"  {asked.unknown} unknown" if asked.unknown else ""
        click.echo(
            f"  {asked.supplier:<20} {usd(asked.amount_uusd):>16}  {asked.bills} bills{unknown}"
        )
    click.echo("\nDevice time")
    for name, us in found.by_class.items():
        click.echo(f"  {name:<20} {us / 1_000_000:>14.6f} s")
    click.echo("\nJobs")
    for job in found.jobs:
        seconds = f"{job.device_us / 1_000_000:.3f} s"
        click.echo(f"  {job.job}  {usd(job.cost_uusd):>12}  {seconds:>12}")

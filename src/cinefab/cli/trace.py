"""`cinefab trace`: where a film or any other asset comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cinefab.cli.exits import Exit
from cinefab.cli.said import print_json, reports_errors, usd


@click.command()
@click.argument("subject", metavar="FILE|ASSET")
@click.option("--db", help="Database URL: where it was made.")
@click.option("--json", "as_json", is_flag=True, help="Print the trace as JSON.")
@reports_errors
def trace(subject: str, *, db: str | None, as_json: bool) -> None:
    """Show everything that a FILE, or an asset by its id (ast_…), was made from.

    Exits with 0 only if every signature among it holds.
    """
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.provenance.assets import load_asset  # noqa: PLC0415 - as above
    from cinefab.record import trace as tracing  # noqa: PLC0415 - as above
    from cinefab.store.file_digest import file_sha256  # noqa: PLC0415 - as above

    with open_records(load_settings({"db": db})) as records, records.db.read() as connection:
        path = Path(subject)
        if path.is_file():
            asset = tracing.find_by_digest(connection, records.tenant, file_sha256(path))
        else:
            asset = load_asset(connection, records.tenant, subject)
        traced = tracing.trace(
            connection,
            tenant=records.tenant,
            asset=asset,
            anchors_pem=records.authority.trust_anchors_pem,
        )
    if as_json:
        print_json(traced)
    else:
        _show(traced)
    raise SystemExit(Exit.DELIVERED if traced["holds"] else Exit.FAULT)


def _show(traced: dict[str, Any]) -> None:
    entries = {entry["asset"]: entry for entry in traced["lineage"]}
    shown: set[str] = set()

    def walk(asset: str, depth: int) -> None:
        entry = entries[asset]
        if asset in shown:
            click.echo(f"{'  ' * depth}{entry['kind']} {asset}  (as above)")
            return
        shown.add(asset)
        signed = "signed" if entry["record"]["holds"] else "SIGNATURE DOES NOT HOLD"
        cost = "" if entry["stage"] is None else f", {entry['ms']} ms, {usd(entry['cost_uusd'])}"
        click.echo(f"{'  ' * depth}{entry['kind']} {asset}  by {entry['made_by']}{cost}, {signed}")
        for source in entry["sources"]:
            walk(source, depth + 1)

    walk(traced["asset"], 0)
    for share in traced["royalties"]:
        click.echo(f"paid: {share['party']} {share['share_bp'] / 100:g}%")

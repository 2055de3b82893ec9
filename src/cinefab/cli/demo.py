"""`cinefab demo`: the film of the examples, for somebody who has just arrived."""

from __future__ import annotations

import sys
from pathlib import Path

import click

import cinefab
from cinefab.cli.exits import exit_for_report
from cinefab.cli.make import make_brief
from cinefab.cli.said import reports_errors


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="The folder for films (out).")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@reports_errors
def demo(*, out: Path | None, as_json: bool) -> None:
    """Make the retail spot of the examples and say where it is."""
    report = make_brief(_examples() / "retail-spot.yaml", out=out, as_json=as_json)
    if report["status"] == "delivered" and not as_json:
        click.echo()
        click.echo(f"Watch it:      {report['film']}")
        click.echo(f"Verify it:     {sys.argv[0]} verify {report['film']}")
        click.echo(f"Where from:    {sys.argv[0]} trace {report['film']}")
        click.echo(f"What it cost:  {sys.argv[0]} ledger report")
    raise SystemExit(exit_for_report(report))


def _examples() -> Path:
    # Beside the code in a clone, inside the package in a wheel.
    packaged = Path(cinefab.__file__).parent / "examples"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "examples"

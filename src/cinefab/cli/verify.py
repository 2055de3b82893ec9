"""`cinefab verify`: what a file's content credentials are worth."""

from __future__ import annotations

from pathlib import Path

import click

from cinefab.cli.exits import Exit
from cinefab.cli.said import print_json, reports_errors


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--db", help="Database URL: where releases are recorded.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def verify(file: Path, *, db: str | None, as_json: bool) -> None:
    """Say whether FILE is trusted, valid, invalid or has no credentials (absent), and why.

    Exits with 0 only for trusted.
    """
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.provenance.credential_rows import find_release  # noqa: PLC0415 - as above
    from cinefab.provenance.verify import VerifyState, verify_file  # noqa: PLC0415 - as above

    settings = load_settings({"db": db})
    with open_records(settings) as records, records.db.read() as connection:
        verified = verify_file(
            file,
            anchors_pem=records.authority.trust_anchors_pem,
            recorded=lambda label: find_release(connection, records.tenant, label),
        )
    if as_json:
        print_json(
            {
                "file": str(file),
                "state": verified.state,
                "reasons": list(verified.reasons),
                "details": dict(verified.details),
            }
        )
    else:
        click.echo(f"{verified.state}: {file}")
        for reason in verified.reasons:
            click.echo(f"  {reason}")
    trusted = verified.state is VerifyState.TRUSTED
    raise SystemExit(Exit.DELIVERED if trusted else Exit.FAULT)

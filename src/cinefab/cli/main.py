"""The command `cinefab`: one subcommand a file, imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final

import click

import cinefab
from cinefab.cli.log import log_in_lines

_COMMANDS: Final[Mapping[str, str]] = {
    "make": "cinefab.cli.make:make",
    "demo": "cinefab.cli.demo:demo",
    "up": "cinefab.cli.up:up",
    "worker": "cinefab.cli.worker:worker",
    "webhooks": "cinefab.cli.webhooks:webhooks",
    "verify": "cinefab.cli.verify:verify",
    "review": "cinefab.cli.review:review",
    "trace": "cinefab.cli.trace:trace",
    "report": "cinefab.cli.report:report",
    "jobs": "cinefab.cli.jobs:jobs",
    "models": "cinefab.cli.models:models",
    "ledger": "cinefab.cli.ledger:ledger",
    "budget": "cinefab.cli.budget:budget",
    "tenants": "cinefab.cli.tenants:tenants",
    "keys": "cinefab.cli.keys:keys",
    "sweep": "cinefab.cli.sweep:sweep",
    "backup": "cinefab.cli.backup:backup",
    "restore": "cinefab.cli.backup:restore",
    "doctor": "cinefab.cli.doctor:doctor",
}


class _Commands(click.Group):
    """Imports a command only when it is used, so that each starts as fast as it can."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        place = _COMMANDS.get(name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(cinefab.__version__, package_name="cinefab", prog_name="cinefab")
@click.option(
    "--log",
    envvar="CINEFAB_LOG",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    help="What to print of what happens inside.",
)
def main(log: str) -> None:
    """Films made on demand: on time, signed, and costed."""
    log_in_lines(log)


if __name__ == "__main__":
    main()

"""`cinefab models`: which there are, and whether one keeps its contract."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from cinefab.cli.exits import Exit
from cinefab.cli.said import print_json, reports_errors


@click.group()
def models() -> None:
    """What generates pictures and sound, and under which contract."""


@models.command()
@click.option("--backends", is_flag=True, help="Show what models can be made of by settings.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def ls(*, backends: bool, as_json: bool) -> None:
    """List the models of this studio, what each can do, and what is wrong with those that cannot."""
    from cinefab.app.models import Broken, Models, look_at  # noqa: PLC0415 - `--help` needs none
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above

    known = Models(load_settings())
    if backends:
        schemas = {
            name: dict(point.load().settings_schema) for name, point in known.backends().items()
        }
        print_json(schemas) if as_json else _show_backends(schemas)
        return
    rows: list[dict[str, Any]] = []
    for each in look_at(known):
        if isinstance(each, Broken):
            rows.append({"model": each.name, "found": each.found, "remedy": each.remedy})
        else:
            card = each.card
            capabilities = sorted(card.capabilities)
            row = {"model": card.ref, "task": card.task, "capabilities": capabilities}
            takes = card.input_schema.get("description")
            rows.append(row if takes is None else row | {"takes": takes})
    if as_json:
        print_json(rows)
        return
    for row in rows:
        if "found" in row:
            click.echo(f"{row['model']:<32} cannot be used: {row['found']} {row['remedy']}")
        else:
            click.echo(f"{row['model']:<32} {row['task']:<16} {', '.join(row['capabilities'])}")
            if "takes" in row:
                click.echo(f"  {row['takes']}")


@models.command()
@click.argument("name")
@click.option("--settings", default="{}", help="The model's own settings for the trial, as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def check(*, name: str, settings: str, as_json: bool) -> None:
    """Hold the model NAME against every promise of the contract. Exits with 0 only if it keeps all.

    One that fits on no device of this studio is not run at all.
    A model that somebody else runs is asked for real work, and may bill it.
    """
    from cinefab.app.models import Models  # noqa: PLC0415 - as above
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.conformance.models import (  # noqa: PLC0415 - as above
        PROMISES,
        NotPromised,
        Subject,
        describe,
    )
    from cinefab.core.errors import CinefabError  # noqa: PLC0415 - as above
    from cinefab.generate.take import make_backend  # noqa: PLC0415 - as above

    known = Models(load_settings())
    model = known.get(name)
    if model is None:
        raise click.UsageError(f"There is no model {name!r}. Known: {', '.join(known)}.")
    placed = known.place(model.card)
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="cinefab-check-") as folder:
        subject = Subject(
            make=lambda: make_backend(model.entry, model.configured),
            folder=Path(folder),
            settings=_settings(settings),
        )
        for promise, holds in PROMISES.items():
            result: dict[str, Any] = {"promise": promise, "state": "kept"}
            try:
                holds(subject)
            except NotPromised:
                result["state"] = "not declared"
            except CinefabError as error:
                result |= {"state": "BROKEN", "found": error.found, "remedy": error.remedy}
            results.append(result)
            if not as_json:
                click.echo(f"{result['state']:<13} {promise}  {result.get('found', '')}".rstrip())
        described = describe(subject)
    if not as_json:
        click.echo(f"goes on       {', '.join(placed.devices)}: {placed.need}")
    is_kept = all(result["state"] != "BROKEN" for result in results)
    if as_json:
        print_json(
            {
                "keeps": is_kept,
                "card": described,
                "goes_on": list(placed.devices),
                "promises": results,
            }
        )
    raise SystemExit(Exit.DELIVERED if is_kept else Exit.FAULT)


def _settings(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"--settings is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise click.UsageError("--settings is an object: '{\"steps\": 4}'.")
    return read


def _show_backends(schemas: dict[str, dict[str, Any]]) -> None:
    if not schemas:
        click.echo("No backend is installed that makes models of settings.")
    for name, schema in schemas.items():
        click.echo(name)
        for setting, what in schema.get("properties", {}).items():
            must = " (required)" if setting in schema.get("required", ()) else ""
            click.echo(f"  {setting:<22} {what.get('description', what.get('type', ''))}{must}")

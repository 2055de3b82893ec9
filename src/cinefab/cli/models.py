"""`cinefab models`: which there are, whether one keeps its contract, and where its versions stand."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cinefab.cli.exits import Exit
from cinefab.cli.said import print_json, reports_errors, usd

if TYPE_CHECKING:
    from cinefab.app.models import Models
    from cinefab.app.records import Records
    from cinefab.jobs.workshop import Model
    from cinefab.schedule.breakers import Breaker

_DB = click.option("--db", help="Database URL.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
_TRIAL = click.option(
    "--settings", default="{}", help="The model's own settings for the trial, as JSON."
)
_REASON = click.option("--reason", default="", help="Why; it is kept with the change.")


@click.group()
def models() -> None:
    """What generates pictures and sound, under which contract, and which versions films get."""


@models.command()
@click.option("--backends", is_flag=True, help="Show what models can be made of by settings.")
@_DB
@_JSON
@reports_errors
def ls(*, backends: bool, db: str | None, as_json: bool) -> None:
    """List the models of this studio and their versions, what each can do, and where it stands.

    What cannot be used is listed with what is wrong with it, and what failed for several jobs with
    until when it rests.
    """
    from cinefab.app.registry import list_models  # noqa: PLC0415 - `--help` needs none
    from cinefab.schedule.breakers import troubled  # noqa: PLC0415 - as above

    if backends:
        _list_backends(as_json=as_json)
        return
    with _opened(db) as (records, known):
        with records.db.read() as connection:
            resting = troubled(connection)
        rows = [_standing(row, resting) for row in list_models(known, records.db)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        if "found" in row:
            click.echo(f"{row['model']:<32} cannot be used: {row['found']} {row['remedy']}")
            continue
        capabilities = ", ".join(row["capabilities"])
        click.echo(f"{row['model']:<32} {_state(row):<12} {row['task']:<16} {capabilities}")
        if "takes" in row:
            click.echo(f"  {row['takes']}")
        if "breaker" in row:
            breaker = row["breaker"]
            click.echo(f"  {breaker['state']} until {breaker['until']}: {breaker['why']}")


@models.command()
@click.argument("name")
@_TRIAL
@_DB
@_JSON
@reports_errors
def check(*, name: str, settings: str, db: str | None, as_json: bool) -> None:
    """Hold the model NAME against every promise of the contract. Exits with 0 only if it keeps all.

    NAME@VERSION is a version that was registered. One that fits on no device of this studio is not
    run at all. A model that somebody else runs is asked for real work, and may bill it.
    """
    with _opened(db) as (records, known):
        model = _model(known, records, name)
        placed = known.place(model.card)
        results, described = _tried(model, settings=settings, quick=False, says=not as_json)
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


@models.command()
@click.argument("name")
@click.option(
    "--from",
    "table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file with `backend` and its settings; else what the settings have under NAME.",
)
@click.option("--all", "every", is_flag=True, help="Try every promise, not just the quick ones.")
@click.option("--unchecked", is_flag=True, help="Register it untried; that is kept with it.")
@_TRIAL
@_REASON
@_DB
@_JSON
@reports_errors
def add(
    *,
    name: str,
    table: Path | None,
    every: bool,
    unchecked: bool,
    settings: str,
    reason: str,
    db: str | None,
    as_json: bool,
) -> None:
    """Register the model NAME as it is now, once it has kept its contract's promises.

    One that fits on no device of the studio is refused.
    Nobody gets it yet, except by its exact name; `promote` is next. From then on the name follows
    the registry: what the settings say later is another version, to be registered in its turn.
    """
    from cinefab.app.registry import shown, table_in  # noqa: PLC0415 - `--help` needs none
    from cinefab.core.errors import ContractMismatch  # noqa: PLC0415 - as above
    from cinefab.generate.registry import Change, register  # noqa: PLC0415 - as above
    from cinefab.jobs.pins import register_components  # noqa: PLC0415 - as above

    with _opened(db) as (records, known):
        model = (
            _model(known, records, name) if table is None else known.of_table(name, table_in(table))
        )
        known.place(model.card)
        checked = None
        if not unchecked:
            results, _ = _tried(model, settings=settings, quick=not every, says=not as_json)
            broken = [each for each in results if each["state"] == "BROKEN"]
            if broken:
                raise ContractMismatch(
                    attempted=f"register {model.card.ref}",
                    found=f"it does not keep its contract: {broken[0]['found']}",
                    remedy=broken[0]["remedy"],
                )
            checked = {
                "which": "all" if every else "quick",
                "settings": _settings(settings),
                "promises": {each["promise"]: each["state"] for each in results},
            }
        with records.db.write() as connection:
            change = Change(by=records.principal, reason=reason, now_us=records.clock.now_us())
            register_components(connection, model, now_us=change.now_us)
            made = register(connection, model.card, model.made, checked=checked, change=change)
            document = shown(connection, made.ref, tenant=None, made=True)
    _print_version(document, as_json=as_json)


@models.command()
@click.argument("name")
@_DB
@_JSON
@reports_errors
def show(*, name: str, db: str | None, as_json: bool) -> None:
    """Show a version, NAME@VERSION, or of NAME the one that stands highest.

    Its card, how it came to where it stands, what it took and cost on which device, and what the
    checks said of what it made.
    """
    from cinefab.app.registry import shown  # noqa: PLC0415 - `--help` needs none

    with _opened(db) as (records, _), records.db.read() as connection:
        document = shown(connection, name, tenant=None, made=True)
    _print_version(document, as_json=as_json)


@models.command()
@click.argument("version")
@click.option("--to", type=click.Choice(["registered", "shadow", "canary", "live"]))
@click.option("--share", help="Which part of the shots a trial gets: 10%.")
@_REASON
@_DB
@_JSON
@reports_errors
def promote(
    *,
    version: str,
    to: str | None,
    share: str | None,
    reason: str,
    db: str | None,
    as_json: bool,
) -> None:
    """Move NAME@VERSION on: to its next state, or where --to says.

    In shadow it makes a share of the shots again beside those that are delivered, as canary it makes
    a share of those that are; once it is live it makes all of them, and what was live is retired.
    Jobs that were ordered before go on with what they began with.
    """
    from cinefab.app.registry import next_state, share_of, shown  # noqa: PLC0415 - as above
    from cinefab.generate.registry import (  # noqa: PLC0415 - as above
        Change,
        ModelState,
        load_version,
        move_version,
    )

    with _opened(db) as (records, _), records.db.write() as connection:
        found = load_version(connection, version)
        state = ModelState(to) if to else next_state(connection, found)
        change = Change(by=records.principal, reason=reason, now_us=records.clock.now_us())
        move_version(connection, found.ref, to=state, share_bp=share_of(share), change=change)
        document = shown(connection, found.ref, tenant=None, made=True)
    _print_version(document, as_json=as_json)


@models.command()
@click.argument("version")
@click.option("--successor", help="What is to be asked for instead: NAME or NAME@VERSION.")
@_REASON
@_DB
@_JSON
@reports_errors
def retire(
    *, version: str, successor: str | None, reason: str, db: str | None, as_json: bool
) -> None:
    """Refuse new jobs with NAME@VERSION; those that were ordered before go on and can be rebuilt."""
    from cinefab.app.registry import shown  # noqa: PLC0415 - `--help` needs none
    from cinefab.generate.registry import (  # noqa: PLC0415 - as above
        Change,
        ModelState,
        load_version,
        move_version,
    )

    with _opened(db) as (records, _), records.db.write() as connection:
        found = load_version(connection, version)
        change = Change(by=records.principal, reason=reason, now_us=records.clock.now_us())
        move_version(
            connection, found.ref, to=ModelState.RETIRED, successor=successor, change=change
        )
        document = shown(connection, found.ref, tenant=None, made=True)
    _print_version(document, as_json=as_json)


@contextmanager
def _opened(db: str | None) -> Iterator[tuple[Records, Models]]:
    """Open the records, and what makes models of them and of the settings."""
    from cinefab.app.models import Models, kept_in  # noqa: PLC0415 - `--help` needs none
    from cinefab.app.records import open_records  # noqa: PLC0415 - as above
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above

    settings = load_settings({"db": db})
    with open_records(settings) as records:
        yield records, Models(settings, kept_in(records.db))


def _model(known: Models, records: Records, name: str) -> Model:
    """Return a model by its name, or by a version's; one that was only registered is found, too."""
    from cinefab.generate.registry import versions_named  # noqa: PLC0415 - `--help` needs none

    model = known.get(name)
    if model is None and "@" not in name:
        with records.db.read() as connection:
            named = [each.ref for each in versions_named(connection, name)]
        model = next(filter(None, map(known.get, reversed(named))), None)
    if model is None:
        raise click.UsageError(f"There is no model {name!r}. Known: {', '.join(known)}.")
    return model


def _tried(
    model: Model, *, settings: str, quick: bool, says: bool
) -> tuple[list[dict[str, Any]], Any]:
    """Return what came of each promise that was tried, and the card as the suite describes it."""
    from cinefab.conformance.models import (  # noqa: PLC0415 - `--help` needs none
        PROMISES,
        QUICK,
        NotPromised,
        Subject,
        describe,
    )
    from cinefab.core.errors import CinefabError  # noqa: PLC0415 - as above
    from cinefab.generate.take import make_backend  # noqa: PLC0415 - as above

    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="cinefab-check-") as folder:
        subject = Subject(
            make=lambda: make_backend(model.entry, model.configured),
            folder=Path(folder),
            settings=_settings(settings),
        )
        for promise in QUICK if quick else PROMISES:
            result: dict[str, Any] = {"promise": promise, "state": "kept"}
            try:
                PROMISES[promise](subject)
            except NotPromised:
                result["state"] = "not declared"
            except CinefabError as error:
                result |= {"state": "BROKEN", "found": error.found, "remedy": error.remedy}
            results.append(result)
            if says:
                click.echo(f"{result['state']:<13} {promise}  {result.get('found', '')}".rstrip())
        return results, describe(subject)


def _settings(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"--settings is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise click.UsageError("--settings is an object: '{\"steps\": 4}'.")
    return read


def _standing(row: dict[str, Any], resting: Mapping[str, Breaker]) -> dict[str, Any]:
    """Return a model's row with how its breaker stands, unless it simply works."""
    from cinefab.core.clock import iso_utc  # noqa: PLC0415 - `--help` needs none

    breaker = resting.get(row["model"])
    if breaker is None:
        return row
    said = {"state": breaker.state, "until": iso_utc(breaker.until_us), "why": breaker.why}
    return row | {"breaker": said}


def _list_backends(*, as_json: bool) -> None:
    from cinefab.app.models import Models  # noqa: PLC0415 - `--help` needs none
    from cinefab.app.pipelines import SCHEMA  # noqa: PLC0415 - as above
    from cinefab.app.settings import PIPELINE, load_settings  # noqa: PLC0415 - as above

    schemas = {
        name: dict(point.load().settings_schema)
        for name, point in Models(load_settings()).backends().items()
    } | {PIPELINE: dict(SCHEMA)}
    print_json(schemas) if as_json else _show_backends(schemas)


def _show_backends(schemas: dict[str, dict[str, Any]]) -> None:
    if not schemas:
        click.echo("No backend is installed that makes models of settings.")
    for name, schema in schemas.items():
        click.echo(name)
        for setting, what in schema.get("properties", {}).items():
            must = " (required)" if setting in schema.get("required", ()) else ""
            click.echo(f"  {setting:<22} {what.get('description', what.get('type', ''))}{must}")


def _state(row: dict[str, Any]) -> str:
    """Return where a version stands, in a word, with its share where it has one."""
    share = f" {row['share_bp'] / 100:g}%" if "share_bp" in row else ""
    return f"{row['state'] or '-'}{share}"


def _print_version(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    card, checked = document["card"], document["checked"]
    follows = f", followed by {document['successor']}" if "successor" in document else ""
    click.echo(f"{document['model']}  {_state(document)}{follows}")
    limits = card["limits"]
    click.echo(
        f"  {card['task']}: at most {limits['width_max']}x{limits['height_max']}, "
        f"{limits['frames_max']} frames in one run; {', '.join(document['capabilities']) or '-'}"
    )
    needs = (
        f"{each['count']} x {each['device_class']} ({each['memory_mb']} MiB)"
        for each in card["devices"]
    )
    click.echo(f"  runs on {', '.join(needs)}")
    for each in card["training_sets"]:
        share = each["share_bp"] / 100
        click.echo(f"  trained on {each['name']}, {share:g}%, {each['licence']}")
    click.echo(f"  held against its contract: {checked['which'] if checked else 'unchecked'}")
    for move in document["history"]:
        share = "" if move["share_bp"] is None else f" {move['share_bp'] / 100:g}%"
        reason = f": {move['reason']}" if move["reason"] else ""
        click.echo(f"  {_at(move['at_us'])}  {move['to']}{share} by {move['by']}{reason}")
    for each in document["profiles"]:
        click.echo(
            f"  on {each['device_class']}: {each['runs']} runs of {each['frames']} frames, half "
            f"within {each['p50_us'] / 1e6:.3f} s, 95% within {each['p95_us'] / 1e6:.3f} s, "
            f"{each['us_per_megapixel']} us a megapixel, {usd(each['cost_uusd'])} in all"
        )
    quality = document["quality"]
    if quality["takes"]:
        refused = ", ".join(f"{name} {count}" for name, count in quality["refused"].items())
        click.echo(
            f"  {quality['passed']} of {quality['takes']} first takes passed"
            + (f"; refused: {refused}" if refused else "")
        )
    for each in document["beside"]:
        click.echo(
            f"  in the shadow of {each['other']}: both passed {each['both']}, this one was refused "
            f"alone {each['this_refused']}, that one alone {each['other_refused']}, both "
            f"{each['neither']}, failed {each['failed']}"
        )


def _at(at_us: int) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415 - `--help` needs none

    return datetime.fromtimestamp(at_us / 1_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")

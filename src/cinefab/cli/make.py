"""`cinefab make`: a brief becomes a film."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cinefab.app.process_start import loading, process_started_us
from cinefab.cli.exits import exit_for_report
from cinefab.cli.interrupt import Interrupt
from cinefab.cli.said import print_json, reports_errors, usd
from cinefab.core.errors import Cancelled


@click.command()
@click.argument("brief", required=False, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The folder for films (out).")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="K=V",
    help="Change a field of the brief, or fill a slot of the template.",
)
@click.option("--db", help="Database URL: sqlite:///FILE or postgresql://…")
@click.option("--blobs", help="Blob URL: file:///FOLDER or s3://BUCKET/PREFIX?endpoint=…")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a brief, and make nothing.")
@click.option("--template-schema", is_flag=True, help="The same of a template.")
@reports_errors
def make(
    brief: Path | None,
    *,
    out: Path | None,
    overrides: tuple[str, ...],
    db: str | None,
    blobs: str | None,
    as_json: bool,
    schema: bool,
    template_schema: bool,
) -> None:
    """Make the film that BRIEF, or a template that --set fills, asks for (YAML or JSON).

    Run again after a crash, it goes on where it stopped. Control-C cancels the job and gives
    back what it had reserved.

    Exit codes: 0 delivered, 1 fault, 2 bad brief, 3 refused by review, 4 budget, 5 waiting for a
    person.
    """
    if schema:
        from cinefab.ingest.brief import brief_schema  # noqa: PLC0415 - one answer, no studio

        print_json(brief_schema())
        return
    if template_schema:
        from cinefab.ingest import template  # noqa: PLC0415 - one answer, no studio

        print_json(template.template_schema())
        return
    if brief is None:
        raise click.UsageError("Name the brief to make, or ask for its --schema.")
    try:
        report = make_brief(
            brief, out=out, overrides=overrides, db=db, blobs=blobs, as_json=as_json
        )
    except KeyboardInterrupt:
        raise Cancelled(
            attempted=f"make {brief}",
            found="you asked for it to stop",
            remedy="Run it again if it is still wanted.",
        ) from None
    raise SystemExit(exit_for_report(report))


def make_brief(
    brief: Path,
    *,
    out: Path | None = None,
    overrides: tuple[str, ...] = (),
    db: str | None = None,
    blobs: str | None = None,
    as_json: bool = False,
) -> Mapping[str, Any]:
    """Make a film with progress on the screen, print what came of it, and return its report."""
    with Interrupt() as interrupt:
        return _make_brief(
            brief,
            out=out,
            overrides=overrides,
            db=db,
            blobs=blobs,
            as_json=as_json,
            stop=interrupt.asked,
        )


def _make_brief(
    brief: Path,
    *,
    out: Path | None,
    overrides: tuple[str, ...],
    db: str | None,
    blobs: str | None,
    as_json: bool,
    stop: threading.Event,
) -> Mapping[str, Any]:
    with loading():
        from cinefab.app.hints import note_made, was_made  # noqa: PLC0415 - `--help` needs none of it
        from cinefab.app.plugins import find_plugins  # noqa: PLC0415 - as above
        from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
        from cinefab.app.warmth import Warmth  # noqa: PLC0415 - as above
        from cinefab.core.clock import SystemClock  # noqa: PLC0415 - as above
        from cinefab.ingest.brief import load_written  # noqa: PLC0415 - as above

        requested_us = process_started_us()
        written = load_written(brief, now_us=SystemClock().now_us(), overrides=overrides)
        wanted = written.brief
        settings = load_settings({"db": db, "blobs": blobs, "out": out})
        warmth = Warmth(settings)
        if not was_made(settings, wanted):
            # A preview is made first, and somebody waits for its first picture.
            first = wanted.preview_first
            made_by = wanted.model if first is None else first.model or settings.preview_model
            model = find_plugins("models").get(made_by)
            warmth.start(None if model is None else model.value)
        # The other half of what is slow to start: imported while those processes load.
        from cinefab.app.studio import Studio  # noqa: PLC0415 - see above
        from cinefab.cli.progress import ProgressView  # noqa: PLC0415 - see above

    view = ProgressView(quiet=as_json)
    with Studio(settings, tell=view.tell, say=_say, warmth=warmth) as studio:
        if studio.authority_created and not as_json:
            click.echo(
                f"Created a development authority in {settings.home / 'authority'}: "
                "its signatures are trusted on this machine only.",
                err=True,
            )
        with view.shown():
            report = studio.make(
                wanted,
                base=brief.absolute().parent,
                requested_us=requested_us,
                stop=stop,
                written=written,
            )
    if report["status"] == "delivered":
        note_made(settings, wanted)
    show_report(report, as_json=as_json)
    return report


def show_report(report: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what came of a job, as a person or as a script reads it."""
    if as_json:
        print_json(report)
    else:
        _summarise(report)


def _preview_row(report: Mapping[str, Any]) -> dict[str, str]:
    preview = report.get("preview_first")
    if preview is None:
        return {}
    answer = preview["answer"]
    said = "nobody was asked"
    if answer is not None:
        said = f"{answer['choice']} by {answer['principal']}"
    return {
        "Preview": f"{preview['film']} ({preview['model']}, {usd(preview['cost_uusd'])}, {said})"
    }


def _say(line: str) -> None:
    click.echo(f"cinefab: {line}", err=True)


def _summarise(report: Mapping[str, Any]) -> None:
    if report["status"] == "needs_person":
        asked = report["asked"]
        click.echo(
            f"cinefab: waits for a person until {asked['due']}: {asked['question']}", err=True
        )
        if asked["asked_by"] == "preview":
            click.echo(f"cinefab: the preview is {report['preview_first']['film']}", err=True)
        click.echo(
            "cinefab: see it with: cinefab review ls; then approve, reject or send-back", err=True
        )
        return
    if report["status"] != "delivered":
        failure = report["failure"] or {}
        what = ": ".join(failure[key] for key in ("attempted", "found") if failure.get(key))
        click.echo(f"cinefab: {report['status']}: {what}. {failure.get('remedy', '')}", err=True)
        return
    reused = sum(segment["made_by"] == "reuse" for segment in report["segments"])
    made = len(report["segments"]) - reused
    rows = {
        "Film": report["film"],
        "Report": f"{report['out']}/report.html",
        "Length": f"{report['delivered_seconds']:g} s, made in {report['seconds']:.1f} s "
        f"(first picture after {(report['first_preview_ms'] or 0) / 1000:.1f} s)",
        "Segments": f"{made} made, {reused} reused",
        "Cost": f"{usd(report['cost_uusd'])} "
        f"({usd(report['cost_per_delivered_minute_uusd'])} a delivered minute)",
        **_preview_row(report),
        "Credentials": report["content_credentials"]["state"],
        "Paid": ", ".join(
            f"{share['party']} {share['share_bp'] / 100:g}%" for share in report["royalties"]
        )
        or "nobody",
    }
    for name, value in rows.items():
        click.echo(f"{name:<12} {value}")
    for note in report["notes"]:
        click.echo(f"{'Note':<12} {note}")

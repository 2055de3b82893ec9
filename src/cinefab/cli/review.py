"""`cinefab review`: what waits for a person, and what a person answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cinefab.cli.exits import exit_for_report
from cinefab.cli.interrupt import Interrupt
from cinefab.cli.said import print_json, reports_errors

if TYPE_CHECKING:
    from cinefab.app.studio import Studio
    from cinefab.app.watching import Watchable
    from cinefab.review.items import Decision, Item

_F = TypeVar("_F", bound=Callable[..., None])

_SUBJECT = "JOB|ITEM"


@click.group()
def review() -> None:
    """Films that wait for a person: see them, approve them, reject them, send them back."""


def _answers(command: _F) -> _F:
    """Give a command the options that every answer takes."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON."),
        click.option("--blobs", help="Blob URL."),
        click.option("--db", help="Database URL."),
        click.argument("subject", metavar=_SUBJECT),
    ):
        command = option(command)
    return command


_LEAVE = click.option("--leave", is_flag=True, help="Only answer; let a worker make the rest.")


@review.command()
@click.option("--db", help="Database URL.")
@click.option("--blobs", help="Blob URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@reports_errors
def ls(*, db: str | None, blobs: str | None, as_json: bool) -> None:
    """Show what waits for a person, the soonest due first, and where it can be watched."""
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.studio import Studio  # noqa: PLC0415 - as above

    settings = load_settings({"db": db, "blobs": blobs})
    with Studio(settings, tell=lambda _news: None, say=_say) as studio:
        waiting = [_row(item, studio.watchable(item)) for item in studio.waiting()]
    if as_json:
        print_json(waiting)
        return
    if not waiting:
        click.echo("Nothing waits for a person.")
    for item in waiting:
        click.echo(f"{item['job']}  {item['title']}")
        click.echo(f"  {'asked by':<9} {item['asked_by']}: {item['question']}")
        click.echo(f"  {'waits':<9} since {item['since']}, due {item['due']} ({item['queue']})")
        click.echo(f"  {'frame':<9} {item['shown_frame']}: {item['still']}")
        click.echo(f"  {'watch':<9} {item['watch']}")


@review.command()
@_answers
@_LEAVE
@click.option("--reason", default="", help="Why; the strict queue asks for it.")
@reports_errors
def approve(
    subject: str, *, reason: str, db: str | None, blobs: str | None, leave: bool, as_json: bool
) -> None:
    """Let a film that waits be published, and finish it.

    Exits as `make` does: with 0 when it is delivered.
    """
    from cinefab.review.gate import Choice  # noqa: PLC0415 - `--help` needs none of it

    def answer(studio: Studio) -> tuple[Item, Decision]:
        return studio.decide(subject, Choice.APPROVED, reason=reason)

    _answer_and_go_on(answer, db=db, blobs=blobs, leave=leave, as_json=as_json)


@review.command()
@_answers
@click.option("--reason", required=True, help="Why it must not be published.")
@reports_errors
def reject(subject: str, *, reason: str, db: str | None, blobs: str | None, as_json: bool) -> None:
    """End a film that waits, unpublished, and give back what was reserved for it."""
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.studio import Studio  # noqa: PLC0415 - as above
    from cinefab.review.gate import Choice  # noqa: PLC0415 - as above

    settings = load_settings({"db": db, "blobs": blobs})
    with Studio(settings, tell=lambda _news: None, say=_say) as studio:
        _, made = studio.decide(subject, Choice.REJECTED, reason=reason)
    _show_decision(made, as_json=as_json)


@review.command("send-back")
@_answers
@_LEAVE
@click.option("--reason", required=True, help="What is to be different.")
@click.option("--set", "changes", multiple=True, metavar="K=V", help="Change a field of the brief.")
@click.option("--seed", type=click.IntRange(min=0), help="Another seed for the whole film.")
@click.option(
    "--shot", "shots", multiple=True, type=click.IntRange(min=0), help="Another seed for this shot."
)
@reports_errors
def send_back(
    subject: str,
    *,
    reason: str,
    changes: tuple[str, ...],
    seed: int | None,
    shots: tuple[int, ...],
    db: str | None,
    blobs: str | None,
    leave: bool,
    as_json: bool,
) -> None:
    """Have a film that waits made again, changed; what is not affected is reused.

    Exits with 5 when it waits again.
    """
    wanted = changes if seed is None else (*changes, f"seed={seed}")

    def answer(studio: Studio) -> tuple[Item, Decision]:
        return studio.send_back(subject, reason=reason, changes=wanted, shots=shots)

    _answer_and_go_on(answer, db=db, blobs=blobs, leave=leave, as_json=as_json)


def _answer_and_go_on(
    answer: Callable[[Studio], tuple[Item, Decision]],
    *,
    db: str | None,
    blobs: str | None,
    leave: bool,
    as_json: bool,
) -> None:
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.studio import Studio  # noqa: PLC0415 - as above
    from cinefab.cli.make import show_report  # noqa: PLC0415 - as above
    from cinefab.cli.progress import ProgressView  # noqa: PLC0415 - as above

    view = ProgressView(quiet=as_json)
    settings = load_settings({"db": db, "blobs": blobs})
    with Interrupt() as interrupt, Studio(settings, tell=view.tell, say=_say) as studio:
        item, made = answer(studio)
        if leave:
            _show_decision(made, as_json=as_json)
            return
        with view.shown():
            report: Mapping[str, Any] = studio.go_on(item.job, stop=interrupt.asked)
    show_report(report, as_json=as_json)
    raise SystemExit(exit_for_report(report))


def _row(item: Item, place: Watchable) -> dict[str, Any]:
    from cinefab.core.clock import iso_utc  # noqa: PLC0415 - `--help` needs none of it

    return {
        "item": item.id,
        "job": item.job,
        "title": item.title,
        "queue": item.queue,
        "asked_by": item.question.check,
        "question": item.question.text,
        "frame": item.question.frame,
        "since": iso_utc(item.opened_us),
        "due": iso_utc(item.due_us),
        "shown_frame": item.shown_frame,
        "still": str(place.frame),
        "watch": str(place.film),
    }


def _show_decision(made: Decision, *, as_json: bool) -> None:
    from cinefab.review.items import decision_document  # noqa: PLC0415 - as above

    if as_json:
        print_json(decision_document(made))
    else:
        click.echo(f"{made.item}: {made.choice}")


def _say(line: str) -> None:
    click.echo(f"cinefab: {line}", err=True)

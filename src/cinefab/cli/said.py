"""How results and errors are put to a person, or to a script that asked for JSON."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import click

from cinefab.cli.exits import exit_for
from cinefab.core.errors import CinefabError

P = ParamSpec("P")
R = TypeVar("R")


def print_json(document: Any) -> None:
    """Print a document on standard output, readable and in its own order."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command answer errors of ours with one message and their exit code.

    With `as_json`, the error is printed as a document too, so that a script never parses prose.
    """

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        as_json = bool(kwargs.get("as_json"))
        try:
            return command(*args, **kwargs)
        except CinefabError as error:
            _fail(error, as_json=as_json)
        except (click.ClickException, BrokenPipeError):
            # A reader that has seen enough, such as `head`, is no fault; click ends quietly.
            raise
        except Exception as error:
            logging.getLogger(__name__).debug("fault", exc_info=error)
            fault = CinefabError(
                attempted=f"run cinefab {command.__name__}",
                found=f"{type(error).__name__}: {error}",
                remedy="This is a fault of ours: report it, with what CINEFAB_LOG=debug prints.",
            )
            _fail(fault, as_json=as_json)

    return wrapped


def _fail(error: CinefabError, *, as_json: bool) -> NoReturn:
    if as_json:
        print_json({"status": "error", "failure": error.as_dict()})
    print(f"cinefab: {error}", file=sys.stderr)
    raise SystemExit(exit_for(error)) from error


def usd(uusd: int | None) -> str:
    """Return an amount as dollars to the micro-dollar, or that it is unknown."""
    return "unknown" if uusd is None else f"${uusd / 1_000_000:.6f}"

"""What libraries and our own code log, for the person at the terminal: a line each, no stories.

A service's lines are JSON, for machines that collect them.
"""

from __future__ import annotations

import json
import logging
from typing import Final

from cinefab.core.clock import iso_utc

_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _OneLine(logging.Formatter):
    """Names the event and what caused it; a traceback is for whoever turns the level up."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, or with its traceback where details were asked for."""
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            return super().format(record)
        line = f"cinefab: {record.getMessage()}"
        error = record.exc_info[1] if record.exc_info else None
        return line if error is None else f"{line}: {str(error).strip().splitlines()[0]}"


def log_in_lines(level: str) -> None:
    """Send what is at least of `level` to standard error; from `debug` on, with tracebacks."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class _Json(logging.Formatter):
    """An event and its fields; of an error its class alone, as its words may quote a prompt."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        fields = {name: value for name, value in vars(record).items() if name not in _USUAL}
        line = {
            "at": iso_utc(round(record.created * 1_000_000)),
            "level": record.levelname.lower(),
            "from": record.name,
            "event": record.getMessage(),
            **fields,
        }
        error = record.exc_info[0] if record.exc_info else None
        if error is not None:
            line["error"] = error.__name__
        return json.dumps(line, default=str)


def log_as_json(level: int) -> None:
    """Send what is at least of `level` to standard error, as a line of JSON each."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json())
    logging.basicConfig(level=level, handlers=[handler], force=True)

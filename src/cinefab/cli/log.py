"""What libraries and our own code log, for the person at the terminal: a line each, no stories."""

from __future__ import annotations

import logging


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

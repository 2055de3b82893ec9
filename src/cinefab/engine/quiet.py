"""What the engine's threads may say: nothing that somebody is told anyway."""

from __future__ import annotations

import logging
from typing import Final

# What ended a workflow, or that the database is away, is told to whoever waits for the result;
# the engine's threads would say it again several times a second.
_TOLD: Final = (
    "Asyncio task cancelled",
    "Error polling status",
    "Exception encountered in",
    "Exception listing queues",
    "Exception polling schedules",
    "Exception taking the",
    "Notification listener error",
)


def quieten() -> None:
    """Let the engine log through whatever we log to, without what waits repeat; once a process."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        # With a handler there DBOS adds none of its own; records still reach whatever we log to.
        logger.addHandler(logging.NullHandler())
        logger.addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_TOLD)

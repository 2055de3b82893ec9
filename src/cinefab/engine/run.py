"""One run of a workflow's function: which steps it has, and which are under way.

A step's number is what its row is found by. It comes from the step's name alone, so that steps
which run side by side, and finish in another order each time, are still told apart when the
function is run again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Final

_FIRST_STEP_ID: Final = 1 << 20  # below are the engine's own
_STEP_IDS: Final = (1 << 31) - 1 - _FIRST_STEP_ID


class Run:
    """One run of a workflow's function: which names it used, which steps are under way."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._busy: set[asyncio.Task[Any]] = set()
        self._is_over = False

    def step_id(self, name: str) -> int:
        """Return a step's number, which its name determines."""
        assert name not in self._names.values(), f"two steps of a workflow are called {name}"
        digest = hashlib.sha256(name.encode()).digest()
        number = int.from_bytes(digest[:8], "big") % _STEP_IDS
        while self._names.setdefault(_FIRST_STEP_ID + number, name) != name:
            number = (number + 1) % _STEP_IDS
        return _FIRST_STEP_ID + number

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Count the task that is in a step; a task whose workflow is over is cancelled."""
        if self._is_over:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        assert task is not None, "a step runs in a task"
        self._busy.add(task)
        try:
            yield
        finally:
            self._busy.discard(task)

    async def end(self) -> None:
        """Cancel steps that nobody waits for any more, and let them clean up."""
        self._is_over = True
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)


CURRENT_RUN: Final[ContextVar[Run]] = ContextVar("current_run")
"""The run that the present task belongs to; tasks that it starts inherit it."""

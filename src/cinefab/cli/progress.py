"""Live progress of a job: a line for each stage and shot, filled in as it is made."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from cinefab.jobs.workshop import Progress as News

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class ProgressView:
    """Shows news on standard error: bars on a terminal, else a line a stage, or nothing at all."""

    def __init__(self, *, quiet: bool) -> None:
        self._lines: dict[str, TaskID] = {}
        watched = sys.stderr.isatty()
        self._plain = not quiet and not watched
        self._bars = _bars() if watched and not quiet else None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the view on the screen while the block runs."""
        with self._bars or nullcontext():
            yield

    def tell(self, news: News) -> None:
        """Take a piece of news; may be called from any thread."""
        name = news.stage.replace(":", " ")
        if self._bars is not None:
            self._move(self._bars, name, news.done)
        elif self._plain and news.done >= 1.0:
            print(f"cinefab: {name} done", file=sys.stderr)

    def _move(self, bars: Progress, name: str, done: float) -> None:
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = bars.add_task(name, total=1.0)
        bars.update(line, completed=done)
        if done >= 1.0:
            bars.stop_task(line)


def _bars() -> Progress:
    # Only a terminal shows bars, and nobody else should wait for what draws them.
    from rich.console import Console  # noqa: PLC0415 - see above
    from rich.progress import (  # noqa: PLC0415 - see above
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=36),
        TextColumn("{task.percentage:>4.0f}%"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )

"""Live progress of a job: a line for each stage and shot, filled in as it is made."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cinefab.jobs.workshop import Progress as News


class ProgressView:
    """Shows news on standard error; nothing at all where nobody watches."""

    def __init__(self, *, quiet: bool) -> None:
        self._lines: dict[str, TaskID] = {}
        self._plain = not quiet and not sys.stderr.isatty()
        self._bars = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=36),
            TextColumn("{task.percentage:>4.0f}%"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=quiet or self._plain,
        )

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the view on the screen while the block runs."""
        with self._bars:
            yield

    def tell(self, news: News) -> None:
        """Take a piece of news; may be called from any thread."""
        name = news.stage.replace(":", " ")
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = self._bars.add_task(name, total=1.0)
        self._bars.update(line, completed=news.done)
        if news.done >= 1.0:
            self._bars.stop_task(line)
            if self._plain:
                print(f"cinefab: {name} done", file=sys.stderr)

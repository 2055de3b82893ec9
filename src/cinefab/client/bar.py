"""A bar for whoever waits: in a notebook's cell, or on a terminal; elsewhere nothing is shown."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, Protocol

from cinefab.client.values import Event, Job


class Bar(Protocol):
    """Shows how far a job is."""

    def show(self, job: Job, event: Event | None) -> None:
        """Show a job as it stands, after what just happened to it."""
        ...


@contextmanager
def bar_for(title: str, *, wanted: bool) -> Iterator[Bar]:
    """Open what suits the place that this runs in."""
    shell = _notebook() if wanted else None
    if shell is not None:
        yield _Cell(shell)
    elif wanted and sys.stderr.isatty():
        with _Terminal(title) as terminal:
            yield terminal
    else:
        yield _Nothing()


def done_of(job: Job, event: Event | None) -> tuple[str, float | None]:
    """Return what to say of a job, and how much of its stage is done, if that is known."""
    if job.is_over:
        return job.status, 1.0
    if event is not None and event.type == "progress":
        return str(event.data.get("stage", job.status)), event.data.get("done")
    return job.stage or job.status, job.progress


class _Nothing:
    def show(self, job: Job, event: Event | None) -> None:
        pass


class _Terminal:
    def __init__(self, title: str) -> None:
        from rich.console import Console  # noqa: PLC0415 - only where a bar is shown
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415 - as above

        columns = (
            TextColumn("{task.fields[title]}"),
            BarColumn(),
            TextColumn("{task.description}"),
        )
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task("", total=None, title=title)

    def __enter__(self) -> _Terminal:
        self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._progress.stop()

    def show(self, job: Job, event: Event | None) -> None:
        words, done = done_of(job, event)
        total = None if done is None else 1.0
        self._progress.update(self._task, description=words, completed=done or 0.0, total=total)


class _Cell:
    """One line in a notebook, changed in place: HTML alone, so that no extension is needed."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._handle: Any = None

    def show(self, job: Job, event: Event | None) -> None:
        words, done = done_of(job, event)
        value = "" if done is None else f' value="{done:.3f}"'
        html = (
            f'<label>{escape(job.title)} <progress max="1"{value}></progress> '
            f"{escape(words)}</label>"
        )
        if self._handle is None:
            self._handle = self._display.display(self._display.HTML(html), display_id=True)
        else:
            self._handle.update(self._display.HTML(html))


def _notebook() -> Any:
    """Return IPython's `display` module where a kernel shows what it is given, else None."""
    python = sys.modules.get("IPython")
    shell = None if python is None else python.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return importlib.import_module("IPython.display")  # it is there: somebody else imported it

"""Control-C, noted rather than thrown: Python may throw it where nobody catches it.

An exception that a signal throws into a destructor or a callback is printed and forgotten, and
the job would go on against the person's wish.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Self


class Interrupt:
    """Notes the first Control-C in `asked`; a second one is thrown as usual."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._before = signal.getsignal(signal.SIGINT)

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_exception: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked.is_set():
            raise KeyboardInterrupt
        self.asked.set()

"""How this process starts: since when somebody waits for it, and how its code is loaded."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cinefab.core.clock import SystemClock


def process_started_us() -> int:
    """Return the wall clock (UTC microseconds) at which the kernel started this process.

    Interpreter start and imports are part of what a person waits for. Exact to 10 ms; where the
    kernel does not tell, the time of the call.
    """
    now_us = SystemClock().now_us()
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        uptime_us = round(float(Path("/proc/uptime").read_text().split()[0]) * 1_000_000)
        started_us = int(fields[19]) * 1_000_000 // os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return now_us
    return now_us - max(0, uptime_us - started_us)


@contextmanager
def loading() -> Iterator[None]:
    """Load code without looking for garbage meanwhile: what modules make is there to stay.

    Looking for it takes a fifteenth of the time that a hundred modules take.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

"""What the pool's tests run in other processes."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cinefab.core.errors import ReferenceRefused

Report = Callable[[Any], None]


def echo(argument: Any, report: Report) -> Any:
    return argument


def who(argument: Any, report: Report) -> Any:
    time.sleep(argument or 0)
    return os.getpid()


def count_up(argument: int, report: Report) -> int:
    for i in range(argument):
        report({"done": i})
    return argument


def sleep(argument: float, report: Report) -> None:
    report("asleep")
    time.sleep(argument)


def sleep_in_native_code(argument: int, report: Report) -> None:
    report("asleep")
    ctypes.PyDLL(None).sleep(argument)  # holds the interpreter's lock, as a codec may


def die(argument: str, report: Report) -> None:
    sys.stdout.write("last words")
    sys.stdout.flush()
    os.kill(os.getpid(), getattr(signal, argument))


def leave(argument: int, report: Report) -> None:
    os._exit(argument)


def refuse(argument: Any, report: Report) -> None:
    raise ReferenceRefused(field="references.cup", found="it is a cat", remedy="Use a cup.")


def stumble(argument: Any, report: Report) -> float:
    return 1 / argument


def not_json(argument: Any, report: Report) -> Any:
    return {1, 2}


def chatter(argument: Any, report: Report) -> str:
    sys.stdout.write("this goes to standard output")
    sys.stdout.flush()
    os.write(1, b"and this\n")
    return "said"


def limits(argument: Any, report: Report) -> Any:
    np.linalg.inv(np.eye(200))
    threads = len(list(Path("/proc/self/task").iterdir()))
    interrupt = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return {"omp": os.environ.get("OMP_NUM_THREADS"), "threads": threads, "ignores": interrupt}


def take_too_much(argument: int, report: Report) -> int:
    return len(bytearray(argument))


def overwrite_nothing(argument: Any, report: Report) -> None:
    ctypes.string_at(0)  # a real read of an address that nobody has


def tell_then_hang(argument: int, report: Report) -> None:
    for i in range(argument):
        report({"done": i})
        time.sleep(0.05)
    time.sleep(60)

"""What the sandboxed process does to itself before it may see a stranger's bytes.

Order matters: limits and the user are given up while system calls still work, Landlock before
seccomp, and each is tried out at once, so that what is reported is what holds.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cinefab.media.sandbox import landlock, seccomp

_NOBODY: Final = 65534
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4


@dataclass(slots=True)
class Lockdown:
    """Which confinements hold, and why the others do not."""

    landlock_abi: int = 0
    seccomp: bool = False
    reasons: list[str] = field(default_factory=list)


def die_with(parent_id: int) -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_id:
        os._exit(1)  # it ended before the call


def lock_down(*, memory_bytes: int, cpu_seconds: int, parent_id: int) -> Lockdown:
    """Give up everything but memory and the open pipes; report what could not be given up."""
    report = Lockdown()
    _limit_resources(memory_bytes=memory_bytes, cpu_seconds=cpu_seconds)
    _become_nobody(report)
    die_with(parent_id)  # a change of user clears it
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        report.reasons.append(f"{threads - 1} other threads run already and would stay free")
        return report
    _confine_files(report)
    _confine_system_calls(report)
    return report


def _limit_resources(*, memory_bytes: int, cpu_seconds: int) -> None:
    pages_mapped = int(Path("/proc/self/statm").read_text().split()[0])
    usage = resource.getrusage(resource.RUSAGE_SELF)
    memory = pages_mapped * resource.getpagesize() + memory_bytes
    cpu = int(usage.ru_utime + usage.ru_stime) + 1 + cpu_seconds
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (value, value))
    # SIGXCPU first, so that the parent can tell; a process that ignores it is killed after.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))


def _become_nobody(report: Lockdown) -> None:
    if os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    except OSError as error:
        # A container's root may lack the right; Landlock and seccomp bind root as well.
        report.reasons.append(f"stays root: {error.strerror}")


def _confine_files(report: Lockdown) -> None:
    try:
        abi = landlock.give_up_everything()
    except OSError as error:
        report.reasons.append(f"no Landlock: {error.strerror or error}")
        return
    if _errno_of_opening_root() == errno.EACCES:
        report.landlock_abi = abi
    else:
        report.reasons.append("Landlock was switched on, but a folder could still be opened")


def _confine_system_calls(report: Lockdown) -> None:
    # The last descriptors that libraries left open go; after this, none can be opened.
    resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))
    try:
        seccomp.give_up_system_calls()
    except OSError as error:
        report.reasons.append(f"no seccomp: {error.strerror or error}")
        return
    # The filter answers EPERM before Landlock is asked, whose answer is EACCES.
    if _errno_of_opening_root() == errno.EPERM:
        report.seccomp = True
    else:
        report.reasons.append("seccomp was switched on, but a refused call went through")


def _errno_of_opening_root() -> int:
    try:
        descriptor = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        return error.errno or 0
    with suppress(OSError):
        os.close(descriptor)
    return 0

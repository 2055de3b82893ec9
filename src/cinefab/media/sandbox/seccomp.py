"""seccomp: leave the process the few system calls that computing on memory and pipes takes.

A call that is allowed goes through. A call that no decoder ever makes, such as starting a
program or opening a socket, kills the process: that decoder was taken over, and the parent reads
it off the signal. Everything else fails with EPERM instead of killing, because libraries probe
for what a machine has and do without when refused; the call is not made either way.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from dataclasses import dataclass
from typing import Final

_ALLOW: Final = 0x7FFF0000
_KILL_PROCESS: Final = 0x80000000
_REFUSE: Final = 0x00050000 | 1  # SECCOMP_RET_ERRNO with EPERM

_LOAD_WORD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_JUMP_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE = 0, 4
_PROT_EXEC: Final = 4
_X32_BIT: Final = 0x40000000

_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_MODE_FILTER: Final = 2

# name: (x86_64, aarch64); None where the architecture lacks the call.
_Numbers = dict[str, tuple[int | None, int | None]]

_COMPUTING: Final[_Numbers] = {
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "lseek": (8, 62),
    "fstat": (5, 80),
    "close": (3, 57),
    "brk": (12, 214),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "futex": (202, 98),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    "sysinfo": (99, 179),
    "getrandom": (318, 278),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getrusage": (98, 165),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
_MAPPING: Final[_Numbers] = {"mmap": (9, 222), "mprotect": (10, 226)}  # never executable
_SIGNAL_TO_SELF: Final[_Numbers] = {"tgkill": (234, 131)}  # what abort() does
_HOSTILE: Final[_Numbers] = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "clone": (56, 220),
    "clone3": (435, 435),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "setns": (308, 268),
    "unshare": (272, 97),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
}


@dataclass(frozen=True, slots=True)
class _Architecture:
    """How the kernel names a machine, and which column of the tables has its call numbers."""

    audit_word: int
    column: int


_ARCHITECTURES: Final = {
    "x86_64": _Architecture(0xC000003E, 0),
    "aarch64": _Architecture(0xC00000B7, 1),
}


def give_up_system_calls() -> None:
    """Confine this thread for good; raise `OSError` if the kernel or the machine cannot.

    Threads that exist already stay free, so the caller makes sure that there are none.
    """
    program = build_filter(machine=platform.machine(), process_id=os.getpid())
    code = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        """The kernel's `struct sock_fprog`."""

        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    described = Program(len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        or libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(described), 0, 0) != 0
    ):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def build_filter(*, machine: str, process_id: int) -> bytes:
    """Return the BPF program, eight bytes an instruction; raise `OSError` for other machines."""
    if machine not in _ARCHITECTURES:
        raise OSError(f"there is no list of system calls for {machine}")
    architecture = _ARCHITECTURES[machine]
    lines = [
        _line(_LOAD_WORD, _OFFSET_ARCHITECTURE),
        _line(_JUMP_EQUAL, architecture.audit_word, 1, 0),
        _line(_RETURN, _KILL_PROCESS),
        _line(_LOAD_WORD, _OFFSET_NUMBER),
        # x86_64's second table, x32, hides the same calls behind other numbers.
        _line(_JUMP_AT_LEAST, _X32_BIT, 0, 1),
        _line(_RETURN, _KILL_PROCESS),
    ]
    for number in _numbers(_COMPUTING, architecture):
        lines += [_line(_JUMP_EQUAL, number, 0, 1), _line(_RETURN, _ALLOW)]
    for number in _numbers(_MAPPING, architecture):
        lines += [
            _line(_JUMP_EQUAL, number, 0, 4),
            _line(_LOAD_WORD, _offset_of_argument(2)),
            _line(_JUMP_ANY_BIT, _PROT_EXEC, 0, 1),
            _line(_RETURN, _REFUSE),
            _line(_RETURN, _ALLOW),
        ]
    for number in _numbers(_SIGNAL_TO_SELF, architecture):
        lines += [
            _line(_JUMP_EQUAL, number, 0, 4),
            _line(_LOAD_WORD, _offset_of_argument(0)),
            _line(_JUMP_EQUAL, process_id, 0, 1),
            _line(_RETURN, _ALLOW),
            _line(_RETURN, _KILL_PROCESS),
        ]
    for number in _numbers(_HOSTILE, architecture):
        lines += [_line(_JUMP_EQUAL, number, 0, 1), _line(_RETURN, _KILL_PROCESS)]
    lines.append(_line(_RETURN, _REFUSE))
    return b"".join(lines)


def _numbers(calls: _Numbers, architecture: _Architecture) -> list[int]:
    columns = [numbers[architecture.column] for numbers in calls.values()]
    return [number for number in columns if number is not None]


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _offset_of_argument(index: int) -> int:
    # Both architectures keep the low half of a 64-bit argument first.
    return 16 + 8 * index

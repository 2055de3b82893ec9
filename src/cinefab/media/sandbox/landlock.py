"""Landlock: give up every right on files, network and neighbours that this kernel knows.

https://docs.kernel.org/userspace-api/landlock.html. The rule set handles all rights and holds no
rule, so nothing stays allowed; descriptors that are already open keep working.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

_CREATE_RULESET: Final = 444  # the numbers are the same on every architecture
_RESTRICT_SELF: Final = 446
_VERSION_FLAG: Final = 1
_FS_RIGHTS_BY_ABI: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many low bits exist
_NETWORK_RIGHTS: Final = 0b11  # bind and connect TCP, from ABI 4
_SCOPES: Final = 0b11  # abstract Unix sockets and signals, from ABI 6
_PR_SET_NO_NEW_PRIVS: Final = 38


def probe_abi() -> int:
    """Return the kernel's Landlock ABI, 0 if there is none."""
    return max(0, _syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG))


def give_up_everything() -> int:
    """Confine this thread for good and return the ABI in force; raise `OSError` if it cannot."""
    abi = probe_abi()
    if abi == 0:
        raise OSError(ctypes.get_errno(), "this kernel has no Landlock, or it is switched off")
    attributes = struct.pack("=Q", (1 << _FS_RIGHTS_BY_ABI.get(abi, 16)) - 1)
    if abi >= 4:
        attributes += struct.pack("=Q", _NETWORK_RIGHTS)
    if abi >= 6:
        attributes += struct.pack("=Q", _SCOPES)
    ruleset = _checked(_syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(_syscall(_RESTRICT_SELF, ruleset, 0, 0))
    finally:
        os.close(ruleset)
    return abi


def _syscall(number: int, first: bytes | int | None, second: int, third: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    pointer = first if not isinstance(first, int) else ctypes.c_long(first)
    result: int = libc.syscall(
        ctypes.c_long(number), pointer, ctypes.c_size_t(second), ctypes.c_uint(third)
    )
    return result


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result

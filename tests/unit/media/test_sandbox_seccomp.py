"""The filter's answers, worked out by a small interpreter of its BPF for both architectures."""

from __future__ import annotations

import struct

import pytest

from cinefab.media.sandbox.seccomp import build_filter

ALLOWED, REFUSED, KILLED = 0x7FFF0000, 0x00050001, 0x80000000
X86_64, AARCH64, I386 = 0xC000003E, 0xC00000B7, 0x40000003
PROCESS = 4321
READ, WRITE, EXECUTE = 1, 2, 4

# name, its number on x86_64 and on aarch64, its arguments, what must happen
CALLS = [
    ("read", 0, 63, (), ALLOWED),
    ("write", 1, 64, (), ALLOWED),
    ("futex", 202, 98, (), ALLOWED),
    ("exit_group", 231, 94, (), ALLOWED),
    ("mmap of data", 9, 222, (0, 4096, READ | WRITE), ALLOWED),
    ("mmap of code", 9, 222, (0, 4096, READ | EXECUTE), REFUSED),
    ("mprotect to code", 10, 226, (0, 4096, READ | WRITE | EXECUTE), REFUSED),
    ("abort", 234, 131, (PROCESS,), ALLOWED),
    ("a signal to another", 234, 131, (PROCESS + 1,), KILLED),
    ("openat", 257, 56, (), REFUSED),
    ("openat2", 437, 437, (), REFUSED),
    ("unlinkat", 263, 35, (), REFUSED),
    ("ioctl", 16, 29, (), REFUSED),
    ("prctl", 157, 167, (), REFUSED),
    ("prlimit64", 302, 261, (), REFUSED),
    ("memfd_create", 319, 279, (), REFUSED),
    ("a call of the future", 999, 999, (), REFUSED),
    ("execve", 59, 221, (), KILLED),
    ("clone", 56, 220, (), KILLED),
    ("clone3", 435, 435, (), KILLED),
    ("socket", 41, 198, (), KILLED),
    ("connect", 42, 203, (), KILLED),
    ("ptrace", 101, 117, (), KILLED),
    ("kill", 62, 129, (), KILLED),
    ("bpf", 321, 280, (), KILLED),
    ("io_uring_setup", 425, 425, (), KILLED),
]


@pytest.mark.parametrize(("name", "x86_64", "aarch64", "arguments", "wanted"), CALLS)
def test_each_call_gets_its_answer(
    name: str, x86_64: int, aarch64: int, arguments: tuple[int, ...], wanted: int
) -> None:
    assert answer("x86_64", X86_64, x86_64, arguments) == wanted
    assert answer("aarch64", AARCH64, aarch64, arguments) == wanted


@pytest.mark.parametrize("number", [0, 1, 9, 59, 257])
def test_calls_through_another_architecture_kill(number: int) -> None:
    assert answer("x86_64", I386, number) == KILLED
    assert answer("aarch64", X86_64, number) == KILLED
    assert answer("x86_64", X86_64, number | 0x40000000) == KILLED


def test_only_the_listed_calls_are_allowed() -> None:
    allowed = [number for number in range(500) if answer("x86_64", X86_64, number) == ALLOWED]

    assert len(allowed) == 36  # the table's, with mmap and mprotect, which ask for no code here


def test_an_unknown_machine_has_no_filter() -> None:
    with pytest.raises(OSError, match="riscv64"):
        build_filter(machine="riscv64", process_id=PROCESS)


def answer(machine: str, architecture: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Run the filter on one call, as https://docs.kernel.org/networking/filter.html says."""
    padded = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("=IIQ6Q", number, architecture, 0, *padded)
    program = list(struct.iter_unpack("=HBBI", build_filter(machine=machine, process_id=PROCESS)))
    word, line = 0, 0
    while True:
        code, if_true, if_false, value = program[line]
        line += 1
        if code == 0x20:
            (word,) = struct.unpack_from("=I", data, value)
        elif code == 0x06:
            return int(value)
        else:
            holds = {0x15: word == value, 0x35: word >= value, 0x45: bool(word & value)}[code]
            line += if_true if holds else if_false

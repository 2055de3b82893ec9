"""What says that memory ran out, in whichever library's words, and what is left unusable by an error.

The libraries are never imported: their errors are known by name.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cinefab.core.errors import OutOfMemory

REMEDY: Final = (
    "Ask for a smaller size, fewer frames or a shorter window; or run it on a device with more "
    "memory, or with fewer beside it. What was finished is reused."
)
"""What helps whoever asked for more than fits."""

_SAID: Final = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "std::bad_alloc",
    "resource_exhausted",
    "not enough memory",
)
_UNCLEAN: Final = ("cuda error", "hip error", "device-side assert", "illegal memory access")
_KILLS: Final = ("/proc/vmstat", "/sys/fs/cgroup/memory.events")


def out_of_memory(error: BaseException, *, attempted: str) -> OutOfMemory | None:
    """Return the report that memory ran out, if that is what `error`, or its cause, says."""
    if isinstance(error, OutOfMemory):
        return error
    found = next((each for each in _chain(error) if _says_so(each)), None)
    if found is None:
        return None
    said = str(found).strip().partition("\n")[0][:300]
    return OutOfMemory(
        attempted=attempted,
        found=f"no memory was left for it ({type(found).__name__}: {said})",
        remedy=REMEDY,
    )


def is_unclean(error: BaseException) -> bool:
    """Say whether a process must not go on after this: its memory, or its device's, is in doubt."""
    return any(
        isinstance(each, OutOfMemory)
        or _says_so(each)
        or (_is_a_runtime_s(each) and any(word in str(each).lower() for word in _UNCLEAN))
        for each in _chain(error)
    )


def says_out_of_memory(words: str) -> bool:
    """Say whether the last words of a process are that memory ran out."""
    return any(word in words.lower() for word in _SAID)


def kills_for_memory() -> int:
    """Return how often the kernel has ended processes here because memory ran out, as far as it says."""
    return sum(_counted(Path(name)) for name in _KILLS)


def _counted(path: Path) -> int:
    try:
        text = path.read_text()
    except OSError:
        return 0
    pairs = (line.partition(" ") for line in text.splitlines())
    return sum(int(count) for name, _, count in pairs if name == "oom_kill")


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError | OutOfMemory):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    names = {kind.__name__ for kind in type(error).__mro__}
    if "OutOfMemoryError" in names:  # torch's, cupy's
        return True
    return _is_a_runtime_s(error) and says_out_of_memory(str(error))


def _is_a_runtime_s(error: BaseException) -> bool:
    # What native runtimes raise; anybody else may write such words for another reason.
    return isinstance(error, RuntimeError)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        yield each
        seen.add(id(each))
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)

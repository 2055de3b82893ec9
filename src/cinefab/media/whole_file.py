"""Files that appear whole or not at all, and what is said when a disk refuses."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cinefab.core.errors import StorageUnavailable

_REMEDIES = {
    errno.ENOSPC: "Free some space on that disk, or put the work on another one, and run it again",
    errno.EDQUOT: "Raise the quota or free some space, and run it again",
    errno.EFBIG: "Raise the limit on file size, and run it again",
    errno.ENOENT: "Check that the folder and the file are there, and run it again",
}
_ANY_OTHER = "Check the disk and its permissions, and run it again"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Lend a name beside `path` to write to; what was written gets its name once all went well.

    Whatever stops the block, nothing is left behind and an older `path` stays as it was. Two
    threads or processes that write one path don't meet: the last one done wins.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield unfinished
        with storage_errors(f"write {path}"):
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def storage_errors(attempted: str) -> Iterator[None]:
    """Turn an `OSError` of the block, FFmpeg's included, into `StorageUnavailable`."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(
            attempted=attempted,
            found=error.strerror or str(error),
            remedy=_REMEDIES.get(error.errno or 0, _ANY_OTHER),
        ) from error

"""A folder on this machine."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from pathlib import Path

from cinefab.core.errors import StorageUnavailable


class Folder:
    """Copies a release's files into a folder, each under a temporary name until it is whole."""

    name = "folder"

    def publish(self, place: str, files: Mapping[str, Path], /) -> Mapping[str, str]:
        """Copy the files into the folder `place` and return their paths."""
        folder = Path(place)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return {name: str(_copy(source, folder / name)) for name, source in files.items()}
        except OSError as error:
            full = error.errno == errno.ENOSPC
            raise StorageUnavailable(
                attempted=f"put the film into {folder}",
                found="the disk is full" if full else str(error),
                remedy="Make room or choose another --out, then run again: the film is kept.",
            ) from error


def _copy(source: Path, destination: Path) -> Path:
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{destination.name}.part")
    try:
        shutil.copyfile(source, part)
        part.replace(destination)
    finally:
        part.unlink(missing_ok=True)
    return destination

"""A folder on this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from cinefab.core.errors import StorageUnavailable
from cinefab.deliver.target import Access, Parcel, Placed, Placing
from cinefab.store.file_digest import file_sha256


class Folder:
    """Copies a release's files into a folder, each under a temporary name until it is whole.

    Of files with the same content, one is copied and the others are further names of it.
    """

    name = "folder"

    def publish(
        self, place: str, parcels: Sequence[Parcel], /, *, access: Access
    ) -> tuple[Placed, ...]:
        """Copy the parcels into the folder `place`; raise `StorageUnavailable`."""
        folder = Path(place)
        copied: dict[str, Path] = {}
        placed = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for parcel in parcels:
                destination = folder / parcel.name
                how = _how(parcel, destination)
                if how is not Placing.KEPT:
                    _put(parcel.path, destination, alike=copied.get(parcel.sha256))
                copied.setdefault(parcel.sha256, destination)
                placed.append(Placed(name=parcel.name, url=str(destination), how=how))
        except OSError as error:
            full = error.errno == errno.ENOSPC
            raise StorageUnavailable(
                attempted=f"put the film into {folder}",
                found="the disk is full" if full else str(error),
                remedy="Make room or choose another folder, then run again: the film is kept.",
            ) from error
        return tuple(placed)


def _how(parcel: Parcel, destination: Path) -> Placing:
    if not destination.exists():
        return Placing.SENT
    same_size = destination.stat().st_size == parcel.size_bytes
    is_same = same_size and file_sha256(destination) == parcel.sha256
    return Placing.KEPT if is_same else Placing.REPLACED


def _put(source: Path, destination: Path, *, alike: Path | None) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{destination.name}.part")
    part.unlink(missing_ok=True)
    try:
        if alike is not None:
            with contextlib.suppress(OSError):  # not every disk has second names
                os.link(alike, part)
        if not part.exists():
            shutil.copyfile(source, part)
        part.replace(destination)
    finally:
        part.unlink(missing_ok=True)

"""Where a person can watch a film that waits: files with names that players know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cinefab.app.settings import Settings
from cinefab.core.canonical import Sha256
from cinefab.review.items import Item
from cinefab.store.blobs import Blobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchable:
    """The cut that waits and the frame that is asked about, as files on this machine."""

    film: Path
    frame: Path


def watchable(settings: Settings, blobs: Blobs, item: Item) -> Watchable:
    """Put the cut and the frame of an item where they can be watched, and say where.

    They are links into the blobs, fetched first where those are in a bucket; nothing is published
    by it. Raises `StorageUnavailable` if they cannot be had.
    """
    folder = settings.home / "review" / item.id
    folder.mkdir(parents=True, exist_ok=True)
    return Watchable(
        film=_link(folder / "film.mp4", blobs, item.cut),
        frame=_link(folder / "frame.jpg", blobs, item.still),
    )


def _link(place: Path, blobs: Blobs, digest: Sha256) -> Path:
    target = blobs.local_path(digest).absolute()
    if not place.is_symlink() or place.readlink() != target:
        place.unlink(missing_ok=True)
        place.symlink_to(target)
    return place

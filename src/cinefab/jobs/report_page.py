"""A report's page is given its pictures and its film, which are blobs here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cinefab.core.canonical import Sha256
from cinefab.core.errors import ContractMismatch, CredentialsInvalid, StorageUnavailable
from cinefab.core.plan import Part
from cinefab.deliver.page.page import Media, write_page
from cinefab.jobs.workshop import Workshop

_LOST = (ContractMismatch, CredentialsInvalid, StorageUnavailable)
"""What reading a picture may end in; a report is written all the same, without it."""


def write_report_page(shop: Workshop, report: Mapping[str, Any], path: Path) -> None:
    """Write the page of a job's report to `path`; pictures that are not kept any more are missing.

    Raises `StorageUnavailable` if it cannot be written, or the film's blob cannot be read.
    """
    film = report["content_credentials"].get("sha256")
    shots = _shot_pictures(shop, report)
    poster = _picture(shop, report["preview"])
    media = Media(
        film=None if film is None else shop.blobs.local_path(Sha256(film)),
        poster=next(iter(shots.values()), None) if poster is None else poster,
        shots=shots,
    )
    write_page(report, path, media)


def _shot_pictures(shop: Workshop, report: Mapping[str, Any]) -> dict[int, bytes]:
    bodies = [each for each in report["segments"] if each["part"] == Part.BODY]
    found = {
        each["shot"]: _picture(shop, each["thumbnail"]) or _decoded(shop, each) for each in bodies
    }
    return {shot: picture for shot, picture in found.items() if picture is not None}


def _decoded(shop: Workshop, body: Mapping[str, Any]) -> bytes | None:
    # Ten times as dear as one that is kept: for what was made without one, or lost it.
    from cinefab.media.thumbnail import keyframe_thumbnail  # noqa: PLC0415 - codecs, and seldom

    try:
        return keyframe_thumbnail(shop.blobs.local_path(Sha256(body["sha256"])))
    except _LOST:
        return None


def _picture(shop: Workshop, digest: str | None) -> bytes | None:
    if digest is None:
        return None
    try:
        return shop.blobs.load(Sha256(digest))
    except _LOST:
        return None
